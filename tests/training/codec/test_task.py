"""A codec's run on a tiny corpus: it learns, resumes to the bit, exports, and refuses."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from rtaudio.models.contract.check import read_model  # noqa: E402
from training.checkpoint import load_checkpoint  # noqa: E402
from training.cli import export, train  # noqa: E402
from training.codec.config import CodecConfig  # noqa: E402
from training.codec.speech import Speech, clips  # noqa: E402
from training.codec.task import CodecTask  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.engine import train_run  # noqa: E402

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
RATE = 16000
NET = {
    "type": "codec",
    "rate_hz": RATE,
    "books": 6,
    "entries": 16,
    "shape_dims": 8,
    "width": 8,
    "hidden": 12,
    "encoder_dilations": [1],
    "decoder_dilations": [1, 2],
}
SCHEDULE = {
    "steps": 6,
    "depths": [3, 5, 6],
    "warmup_steps": 2,
    "epoch_steps": 3,
    "validation_books": 6,
    "learning_rate": 0.005,
}


def voice(seed, seconds):
    """Tones that swell like syllables, over noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * time)
    tones = sum(np.sin(2 * np.pi * (90 + 40 * seed) * k * time) / k for k in range(1, 12))
    return 0.1 * swell * tones + 0.003 * generator.standard_normal(len(time))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    soundfile.write(folder / "short.wav", np.zeros(RATE // 10), RATE)
    for seed, (name, seconds) in enumerate(
        {"anna_0": 4, "anna_1": 2, "bert_0": 8, "held_0": 1.5, "test_0": 1.5}.items()
    ):
        soundfile.write(folder / f"{name}.flac", voice(seed, seconds), RATE)
    return folder


@pytest.fixture
def write(tmp_path, corpus, write_run):
    def written(**changes):
        content = {
            "task": "codec",
            "data": {
                "root": str(corpus),
                "cache": str(tmp_path / "cache"),
                "train": [{"files": "anna*.flac", "share": 0.75}, {"files": "[ab]*.flac"}],
                "validation": ["held*.flac"],
                "test": ["test*.flac"],
                "excerpt_frames": 16,
            },
            "net": NET,
            "schedule": SCHEDULE,
            **changes,
        }
        return write_run(**content)

    return written


@pytest.fixture(autouse=True)
def _small_start(monkeypatch):
    monkeypatch.setattr("training.codec.task.START_EXCERPTS", 20)


def test_a_run_becomes_two_files(write, tmp_path, capsys):
    train([write()])
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert set(metrics["test_by_kbps"]) == {"0.6", "1.2"}
    assert {"mel", "si_sdr_db"} <= set(metrics["test_by_kbps"]["1.2"])
    net, card = load_checkpoint(tmp_path / "run/best.pt")
    assert str(tmp_path) not in json.dumps(card)
    export(tmp_path / "run/best.pt", tmp_path / "voice.onnx")
    files = [read_model(tmp_path / f"voice.{side}.onnx") for side in ("encoder", "decoder")]
    assert not (tmp_path / "voice.onnx").exists()
    assert {file.card.architecture["codec"] for file in files} == {net.identity()}
    assert files[0].card.name == "tiny"
    assert "code for code" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"the parts encoder, decoder, which \.nam cannot hold"):
        export(tmp_path / "run/best.pt", tmp_path / "voice.nam")


def test_it_learns(write):
    config = load_config(write(schedule={**SCHEDULE, "steps": 60}), CodecConfig)
    torch.manual_seed(0)
    task = CodecTask(config, torch.device("cpu"))
    batches = list(task.batches(0))
    before = task.validate(task.net.eval())["val_mel"]
    task.net.train()
    for number in range(60):
        losses = task.step(batches[number % 3], number + 1)
        assert all(torch.isfinite(loss) for loss in losses.values())
    assert task.validate(task.net.eval())["val_mel"] < 0.97 * before


def test_a_resumed_run_ends_as_an_unbroken_one(write, tmp_path, killed):
    whole = load_config(write(folder=str(tmp_path / "whole")), CodecConfig)
    broken = load_config(write(folder=str(tmp_path / "broken")), CodecConfig)
    train_run(whole, CodecTask, show=False)
    assert killed(
        lambda: train_run(broken, CodecTask, show=False), lambda path: path.name == "last.pt"
    )
    train_run(broken, CodecTask, resume=True, show=False)
    a, b = (
        torch.load(tmp_path / f"{name}/last.pt", weights_only=True) for name in ("whole", "broken")
    )
    assert len(a["rows"]) == 2
    assert {"shape_quantiser.book", "level_quantiser.count"} <= set(a["task"]["net"])
    for name, value in a["task"]["net"].items():
        assert torch.equal(value, b["task"]["net"][name]), name
    assert torch.equal(a["random"]["cpu"], b["random"]["cpu"])


def test_it_starts_with_the_weights_and_books_of_another_run(write, tmp_path):
    train_run(load_config(write(), CodecConfig), CodecTask, show=False)
    config = load_config(write(folder=str(tmp_path / "on")), CodecConfig)
    task = CodecTask(config, torch.device("cpu"))
    task.adopt(tmp_path / "run/best.pt")
    list(task.batches(0))
    trained, _ = load_checkpoint(tmp_path / "run/best.pt")
    for name, value in trained.state_dict().items():
        assert torch.equal(value, task.net.state_dict()[name])
    assert task.card()["provenance"]["config"]["start"]["config"]["net"]["books"] == 6
    other = load_config(write(net={**NET, "width": 9}), CodecConfig)
    with pytest.raises(ConfigError, match="its sizes are not those of the run"):
        CodecTask(other, torch.device("cpu")).adopt(tmp_path / "run/best.pt")


def test_one_bad_batch_spoils_nothing(write):
    task = CodecTask(load_config(write(), CodecConfig), torch.device("cpu"))
    list(task.batches(0))
    before = {name: value.clone() for name, value in task.net.state_dict().items()}
    task.net.train()
    task.step(torch.full((3, 1, 16 * 320), torch.nan), 1)
    for name, value in task.net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_excerpts_follow_shares_and_are_never_clipped(write):
    config = load_config(write(), CodecConfig)
    speech = Speech(config.data, RATE)
    chances = np.diff(speech.edges, prepend=0)
    assert chances == pytest.approx([0.5, 0.25, 0.25])
    one, again = (speech.excerpts(np.random.default_rng(3), 50, 5120) for _ in range(2))
    assert torch.equal(one, again)
    assert one.shape == (50, 1, 5120)
    assert float(one.abs().max()) <= 0.99 + 1e-6
    levels_db = 20 * one.square().mean(dim=2).sqrt().log10()
    assert float(levels_db.max() - levels_db.min()) > 10
    assert 0.2 < float((one.abs().amax(2) == one.amax(2)).float().mean()) < 0.8


def test_a_group_takes_mid_side_or_left_of_two_channels(write, corpus, tmp_path):
    left, right = voice(1, 2), voice(2, 2)
    soundfile.write(corpus / "pair.wav", np.stack([left, right], axis=1), RATE, "FLOAT")
    wanted = {"mid": (left + right) / 2, "side": (left - right) / 2, "left": left}
    for channel, sound in wanted.items():
        data = yaml.safe_load(write().read_text())["data"]
        data["train"] = [{"files": "pair.wav", "channel": channel}]
        (file,) = Speech(load_config(write(data=data), CodecConfig).data, RATE).files
        recordings, start, stop = file
        assert recordings.read(start, stop) == pytest.approx(sound, abs=1 / 32768)
    data["train"] = [{"files": "anna_0.flac", "channel": "side"}]
    with pytest.raises(ConfigError, match=r"anna_0.flac: 1 channels, and a side needs 2"):
        Speech(load_config(write(data=data), CodecConfig).data, RATE)


def test_an_excerpt_longer_than_its_file_ends_in_silence(write):
    config = load_config(write(), CodecConfig)
    x = Speech(config.data, RATE).excerpts(np.random.default_rng(0), 8, 10 * RATE)
    assert not x[..., 8 * RATE :].any()
    assert bool((x[..., : 2 * RATE].square().mean(dim=2) > 0).all())


def test_clips_are_cut_and_have_no_offset(write):
    data = load_config(write(), CodecConfig).data.model_copy(update={"clip_s": 1.0})
    (clip,) = clips(data, data.validation, RATE)
    assert len(clip) == RATE
    assert abs(float(clip.mean())) < 1e-6


def test_faults_are_one_line(write):
    def refused(match, **changes):
        with pytest.raises(ConfigError, match=match) as caught:
            CodecTask(load_config(write(**changes), CodecConfig), torch.device("cpu"))
        assert "\n" not in str(caught.value)

    data = yaml.safe_load(write().read_text())["data"]
    refused("no file fits 'x", data={**data, "train": [{"files": "x*.flac"}]})
    refused("no files left for 'b", data={**data, "train": [{"files": "*.flac"}, {"files": "b*"}]})
    refused("no file fits 'x", data={**data, "test": ["x"], "validation": ["x"]})
    refused("short.wav: shorter than 0.3 s", data={**data, "validation": ["*.wav"]})
    refused("add up to 1.2", data={**data, "train": [{"files": "a*", "share": 0.6}] * 2})
    refused("7 books are out of range 3 .. 6", schedule={**SCHEDULE, "depths": [3, 7]})
    refused("2 books are out of range", schedule={**SCHEDULE, "validation_books": 2})
    refused("no depth may be below", schedule={**SCHEDULE, "depths": [6, 5]})
    refused("net.width", net={**NET, "width": 0})
    refused("net: level_books 6: fewer than books", net={**NET, "level_books": 6})


@pytest.mark.data
def test_the_shipped_configuration_of_voices_holds(data_folder, monkeypatch):
    """The clips that choose and the clips that score are different ones, and none trains."""
    monkeypatch.setenv("RTAUDIO_DATA", str(data_folder))
    data = load_config(CONFIGS / "codec_voice.yaml", CodecConfig).data
    chosen, scored, trained = (
        {file for pattern in patterns for file in data_folder.glob(pattern)}
        for patterns in (data.validation, data.test, [group.files for group in data.train])
    )
    assert not chosen & scored
    assert not (chosen | scored) & trained
    assert (len(chosen), len(scored)) == (12, 26)
    assert all(any(data_folder.glob(group.files)) for group in data.train)


def test_no_held_out_music_trains():
    data = CodecConfig(**yaml.safe_load((CONFIGS / "codec_music.yaml").read_text())).data
    held = ["eif/1_Hydrogen/mixture.flac", "eif/6_Caesium/vocals.flac", "midi/7_00001/mixture.flac"]
    held += ["data/music/excerpts/glock.flac", "held/valid_a.flac", "held/test_a.flac"]
    for file in held:
        assert not any(fnmatch(file, group.files) for group in data.train), file
    assert not fnmatch("held/test_a.flac", *data.validation)
