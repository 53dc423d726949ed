"""The verbs encode and decode: files, pipes, folders, and what they refuse."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from rtaudio.audio.writer import write_audio

RATE = 16000


@pytest.fixture
def words(digits_codec):
    """The options that name the toy codec and a bitrate that it has."""
    return {
        "encode": ("--model", digits_codec.encoder.path, "--bitrate", 48),
        "decode": ("--model", digits_codec.decoder.path),
    }


@pytest.fixture
def call(cli, words):
    """Return ``call(verb, in, out, *more) -> answer`` with the toy codec."""
    return lambda verb, source, target, *more: cli(verb, source, target, *words[verb], *more)


@pytest.fixture
def refuse(refused, words):
    """Return ``refuse(verb, in, out, *more) -> line`` with the toy codec."""
    return lambda verb, source, target, *more: refused(verb, source, target, *words[verb], *more)


def sound_file(path, samples=2000, channels=2, rate_hz=RATE, subtype="FLOAT"):
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.random.default_rng(samples).uniform(-0.3, 0.3, (channels, samples))
    write_audio(path, sound, rate_hz, subtype)
    return path


def process(verb, *more):
    return [sys.executable, "-m", "rtaudio", verb, *map(str, more)]


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# -- files -----------------------------------------------------------------------------------------


def test_figures_and_lines_are_those_of_the_files(call, tmp_path):
    source = sound_file(tmp_path / "in.flac", 24000, 2, 48000, "PCM_16")
    answer = call("encode", source, tmp_path / "x.rtc", "--json")
    assert (answer.status, answer.err) == (0, "")
    figures = json.loads(answer.out)
    size = (tmp_path / "x.rtc").stat().st_size
    assert figures["file_bytes"] == size
    assert figures["payload_bytes"] == 2 * 2000 * 3 * 10 // 8
    assert figures["audio_seconds"] == 0.5
    assert figures["file_kbps"] == pytest.approx(size * 8 / 500, abs=0.001)
    assert figures["payload_ratio"] == pytest.approx(24000 * 4 / 15000, abs=0.001)
    answer = call("decode", tmp_path / "x.rtc", tmp_path / "out.wav", "--json")
    assert (answer.status, answer.err) == (0, "")
    again = json.loads(answer.out)
    same = ("frames", "channels", "rate_hz", "books", "payload_bytes", "file_bytes", "gains_db")
    for key in same:
        assert again[key] == figures[key], key
    assert soundfile.info(tmp_path / "out.wav").frames == 24000
    answer = call("encode", source, tmp_path / "x.rtc", "--force")
    assert f"x.rtc: 0.50 s, stereo at 48000 Hz, coded in {size} bytes, 240.00 kbit/s" in answer.out
    assert "6.4 (6.3) times smaller than 16 bit" in answer.out
    assert names(tmp_path) == ["in.flac", "out.wav", "x.rtc"]


def test_a_file_that_exists_is_replaced_only_by_force(call, refuse, tmp_path):
    source = sound_file(tmp_path / "in.wav")
    assert call("encode", source, tmp_path / "x.rtc").status == 0
    before = (tmp_path / "x.rtc").read_bytes()
    exists = "exists; choose another name, or replace it: --force"
    assert exists in refuse("encode", source, tmp_path / "x.rtc")
    assert exists in refuse("decode", tmp_path / "x.rtc", source)
    assert call("encode", source, tmp_path / "x.rtc", "--force").status == 0
    assert (tmp_path / "x.rtc").read_bytes() == before


def test_a_damaged_file_is_refused_or_salvaged(call, refuse, tmp_path):
    source = sound_file(tmp_path / "in.wav")
    call("encode", source, tmp_path / "x.rtc")
    call("decode", tmp_path / "x.rtc", tmp_path / "whole.wav")
    cut = tmp_path / "cut.rtc"
    cut.write_bytes((tmp_path / "x.rtc").read_bytes()[:-100])
    line = refuse("decode", cut, tmp_path / "out.wav")
    assert line == f"error: {cut}: is cut at frame 400; use a complete copy"
    assert not (tmp_path / "out.wav").exists()
    answer = call("decode", cut, tmp_path / "out.wav", "--salvage")
    assert answer.status == 2
    assert answer.err == f"{line}; the rest is in {tmp_path / 'out.wav'}\n"
    whole, out = (soundfile.read(tmp_path / name)[0] for name in ("whole.wav", "out.wav"))
    np.testing.assert_array_equal(out, whole[:1600])
    answer = call("decode", tmp_path / "x.rtc", tmp_path / "again.wav", "--salvage")
    assert (answer.status, answer.err) == (0, "")


# -- pipes -----------------------------------------------------------------------------------------


def test_two_processes_in_a_pipe_are_the_same_as_two_files(call, words, tmp_path):
    source = sound_file(tmp_path / "in.wav", 3000, 2, 44100)
    call("encode", source, tmp_path / "x.rtc")
    call("decode", tmp_path / "x.rtc", tmp_path / "out.wav")
    encoder = subprocess.Popen(
        process("encode", source, "-", *words["encode"]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    decoder = subprocess.run(
        process("decode", "-", tmp_path / "piped.wav", *words["decode"], "--json"),
        stdin=encoder.stdout, capture_output=True, text=True, check=False,
    )  # fmt: skip
    _, said = encoder.communicate()
    assert (encoder.returncode, decoder.returncode) == (0, 0), decoder.stderr
    assert said.startswith(b"stdout: 0.07 s, stereo at 44100 Hz, coded in ")
    assert json.loads(decoder.stdout)["file_bytes"] == (tmp_path / "x.rtc").stat().st_size
    by_file, by_pipe = (soundfile.read(tmp_path / name)[0] for name in ("out.wav", "piped.wav"))
    np.testing.assert_array_equal(by_pipe, by_file)


def test_a_pipe_that_is_cut_is_one_line_on_both_sides(words, tmp_path):
    source = sound_file(tmp_path / "in.wav", 100_000)
    encoder = subprocess.Popen(
        process("encode", source, "-", *words["encode"]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    start = encoder.stdout.read(1000)
    encoder.stdout.close()
    said = encoder.stderr.read().decode().splitlines()
    assert encoder.wait() == 2
    assert said == ["error: stdout: who reads the pipe has ended early; start both again"]
    done = subprocess.run(
        process("decode", "-", tmp_path / "out.wav", *words["decode"]), input=start,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == b"error: <stdin>: is cut at frame 100; use a complete copy\n"
    assert names(tmp_path) == ["in.wav"]


# -- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_comes_back_whatever_fails(call, tmp_path, jobs):
    folder, coded, out = tmp_path / "in", tmp_path / "coded", tmp_path / "out"
    good = {"a": 900, "b/c": 1000, "b/d/e": 1100}
    for number, (name, samples) in enumerate(good.items()):
        sound_file((folder / name).with_suffix((".wav", ".flac")[number % 2]), samples)
    (folder / "no.wav").write_text("this is not a sound")
    (folder / "notes.txt").write_text("hello")
    answer = call("encode", folder, coded, "--jobs", jobs, "--json")
    assert answer.status == 2
    aside = f"1 file left aside, by the suffix not sound files:\n  {folder / 'notes.txt'}\n"
    assert aside in answer.err
    figures = json.loads(answer.out)
    assert [file["frames"] for file in figures["files"]] == list(good.values())
    assert len(figures["errors"]) == 1
    assert "no.wav: not an audio file" in figures["errors"][0]
    assert names(coded) == sorted(f"{name}.rtc" for name in good)

    cut = (coded / "a.rtc").read_bytes()
    (coded / "cut.rtc").write_bytes(cut[:-1])
    (coded / "foreign.rtc").write_text("this is no coded file, but text of some length")
    answer = call("decode", coded, out, "--jobs", jobs)
    assert answer.status == 2
    assert answer.out.startswith(f"{out}: 3 files, 0.19 s, coded in ")
    lines = answer.err.splitlines()
    assert len(lines) == 2
    assert "cut.rtc: is cut at frame 200" in lines[0]
    assert "foreign.rtc: is not a coded file of rtaudio" in lines[1]
    assert names(out) == sorted(f"{name}.wav" for name in good)
    for name, samples in good.items():
        assert soundfile.info((out / name).with_suffix(".wav")).frames == samples
    answer = call("decode", coded, out, "--jobs", jobs, "--salvage")
    assert "a.wav and 2 others: exist; choose another folder" in answer.err
    assert f"the rest is in {out / 'cut.wav'}" in answer.err


def test_folders_are_refused(refuse, tmp_path):
    folder = tmp_path / "in"
    sound_file(folder / "a.wav")
    sound_file(folder / "a.flac", subtype="PCM_16")
    line = refuse("encode", folder, tmp_path / "out")
    assert "a.wav: would become a.rtc, as a.flac would; rename one" in line
    assert "a pipe is for one file" in refuse("encode", folder, "-")
    assert "holds no coded files (.rtc)" in refuse("decode", folder, tmp_path / "out")
    assert names(tmp_path) == ["in/a.flac", "in/a.wav"]


# -- refusals --------------------------------------------------------------------------------------


def test_what_cannot_be_is_one_line(refuse, refused, call, tmp_path, digits_codec):
    source, coded = sound_file(tmp_path / "in.wav"), tmp_path / "x.rtc"
    call("encode", source, coded)
    (tmp_path / "text.wav").write_text("this is not a sound")
    write_audio(tmp_path / "nan.wav", np.full((1, 100), np.nan), RATE)
    before = names(tmp_path)
    new, out = tmp_path / "new.rtc", tmp_path / "out.wav"
    model = ("--model", digits_codec.encoder.path)
    for said, line in (
        ("no such file", refuse("encode", tmp_path / "none.wav", new)),
        ("not an audio file; convert it", refuse("encode", tmp_path / "text.wav", new)),
        ("holds NaN or infinite samples; repair it", refuse("encode", tmp_path / "nan.wav", new)),
        ("a coded file ends in .rtc", refuse("encode", source, tmp_path / "new.wav")),
        ("stdout carries the coded stream", refuse("encode", source, "-", "--json")),
        ("out of range 16 .. 80 kbit/s", refused("encode", source, new, *model, "--bitrate", 6)),
        (
            "no codec 'none'; known: codec-music, codec-voice",
            refused("encode", source, new, "--model", "none"),
        ),
        ("none.rtc: no such file", refuse("decode", tmp_path / "none.rtc", out)),
        ("is not a coded file of rtaudio", refuse("decode", source, out)),
        ("which is not shipped; name one of its", refused("decode", coded, out)),
        (
            "no codec 'none'; known: codec-music, codec-voice",
            refused("decode", coded, out, "--model", "none"),
        ),
        ("'.txt' is not a format", refuse("decode", coded, tmp_path / "out.txt")),
    ):
        assert said in line
    assert names(tmp_path) == before
