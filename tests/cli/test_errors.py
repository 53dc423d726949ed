"""Bad input: exit status 2, one line that names what and helps, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
import soundfile

from rtaudio.errors import explain
from rtaudio.shipped import shipped_models

MODELS = shipped_models()["crunch"].parent


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.wav", "no such file"),
        ("text.wav", "not an audio file; convert it"),
        ("zero.wav", "not an audio file"),
        ("empty.wav", "has no frames"),
        ("seven.wav", "has 7 channels; mix it down to 2"),
        ("slow.wav", "a sample rate of 4000 Hz"),
        ("nan.wav", "holds NaN"),
    ],
)
def test_render_refuses_a_file(refused, files, tmp_path, name, said):
    line = refused("render", "bypass", files / name, tmp_path / "out.wav")
    assert said in line
    assert str(files / name) in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ("bypos", "did you mean 'bypass'?"),
        ("none.yaml", "no such preset file"),
        ("bad.yaml", "bad.yaml:2: gain.gain_db = 400 is out of range -80 .. 40 dB"),
        ("key.yaml", "key.yaml:2: gain: unknown key 'gain'; did you mean 'gain_db'?"),
        ("effect.yaml", "effect.yaml:2: unknown effect 'gian'; did you mean 'gain'?"),
        ("model.yaml", "not an ONNX file"),
        ("text.wav", "a preset is a mapping"),
    ],
)
def test_a_preset_is_refused(refused, files, tmp_path, monkeypatch, preset, said):
    monkeypatch.chdir(files)
    assert said in refused("render", preset, "mono.wav", tmp_path / "out.wav")
    assert said in refused("run", preset, "--device", "clock", "--out", tmp_path / "out.wav")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_preset_and_its_presets_are_checked(refused, files, tmp_path, monkeypatch):
    monkeypatch.chdir(files)
    out = tmp_path / "out.wav"
    assert "not a file" in refused("render", ".", "mono.wav", out)
    said = refused("run", ".", "--device", "clock", "--out", out)
    assert "bad.yaml:2: gain.gain_db = 400 is out of range" in said


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("none/out.wav", "does not exist; create it first"),
        ("out.txt", "'.txt' is not a format that can be written; use .wav, .flac, .ogg, .mp3"),
        ("out", "out: has no suffix; use .wav"),
    ],
)
def test_render_refuses_a_target(refused, files, tmp_path, target, said):
    (tmp_path / "folder.wav").mkdir()
    assert said in refused("render", "bypass", files / "mono.wav", tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.wav"]


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may all")
def test_rights_are_respected(refused, files, tmp_path):
    dry = tmp_path / "dry.wav"
    dry.write_bytes((files / "mono.wav").read_bytes())
    dry.chmod(0)
    assert "permission denied" in refused("render", "bypass", dry, tmp_path / "out.wav")
    tmp_path.chmod(0o500)
    line = refused("render", "bypass", files / "mono.wav", tmp_path / "out.wav")
    tmp_path.chmod(0o700)
    assert "not writable" in line


def test_render_never_overwrites_what_it_reads(refused, files):
    before = (files / "mono.wav").read_bytes()
    assert "choose another name" in refused("render", "bypass", files / "mono.wav",
                                            files / "mono.wav")  # fmt: skip
    assert (files / "mono.wav").read_bytes() == before


def test_a_failed_render_keeps_the_old_file(refused, files, tmp_path):
    out = tmp_path / "out.wav"
    out.write_text("old")
    refused("render", "bypass", files / "nan.wav", out)
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_file_that_ends_early_is_told_or_played(cli, files, tmp_path):
    answer = cli("render", "bypass", files / "cut.flac", tmp_path / "out.flac")
    assert answer.status in (0, 2)
    assert (tmp_path / "out.flac").exists() == (answer.status == 0)
    assert len(list(tmp_path.iterdir())) <= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "no such device"], "no"),
        (["--device", "clock", "--block", "0"], "--block"),
        (["--device", "clock", "--block", "many"], "--block"),
        (["--device", "clock", "--rate", "100"], "--rate"),
        (["--device", "clock", "--seconds", "-1"], "--seconds"),
        (["--device", "clock", "--in-channels", "0"], "--in-channels 0: give channel numbers"),
        (["--device", "clock", "--out-channels", "left"], "--out-channels left: give channel"),
        (["--device", "clock", "--in", "none.wav"], "none.wav: no such file"),
        (["--device", "clock", "--in", "seven.wav"], "has 7 channels"),
        (["--device", "clock", "--out", "none/out.wav"], "none/out.wav"),
        (["--device", "clock", "--out", "out.txt"], "out.txt"),
        (["--speed", "3"], "--speed"),
    ],
)
def test_run_refuses(refused, files, monkeypatch, words, said):
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    assert said in refused("run", "bypass", *words)
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("verb", ["inspect", "train", "export"])
def test_verbs_that_read_a_file_say_when_it_is_missing(refused, tmp_path, verb):
    more = [tmp_path / "out.onnx"] if verb == "export" else []
    line = refused(verb, tmp_path / "none", *more)
    assert str(tmp_path / "none") in line
    assert list(tmp_path.iterdir()) == []


def test_inspect_refuses_what_is_no_model(refused, files, tmp_path):
    assert "not an ONNX file" in refused("inspect", files / "text.wav")
    proto = onnx.load(MODELS / "crunch.onnx")
    state = next(output for output in proto.graph.output if output.name.startswith("next."))
    proto.graph.output.remove(state)
    onnx.save(proto, tmp_path / "broken.onnx")
    assert "has no output 'next." in refused("inspect", tmp_path / "broken.onnx")


def test_unknown_words_are_refused(refused):
    assert "Did you mean 'render'" in refused("rnder")
    assert "Missing argument" in refused("render", "bypass")


def test_a_fault_of_our_own_is_one_line_and_status_1():
    line, status = explain(ZeroDivisionError("division\nby zero"))
    assert status == 1
    assert line.startswith("rtaudio failed (ZeroDivisionError: division by zero)")
    assert "--debug" in line


def test_debug_shows_the_traceback(files):
    from rtaudio.cli import main
    from rtaudio.errors import AudioFileError

    with pytest.raises(AudioFileError):
        main(["--debug", "render", "bypass", str(files / "text.wav"), "out.wav"])


def test_run_does_not_overwrite_the_file_it_plays(tmp_path):
    path = tmp_path / "own.wav"
    soundfile.write(path, np.zeros(480), 48000)
    before = path.read_bytes()
    words = ["run", "bypass", "--device", "clock", "--in", str(path), "--out", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "rtaudio", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, path.read_bytes()) == (2, before)
    assert "is the file that is read" in done.stderr
