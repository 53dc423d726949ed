"""Paired folders: the same names, one rate, and full scale is 1 in every format."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.config import ConfigError  # noqa: E402
from training.denoise.pairs import PairedFolders, PairedFoldersConfig  # noqa: E402

RATE = 16000


def write_pairs(folder, subtype, lengths=(9000, 3000)):
    generator = np.random.default_rng(0)
    for part in ("train", "validation"):
        for number, length in enumerate(lengths):
            clean = generator.integers(-8000, 8000, length)
            noise = generator.integers(-4000, 4000, length)
            for side, signal in (("clean", clean), ("noisy", clean + noise)):
                path = folder / part / side / f"{number}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                stored = signal.astype(np.int16)
                if subtype != "PCM_16":
                    stored = (signal / 32768).astype(np.float32)
                soundfile.write(path, stored, RATE, subtype=subtype)
    return folder


def paired(folder, part="train", **changes):
    config = PairedFoldersConfig(
        **{
            "root": str(folder),
            "rate_hz": RATE,
            "excerpt_samples": 4000,
            **{
                name: {"noisy": f"{name}/noisy", "clean": f"{name}/clean"}
                for name in ("train", "validation")
            },
            **changes,
        }
    )
    return PairedFolders(config, part, seed=0, length=50)


def test_integers_and_floats_of_equal_content_are_equal(tmp_path):
    whole = paired(write_pairs(tmp_path / "int", "PCM_16"))
    real = paired(write_pairs(tmp_path / "float", "FLOAT"))
    for index in range(10):
        one, two = whole[index], real[index]
        assert one.noisy.dtype == torch.float32
        assert one.noisy.shape == one.clean.shape == (1, 4000)
        assert torch.equal(one.noisy, two.noisy)
        assert torch.equal(one.clean, two.clean)
        assert one.bandwidth_hz == 8000


def test_both_sides_may_be_cut_off_at_one_frequency(tmp_path):
    folder = write_pairs(tmp_path, "PCM_16", lengths=(9000,))
    wide = paired(folder)
    narrow = paired(folder, band_limit=1.0, band_limit_hz=(2000, 3000))
    some = paired(folder, band_limit=0.5, band_limit_hz=(2000, 3000))
    hz = np.fft.rfftfreq(4000, 1 / RATE)
    cut = []
    for index in range(20):
        whole, part, either = (pairs[index] for pairs in (wide, narrow, some))
        before, after, perhaps = (
            np.abs(np.fft.rfft(np.stack([pair.noisy[0], pair.clean[0]])))
            for pair in (whole, part, either)
        )
        np.testing.assert_allclose(after[:, hz < 1900], before[:, hz < 1900], rtol=1e-3)
        assert after[:, hz > 3000].max() < 1e-3 * before.max()
        cut.append(bool(perhaps[:, hz > 3000].max() < 1e-3 * before.max()))
    assert 2 <= sum(cut) <= 18
    with pytest.raises(ValueError, match=r"3000 \.\. 2000 is no range"):
        paired(folder, band_limit_hz=(3000, 2000))


def test_a_remixed_pair_has_its_speech_and_the_noise_of_another_one_as_loud(tmp_path):
    folder, lengths = write_pairs(tmp_path, "FLOAT", (4000, 4000, 4000)), range(3)
    read = {side: [soundfile.read(folder / "train" / side / f"{number}.wav", dtype="float32")[0]
                   for number in lengths] for side in ("clean", "noisy")}  # fmt: skip
    noises = [noisy - clean for clean, noisy in zip(read["clean"], read["noisy"], strict=True)]
    plain, data = paired(folder), paired(folder, remix=1.0)
    used = set()
    for index in range(50):
        mixture = data[index]
        clean, noise = (x.numpy()[0] for x in (mixture.clean, mixture.noisy - mixture.clean))
        own = next(n for n in lengths if np.array_equal(clean, read["clean"][n]))
        assert torch.equal(mixture.clean, plain[index].clean)
        assert np.linalg.norm(noise) == pytest.approx(np.linalg.norm(noises[own]), rel=1e-4)
        spectra = [np.abs(np.fft.rfft(x / np.linalg.norm(x))) for x in (noise, *noises)]
        found = next(n for n in lengths if np.allclose(spectra[0], spectra[n + 1], atol=1e-3))
        used.add((own, found))
    assert len(used) == 9


def test_a_remixed_pair_stays_within_full_scale(tmp_path):
    for side, level in (("clean", 0.9), ("noisy", 0.95)):
        (tmp_path / "train" / side).mkdir(parents=True)
        for number in range(2):
            sound = level * np.sign(np.random.default_rng(number).standard_normal(4000))
            soundfile.write(tmp_path / "train" / side / f"{number}.wav", sound, RATE, "FLOAT")
    data = paired(tmp_path, remix=1.0)
    for index in range(10):
        assert data[index].noisy.abs().max() <= 0.99001
        assert data[index].clean.abs().max() < data[index].noisy.abs().max()


def test_excerpts_are_cut_at_one_place_from_both(tmp_path):
    data = paired(write_pairs(tmp_path, "PCM_16"), "validation")
    files = [
        tuple(
            soundfile.read(tmp_path / "validation" / side / f"{n}.wav", dtype="float32")[0]
            for side in ("noisy", "clean")
        )
        for n in range(2)
    ]
    seen = set()
    for index in range(30):
        mixture = data[index]
        noisy, clean = mixture.noisy.numpy()[0], mixture.clean.numpy()[0]
        number = int(not clean[3000:].any())
        whole = files[number]
        length = min(4000, len(whole[1]))
        windows = np.lib.stride_tricks.sliding_window_view(whole[1], 8)
        (start,) = np.flatnonzero((windows == clean[:8]).all(axis=1))
        np.testing.assert_array_equal(whole[1][start : start + length], clean[:length])
        np.testing.assert_array_equal(whole[0][start : start + length], noisy[:length])
        # Evenly distributed over twice the range: 6 dB; silence behind the file dilutes the noise.
        silence_db = 10 * math.log10(4000 / length)
        assert mixture.snr_db == pytest.approx(6.02 + silence_db, abs=0.7)
        seen.add((number, start))
    assert len(seen) > 15
    assert (1, 0) in seen


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda f: (f / "train/clean/1.wav").unlink(), "noisy/1.wav: no file of this name"),
        (lambda f: (f / "train/noisy/0.wav").unlink(), "clean/0.wav: no file of this name"),
        (lambda f: soundfile.write(f / "train/clean/0.wav", np.zeros(9000), 44100), "at 44100 Hz"),
        (
            lambda f: soundfile.write(f / "train/clean/0.wav", np.zeros((9000, 2)), RATE),
            "2 channels",
        ),
        (
            lambda f: soundfile.write(f / "train/clean/0.wav", np.zeros(8999), RATE),
            "9000 samples, but",
        ),
        (lambda f: (f / "train/clean/0.wav").write_bytes(b"not sound"), "cannot be read"),
    ],
)
def test_what_is_no_pair_is_named(tmp_path, spoil, text):
    spoil(write_pairs(tmp_path, "PCM_16"))
    with pytest.raises(ConfigError, match=text) as error:
        paired(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_folder_and_not_a_number(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        paired(tmp_path)
    write_pairs(tmp_path, "FLOAT", lengths=(500,))
    spoilt = np.full(500, np.nan, np.float32)
    soundfile.write(tmp_path / "train/noisy/0.wav", spoilt, RATE, subtype="FLOAT")
    with pytest.raises(ConfigError, match="NaN"):
        paired(tmp_path)[0]
