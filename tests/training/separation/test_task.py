"""A separator's run on tiny songs: it learns, resumes to the bit, exports, and refuses."""

from __future__ import annotations

import json
import math
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from rtaudio.models.contract.check import read_model  # noqa: E402
from rtaudio.models.stems import STEMS  # noqa: E402
from training.checkpoint import load_checkpoint  # noqa: E402
from training.cli import export, train  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.engine import train_run  # noqa: E402
from training.separation.config import SeparationConfig  # noqa: E402
from training.separation.losses import FLOOR, joined, stem_loss  # noqa: E402
from training.separation.mixer import Mixer  # noqa: E402
from training.separation.stems import find_tracks  # noqa: E402
from training.separation.task import SeparationTask  # noqa: E402

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
RATE = 44100
TONES = {"vocals": 880.0, "drums": 5000.0, "bass": 80.0, "other": 2000.0}


def tone(stem, seconds, seed=0):
    """A stem that any net can tell from the others: a swelling tone of its own."""
    time = np.arange(round(seconds * RATE)) / RATE
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * (2 + seed) * time)
    left = 0.2 * swell * np.sin(2 * np.pi * TONES[stem] * time + seed)
    return np.stack([left, 0.5 * left], axis=1)


def write_song(folder, seconds, seed=0, absent=(), rate=RATE):
    folder.mkdir()
    for stem in STEMS:
        sound = tone(stem, seconds, seed) * (stem not in absent)
        soundfile.write(folder / f"{stem}.flac", sound, rate)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("songs")
    write_song(root / "song_a", 2.0)
    write_song(root / "song_b", 1.5, seed=1, absent=["bass"])
    write_song(root / "held", 2.0, seed=2)
    (root / "voices").mkdir()
    soundfile.write(root / "voices" / "solo.wav", tone("vocals", 1.0)[:, 0], RATE // 2)
    return root


@pytest.fixture
def write(tmp_path, corpus, write_run):
    def written(data=(), **changes):
        content = {
            "task": "separation",
            "data": {
                "root": str(corpus),
                "cache": str(tmp_path / "cache"),
                "train": [
                    {"files": "song_*", "hidden": ["bass"]},
                    {"files": "voices/*.wav", "stem": "vocals", "share": 0.5},
                ],
                "validation": ["held"],
                "test": ["held"],
                "clips": 1,
                "clip_s": 1.0,
                "excerpt_hops": 24,
                **dict(data),
            },
            "net": {"type": "separator", "channels": 8, "layers": 1},
            "schedule": {"steps": 4, "batch": 2, "epoch_steps": 2, "warmup_steps": 1},
            **changes,
        }
        return write_run(**content)

    return written


def test_a_run_becomes_a_file(write, tmp_path, capsys):
    train([write()])
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert set(metrics["test_sdr_db"]) == set(STEMS)
    assert (tmp_path / "run/curve.png").stat().st_size > 5000
    _, card = load_checkpoint(tmp_path / "run/best.pt")
    assert str(tmp_path) not in json.dumps(card)
    export(tmp_path / "run/best.pt", tmp_path / "net.onnx")
    card = read_model(tmp_path / "net.onnx").card
    assert (card.stems, card.rate_hz, card.latency_samples) == (STEMS, RATE, 512)
    assert "vocals" in capsys.readouterr().out


def test_it_learns_to_tell_tones_apart(write):
    schedule = {"steps": 60, "batch": 2, "epoch_steps": 60, "learning_rate": 0.01, "average": 0.9}
    config = load_config(write(schedule=schedule, data={"absent": 0.0}), SeparationConfig)
    found = train_run(config, SeparationTask, show=False)["test_sdr_db"]
    assert min(found.values()) > 3.0, found


def test_the_sdr_is_that_of_whole_songs(write):
    config = load_config(write(), SeparationConfig)
    task = SeparationTask(config, torch.device("cpu"))
    row = task.validate(task.net)
    for number, stem in enumerate(STEMS):
        ratios = []
        for clips in task.held_out:
            power = error = 0.0
            for clip in clips:
                mixture = torch.from_numpy(clip[:, :, : clip.shape[-1] // 512 * 512]).sum(0)[None]
                with torch.no_grad():
                    y, _ = task.net(mixture, task.net.initial_state())
                late = task.net.latency_samples
                y = y[0, 2 * number : 2 * number + 2, late:].numpy()
                target = clip[number, :, : y.shape[-1]]
                power, error = power + (target**2).sum(), error + ((y - target) ** 2).sum()
            if power:
                ratios.append(10 * np.log10(power / error))
        assert row[f"val_{stem}_db"] == pytest.approx(np.mean(ratios), abs=1e-3)
    found = [row[f"val_{stem}_db"] for stem in STEMS]
    assert row["val_sdr_db"] == pytest.approx(np.nanmean(found))


def test_half_the_precision_gives_nearly_the_same_step(write):
    losses = {}
    for precision in ("float32", "bfloat16"):
        schedule = {"steps": 1, "batch": 2, "precision": precision}
        config = load_config(write(schedule=schedule), SeparationConfig)
        torch.manual_seed(0)
        task = SeparationTask(config, torch.device("cpu"))
        losses[precision] = float(task.step(next(iter(task.batches(0))), 1)["loss"])
        assert {p.dtype for p in task.net.parameters()} == {torch.float32}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.01)
    assert losses["bfloat16"] != losses["float32"]


def test_a_resumed_run_is_the_unbroken_one(write, tmp_path):
    config = load_config(write(), SeparationConfig)
    whole = train_run(config, SeparationTask, show=False)
    broken = config.model_copy(update={"folder": str(tmp_path / "broken")})

    class Stopped(SeparationTask):
        def batches(self, epoch):
            if epoch == 1:
                raise KeyboardInterrupt
            return super().batches(epoch)

    with pytest.raises(KeyboardInterrupt):
        train_run(broken, Stopped, show=False)
    resumed = train_run(broken, SeparationTask, resume=True, show=False)
    assert resumed["test_sdr_db"] == whole["test_sdr_db"]
    a, b = (load_checkpoint(f / "best.pt")[0] for f in (tmp_path / "run", tmp_path / "broken"))
    for x, y in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)


@pytest.mark.parametrize("targets", [["vocals"], ["vocals", "other"]])
def test_open_unmix_trains_on_its_targets(write, targets):
    net = {"type": "open-unmix", "hidden": 8, "n_fft": 1024, "hop": 256, "targets": targets}
    config = load_config(write(net=net), SeparationConfig)
    found = train_run(config, SeparationTask, show=False)["test_sdr_db"]
    assert set(found) == set(targets)


def test_a_song_without_a_bass_may_hide_it(write, corpus):
    config = load_config(write(), SeparationConfig)
    tracks = find_tracks(config.data, config.data.train[0], RATE)
    assert {track.name: set(track.hidden) for track in tracks} == {
        "song_a": set(),
        "song_b": {"bass"},
    }
    assert "bass" not in tracks[1].sounds
    held = find_tracks(config.data, config.data.train[1], RATE)[0].sounds["vocals"]
    assert abs(len(held) - 2 * RATE) <= 2  # resampled from half the rate
    left, right = held.read(0, 1000)
    np.testing.assert_array_equal(left, right)
    assert not held.read(len(held), len(held) + 10).any()


def test_mixtures_depend_on_the_seed_alone_and_never_clip(write):
    config = load_config(write(data={"gain_db": [6.0, 18.0]}), SeparationConfig)
    mixer = Mixer(config.data, RATE, 4096)
    merged = set()
    for seed in range(30):
        a, b = (mixer.draw(np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(a.stems, b.stems)
        assert a.stems.shape == (4, 2, 4096)
        assert np.abs(a.stems.sum(axis=0)).max() <= 1.0 + 1e-5
        merged.add(a.merged)
    assert merged == {False, True}


def test_an_equalizer_changes_the_colour_within_its_range(write):
    def first_stem(equalizer):
        data = {
            "absent": 0.0, "speed": 0.0, "swap": 0.0, "gain_db": [0.0, 0.0], "balance_db": 0.0,
            "equalizer": equalizer, "equalizer_db": 9.0, "space": 0.0,
        }  # fmt: skip
        config = load_config(write(data=data), SeparationConfig)
        return np.fft.rfft(Mixer(config.data, RATE, 4096).draw(np.random.default_rng(3)).stems[0])

    plain, coloured = first_stem(0.0), first_stem(1.0)
    loud = np.abs(plain) > 0.1 * np.abs(plain).max()
    gains_db = 20 * np.log10(np.abs(coloured[loud] / plain[loud]))
    assert np.abs(gains_db).max() <= 9.0 + 0.01
    assert np.abs(gains_db).max() > 0.1
    config = load_config(write(data={"equalizer_db": 9.0}), SeparationConfig)
    mixer = Mixer(config.data, RATE, 4096)
    curves = np.stack([mixer._curve(np.random.default_rng(k)) for k in range(50)])
    assert curves.shape == (50, 2049)
    assert np.abs(20 * np.log10(curves)).max() <= 9.0 + 1e-6
    assert np.ptp(20 * np.log10(curves), axis=0).min() > 9.0


def test_a_space_makes_sides_differ_as_a_room_does(write):
    config = load_config(write(), SeparationConfig)
    mixer = Mixer(config.data, RATE, 32768)
    levels_db, late_samples = [], []
    for seed in range(30):
        response = mixer._space(np.random.default_rng(seed))
        direct = np.abs(response).argmax(axis=1)
        late_samples += list(direct)
        room = response.copy()
        room[np.arange(2), direct] -= 1.0
        levels_db += list(20 * np.log10(np.linalg.norm(room, axis=1)))
        assert abs(np.corrcoef(room)[0, 1]) < 0.2
    assert -20.1 < min(levels_db) < -15
    assert -5 < max(levels_db) < 0.1
    assert min(late_samples) == 0
    assert 0.01 * RATE < max(late_samples) <= 0.03 * RATE


def test_all_absent_is_silence(write):
    config = load_config(write(data={"absent": 1.0}), SeparationConfig)
    song = Mixer(config.data, RATE, 2048).draw(np.random.default_rng(0))
    assert not song.stems.any()
    assert not song.merged


def test_where_bass_may_be_in_other_only_their_sum_counts():
    torch.manual_seed(0)
    truth = torch.randn(2, 4, 2, 100)
    truth[1, 2] = 0.0
    estimate = truth.clone()
    moved = torch.randn(2, 100)
    estimate[1, 2] += moved
    estimate[1, 3] -= moved
    merged = torch.tensor([False, True])
    loss = stem_loss(joined(estimate, merged), joined(truth, merged))
    assert (loss[:, [0, 1, 3]] < 10 * math.log10(FLOOR) + 0.1).all()
    assert (stem_loss(estimate, truth)[1, 2:] > -20).all()


def test_a_song_that_is_none_is_refused(write):
    data = {"train": [{"files": "voices"}]}
    config = load_config(write(data=data), SeparationConfig)
    with pytest.raises(ConfigError, match=r"voices: is no song; wanted a folder with vocals\.wav"):
        Mixer(config.data, RATE, 2048)
    config = load_config(write(data={"train": [{"files": "nothing*"}]}), SeparationConfig)
    with pytest.raises(ConfigError, match="nothing fits 'nothing"):
        Mixer(config.data, RATE, 2048)


def test_excerpts_shorter_than_the_latency_are_refused(write):
    net = {"type": "open-unmix", "hidden": 8, "n_fft": 4096, "hop": 256}
    config = load_config(write(net=net, data={"excerpt_hops": 15}), SeparationConfig)
    with pytest.raises(ConfigError, match=r"excerpt_hops = 15: .* take 16 or more"):
        train_run(config, SeparationTask, show=False)


def test_another_net_is_refused(write):
    config = load_config(write(net={"type": "denoiser"}), SeparationConfig)
    with pytest.raises(ConfigError, match="is no separator"):
        train_run(config, SeparationTask, show=False)


def test_stem_files_of_musdb(tmp_path, write):
    av = pytest.importorskip("av", reason="PyAV is not installed (extra: media)")
    path = tmp_path / "song.stem.mp4"
    names = ("mixture", "drums", "bass", "other", "vocals")
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("aac", rate=RATE, layout="stereo") for _ in names]
        for name, stream in zip(names, streams, strict=True):
            sound = tone("vocals" if name == "mixture" else name, 1.0).T.astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", "stereo")
            frame.rate = RATE
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    config = load_config(write(), SeparationConfig)
    data = config.data.model_copy(update={"root": str(tmp_path)})
    source = config.data.train[0].model_copy(update={"files": "*.stem.mp4"})
    (track,) = find_tracks(data, source, RATE)
    assert set(track.sounds) == set(STEMS)
    for stem, sound in track.sounds.items():
        spectrum = np.abs(np.fft.rfft(sound.read(8000, 8000 + RATE // 2)[0]))
        assert abs(2 * spectrum.argmax() - TONES[stem]) < 10


def test_the_shipped_configuration_is_valid():
    content = yaml.safe_load((CONFIGS / "separate.yaml").read_text())
    config = SeparationConfig.model_validate(content)
    held = {"eif/1_*", "eif/6_*"}
    assert set(config.data.validation) | set(config.data.test) == held
    for path in ("eif/1_song", "eif/6_song", "data/music/stems_mdn/song/bass.wav"):
        assert not any(fnmatch(path, source.files) for source in config.data.train)
