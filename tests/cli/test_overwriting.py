"""One rule of all verbs about files that exist, and about folders in place of a file."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from rtaudio.audio.reader import read_audio
from rtaudio.audio.writer import write_audio
from rtaudio.shipped import shipped_models

RATE = 16000
SOUND = 0.1 * np.random.default_rng(0).standard_normal((1, 2000))


@pytest.fixture
def words(tmp_path):
    """Return the words of each verb, without those of the files; and its source."""
    write_audio(tmp_path / "a.wav", SOUND, RATE)
    shutil.copy(shipped_models()["crunch"], tmp_path / "a.onnx")
    return {
        "denoise": (("--model", "bypass"), tmp_path / "a.wav", "b.wav"),
        "render": ((), tmp_path / "a.wav", "b.wav"),
        "export": ((), tmp_path / "a.onnx", "b.nam"),
        "encode": ((), tmp_path / "a.wav", "b.rtc"),
        "decode": ((), tmp_path / "a.rtc", "b.wav"),
    }


VERBS = ("denoise", "render", "export", "encode", "decode")


def line_of(words, verb, target, *more):
    options, source, _ = words[verb]
    before = ("bypass",) if verb == "render" else ()
    return (verb, *before, source, target, *options, *more)


def test_what_exists_is_replaced_by_force_only(cli, refused, words, tmp_path):
    assert cli(*line_of(words, "encode", tmp_path / "a.rtc")).status == 0
    for verb in VERBS:
        target = tmp_path / verb / words[verb][2]
        target.parent.mkdir()
        target.write_text("old")
        said = refused(*line_of(words, verb, target))
        assert said == f"error: {target}: exists; choose another name, or replace it: --force"
        assert target.read_text() == "old"
        assert cli(*line_of(words, verb, target, "--force")).status == 0
        assert target.stat().st_size > 3


def test_a_capture_and_its_signal_follow_the_rule(cli, refused, tmp_path):
    signal = tmp_path / "signal.wav"
    signal.write_text("old")
    said = refused("capture", "--signal", signal)
    assert said == f"error: {signal}: exists; choose another name, or replace it: --force"
    assert cli("capture", "--signal", signal, "--force", "--rate", 8000).status == 0
    assert read_audio(signal)[1] == 8000


def test_into_a_folder_goes_a_file_of_the_same_name(cli, refused, words, tmp_path):
    assert cli(*line_of(words, "encode", tmp_path)).status == 0  # a.rtc
    out = tmp_path / "out"
    out.mkdir()
    for verb, name in {"denoise": "a.wav", "encode": "a.rtc"}.items():
        assert cli(*line_of(words, verb, out)).status == 0
        assert (out / name).is_file()
        assert f"{out / name}: exists" in refused(*line_of(words, verb, out))
    for verb in ("decode", "render"):
        assert f"{out / 'a.wav'}: exists" in refused(*line_of(words, verb, out))
        assert cli(*line_of(words, verb, out, "--force")).status == 0
    said = refused(*line_of(words, "denoise", tmp_path, "--force"))
    assert said == f"error: {tmp_path / 'a.wav'}: is the file that is read; choose another name"
