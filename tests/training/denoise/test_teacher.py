"""The teacher beside the player of the same files, and mixtures with its answers."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import rtaudio as rt  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.denoise import taught  # noqa: E402
from training.denoise.config import DenoiseConfig, TeacherConfig  # noqa: E402
from training.denoise.curves import low_pass  # noqa: E402
from training.denoise.mixture import Mixture  # noqa: E402
from training.denoise.task import DenoiseTask  # noqa: E402
from training.denoise.teacher import Teacher  # noqa: E402
from training.engine import train_run  # noqa: E402

RATE_HZ = 48000


@pytest.fixture(scope="module")
def files(data_folder):
    return data_folder / "models" / "deepfilternet3"


def sounds(count, samples, seed=0):
    """Tones that come and go in noise, with a silent beginning in the first."""
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / RATE_HZ
    tones = [
        sum(np.sin(2 * np.pi * n * rng.uniform(100, 250) * t) / n for n in range(1, 20))
        for _ in range(count)
    ]
    x = np.array(tones) * (np.sin(2 * np.pi * 2 * t) > 0) * 0.05
    x += rng.uniform(0.001, 0.02, (count, 1)) * rng.standard_normal((count, samples))
    x[0, : samples // 3] = 0
    return x.astype(np.float32)


@pytest.mark.data
@pytest.mark.parametrize("samples", [48000, 70001, 479])
def test_it_answers_as_the_player_does(files, samples):
    noisy = sounds(3, samples)
    found = Teacher(files)(torch.from_numpy(noisy)).numpy()
    assert found.shape == noisy.shape
    player = rt.Denoise(str(files))
    for mine, sound in zip(found, noisy, strict=True):
        wanted = np.asarray(player(sound, rate_hz=RATE_HZ)).reshape(-1)
        assert np.sum((mine - wanted) ** 2) < 1e-9 * np.sum(wanted**2) + 1e-15


@pytest.mark.data
def test_another_net_or_half_of_one_is_refused(files, tmp_path):
    with pytest.raises(ConfigError, match=r"config\.ini"):
        Teacher(tmp_path)
    for name in ("config.ini", "enc.onnx", "erb_dec.onnx"):
        shutil.copy(files / name, tmp_path / name)
    with pytest.raises(ConfigError, match=r"df_dec\.onnx"):
        Teacher(tmp_path)
    (tmp_path / "df_dec.onnx").write_bytes(b"no graph")
    with pytest.raises(ConfigError, match=r"df_dec\.onnx"):
        Teacher(tmp_path)
    shutil.copy(files / "enc.onnx", tmp_path / "df_dec.onnx")
    with pytest.raises(ConfigError, match=r"df_dec\.onnx"):
        Teacher(tmp_path)
    told = (files / "config.ini").read_text().replace("nb_df = 96", "nb_df = 64")
    (tmp_path / "config.ini").write_text(told)
    with pytest.raises(ConfigError, match="nb_df"):
        Teacher(tmp_path)


@pytest.mark.data
def test_a_run_learns_from_its_answers(files, small_mixtures, write_run):
    content = {
        "task": "denoise",
        "source": "noise",
        "workers": 0,
        "data": small_mixtures,
        "teacher": {"folder": str(files), "less_noise": 0.5, "band_limit": 0.5},
        "net": {"type": "denoiser", "channels": [4, 4, 4], "hidden": 8},
        "loss": {"spectrum": 1.0},
        "schedule": {"steps": 4, "batch": 2, "epoch_steps": 2, "validation_mixtures": 2},
    }
    config = load_config(write_run(**content), DenoiseConfig)
    task = DenoiseTask(config, torch.device("cpu"))
    told = task.card()["provenance"]["config"]["teacher"]
    assert told["less_noise"] == 0.5
    assert "folder" not in told
    assert math.isfinite(train_run(config, DenoiseTask, show=False)["validation_loss"])
    with pytest.raises(ConfigError, match=r"teacher\.folder"):
        load_config(write_run(**content | {"teacher": {"folder": "nowhere"}}), DenoiseConfig)
    low = content["data"] | {"rate_hz": 16000}
    with pytest.raises(ConfigError, match="48000 Hz"):
        load_config(write_run(**content | {"data": low}), DenoiseConfig)


# What is made of its answers


class Half(torch.nn.Module):
    """A teacher whose answer shows what it heard."""

    def __init__(self, folder):
        super().__init__()

    def forward(self, noisy):
        return 0.5 * noisy


@pytest.fixture
def half(monkeypatch):
    monkeypatch.setattr(taught, "Teacher", Half)

    def made(**settings):
        return taught.Taught(TeacherConfig(folder="", **settings), RATE_HZ, seed=5)

    return made


def batch(count=8, samples=4800):
    rng = np.random.default_rng(1)
    clean = torch.tensor(rng.standard_normal((count, 1, samples)), dtype=torch.float32)
    noisy = clean + torch.tensor(rng.standard_normal((count, 1, samples)), dtype=torch.float32)
    snr_db = torch.zeros(count)
    snr_db[0] = -math.inf
    return Mixture(noisy, clean, torch.full((count,), 24000.0), snr_db)


def test_the_answer_takes_the_place_of_speech_and_silence_stays(half):
    before = batch()
    after = half()(before, 1)
    assert after.noisy is before.noisy
    torch.testing.assert_close(after.clean[0], before.clean[0])
    torch.testing.assert_close(after.clean[1:], 0.5 * before.noisy[1:])


def test_it_may_hear_less_of_the_noise(half):
    before = batch()
    after = half(less_noise=1.0, less_noise_db=(6.0, 12.0))(before, 1)
    noise = before.noisy - before.clean
    share = ((2 * after.clean - before.clean) * noise).sum(-1) / noise.square().sum(-1)
    heard_db = 20 * share[1:].log10()
    assert (heard_db > -12.01).all()
    assert (heard_db < -5.99).all()
    assert heard_db.std() > 0.5


def test_a_batch_depends_on_its_number_alone(half):
    make = {"less_noise": 0.5, "band_limit": 0.5}
    first, again, other = (half(**make)(batch(), number) for number in (7, 7, 8))
    assert torch.equal(first.clean, again.clean)
    assert not torch.equal(first.clean, other.clean)


def test_a_band_limit_cuts_both_sides_after_the_answer(half):
    before = batch(samples=48000)
    after = half(band_limit=1.0, band_limit_hz=(7000.0, 8000.0))(before, 1)
    for side in (after.noisy, after.clean):
        power = torch.fft.rfft(side).abs().square()[1:]
        assert power[..., 8001:].sum() < 1e-9 * power.sum()
    kept = torch.fft.rfft(after.clean)[1:, :, 10:6700]
    wanted = 0.5 * torch.fft.rfft(before.noisy)[1:, :, 10:6700]
    torch.testing.assert_close(kept, wanted, rtol=1e-4, atol=1e-3)


def test_many_low_passes_are_as_one():
    limits_hz = [3000.0, 7900.0, 24000.0]
    found = taught._low_passes(torch.tensor([*limits_hz, math.inf])[:, None], RATE_HZ, 9600)
    for row, limit_hz in zip(found, limits_hz, strict=False):
        np.testing.assert_allclose(row, low_pass(9600, RATE_HZ, limit_hz), atol=1e-6)
    assert (found[-1] == 1).all()
