"""``rtaudio capture`` with files and options; with a sound server see tests/live."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rtaudio.audio.riff import riff
from rtaudio.capture.signal import capture_signal

RATE = 22050


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    """Return a folder of dry and wet files, good and bad."""
    folder = tmp_path_factory.mktemp("takes")
    dry = riff(RATE)
    wet = np.concatenate([np.zeros(77), 0.6 * np.tanh(3.0 * dry)])
    soundfile.write(folder / "dry.wav", dry, RATE, "FLOAT")
    soundfile.write(folder / "wet.wav", wet, RATE, "PCM_24")
    soundfile.write(folder / "both.wav", np.stack([wet, wet], 1), RATE, "FLOAT")
    soundfile.write(folder / "sides.wav", np.stack([wet, -wet], 1), RATE)
    soundfile.write(folder / "fast.wav", wet, 44100)
    soundfile.write(folder / "long.wav", np.pad(wet, (0, 12 * RATE)), RATE)
    soundfile.write(folder / "silent.wav", np.zeros(wet.size), RATE)
    soundfile.write(folder / "clipped.wav", np.clip(3.0 * wet, -1.0, 1.0), RATE)
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).uniform(-0.2, 0.2, wet.size),
                    RATE)  # fmt: skip
    (folder / "text.wav").write_text("not a sound")
    return folder


def test_two_files_become_a_capture(cli, takes, tmp_path):
    out = tmp_path / "amp"
    answer = cli("capture", out, "--dry", takes / "dry.wav", "--wet", takes / "wet.wav",
                 "--knob", "gain=0.5", "--knob", "tone=2", "--input-dbu", 12)  # fmt: skip
    assert answer.status == 0, answer.err
    assert "latency" in answer.out
    assert str(out / "capture.png") in answer.out
    about = json.loads((out / "capture.json").read_text())
    assert about["sample_rate"] == RATE
    assert 74 <= about["latency_samples"] <= 77
    assert about["knobs"] == {"gain": 0.5, "tone": 2.0}
    assert (about["input_dbu"], about["output_dbu"]) == (12.0, None)
    assert soundfile.info(out / "dry.wav").frames == soundfile.info(out / "wet.wav").frames
    refused = cli("capture", out, "--dry", takes / "dry.wav", "--wet", takes / "wet.wav")
    assert refused.status == 2
    assert "replace it: --force" in refused.err
    again = cli("capture", out, "--dry", takes / "dry.wav", "--wet", takes / "both.wav", "--force",
                "--latency", 70, "--json")  # fmt: skip
    assert json.loads(again.out)["latency_samples"] == 70
    assert json.loads((out / "capture.json").read_text())["latency_samples"] == 70


@pytest.mark.parametrize(
    ("dry", "wet", "said"),
    [
        ("dry.wav", "none.wav", "none.wav: no such file"),
        ("none.wav", "wet.wav", "none.wav: no such file"),
        ("dry.wav", "text.wav", "text.wav: not an audio file"),
        ("dry.wav", "dry.wav", "is also the dry file"),
        ("dry.wav", "sides.wav", "is stereo, with two different sides; export it mono"),
        ("dry.wav", "fast.wav", "is at 44100 Hz and"),
        ("dry.wav", "long.wav", "12.0 s longer than the dry one"),
        ("dry.wav", "silent.wav", "the wet signal is silent"),
        ("dry.wav", "clipped.wav", "turn the input of the interface down"),
        ("dry.wav", "noise.wav", "does not follow the dry one"),
        ("silent.wav", "wet.wav", "the dry signal is silent"),
    ],
)
def test_a_bad_pair_is_refused(refused, takes, tmp_path, dry, wet, said):
    line = refused("capture", tmp_path / "amp", "--dry", takes / dry, "--wet", takes / wet)
    assert said in line
    assert list(tmp_path.iterdir()) == []


def test_force_takes_a_clipped_one(cli, takes, tmp_path):
    words = ["--dry", takes / "dry.wav", "--wet", takes / "clipped.wav", "--force"]
    assert cli("capture", tmp_path / "amp", *words).status == 0
    about = json.loads((tmp_path / "amp" / "capture.json").read_text())
    assert about["checks"]["clipping"]["severity"] == "refused"


PAIR = ("--dry", "dry.wav", "--wet", "wet.wav")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name the folder to write"),
        (["{}/none/amp"], "does not exist; create it"),
        (["{}"], "exists and is not a capture"),
        (["{}/amp", "--wet", "wet.wav"], "also give the file that was played"),
        (["{}/amp", "--knob", "gain"], "--knob gain: give a name and a number"),
        (["{}/amp", "--knob", "gain=nan"], "--knob gain=nan: give"),
        (["{}/amp", "--knob", "=1"], "--knob =1: give"),
        (["{}/amp", "--knob", "gain=1", "--knob", "gain=2"], "--knob gain: is given twice"),
        (["{}/amp", "--knob", "Gain=1"], "--knob Gain: a model cannot have"),
        (["{}/amp", "--knob", "mix=1"], "neither mix nor bypass"),
        (["{}/amp", *PAIR, "--latency", "1000000000"], "a latency of 1000000000 samples leaves"),
        (["{}/amp", *PAIR, "--latency", "-1000000000", "--force"], "leaves nothing"),
        (["{}/amp", "--input-dbu", "inf"], "--input-dbu inf"),
        (["{}/amp", "--level", "3"], "--level"),
        (["{}/amp", "--device", "no such device"], "no"),
        (
            ["{}/amp", "--device", "clock", "--dry", "dry.wav", "--rate", "48000"],
            "is at 22050 Hz, and is played as it is; remove --rate",
        ),
        (["{}/amp", "--device", "clock", "--dry", "silent.wav", "--rate", "22050"], "is silent"),
        (["--signal", "{}/none/test.wav"], "does not exist"),
        (["--signal", "{}/test.txt"], "is not a format that can be written"),
    ],
)
def test_wrong_words_are_refused(refused, takes, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(takes)
    # the test signal is not needed to find that out
    monkeypatch.setattr("rtaudio.capture.signal.capture_signal", lambda rate: _Short)
    assert said in refused("capture", *(word.format(tmp_path) for word in words))
    assert list(tmp_path.iterdir()) == []


class _Short:
    audio = np.full(4000, 0.1, np.float32)


def test_the_signal_for_a_daw_is_written_and_recognised(cli, tmp_path):
    path = tmp_path / "test-signal.wav"
    answer = cli("capture", "--signal", path, "--rate", 8000)
    assert answer.status == 0
    assert str(path) in answer.out
    audio, rate = soundfile.read(path, dtype="float32")
    assert (rate, soundfile.info(path).subtype) == (8000, "PCM_24")
    np.testing.assert_allclose(audio, capture_signal(8000).audio, atol=2**-23)


def test_without_a_sound_it_ends_after_seconds_and_leaves_nothing(refused, takes, tmp_path):
    words = ["--device", "clock", "--dry", takes / "dry.wav", "--rate", RATE, "--block", 512]
    assert "nothing comes back (input -120 dBFS)" in refused("capture", tmp_path / "amp", *words)
    assert list(tmp_path.iterdir()) == []
