"""``rtaudio master``: table, JSON, picture, preset, folders, albums; and how it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rtaudio.preset.load import load_preset

RATE = 44100


def test_a_table_a_picture_and_a_preset(cli, write_song, tmp_path):
    song = write_song("song.wav", seconds=3.0)
    answer = cli(
        "master", song, tmp_path / "new.flac", "--style", "electronic",
        "--picture", tmp_path / "new.png", "--save-preset", tmp_path / "mine.yaml",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert "-14.0" in answer.out
    assert "Elowsson" in answer.out
    assert (tmp_path / "new.png").read_bytes().startswith(b"\x89PNG")
    chain = load_preset(tmp_path / "mine.yaml")
    assert (chain.name, [effect.name for effect in chain][-2:]) == ("mine", ["loudness", "ceiling"])
    assert soundfile.info(tmp_path / "new.flac").frames == 3 * RATE


def test_json_has_the_figures_of_before_and_after(cli, write_song, tmp_path):
    song, other = write_song("song.wav", seconds=3.0), write_song("other.wav", seconds=5.0, seed=3)
    words = ("--target", "apple", "--reference", other, "--intensity", "50", "--only", "eq")
    answer = cli("master", song, tmp_path / "new.wav", *words, "--only", "loudness", "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    assert (found["target_lufs"], found["ceiling_dbtp"], found["goal"]) == (
        -16.0,
        -1.0,
        "other.wav",
    )
    assert found["after"]["integrated_lufs"] == pytest.approx(-16.0, abs=0.5)
    assert found["after"]["true_peak_dbtp"] <= -1.0
    assert found["after"]["spectrum_db"] < found["before"]["spectrum_db"]
    assert len(found["chain"]) == 3


def test_the_assistant_gives_its_reasons(cli, write_song, tmp_path):
    song = write_song("dark.wav", seconds=4.0, tilt_db=-6.0)
    words = ("--assistant", "--save-preset", tmp_path / "mine.yaml")
    answer = cli("master", song, tmp_path / "new.wav", *words)
    assert answer.status == 0, answer.err
    assert "dB per octave: too dark" in answer.out
    chain = load_preset(tmp_path / "mine.yaml")
    assert chain["tilt"].db_per_octave > 0.5
    answer = cli("master", song, tmp_path / "again.wav", "--assistant", "--json")
    found = json.loads(answer.out)
    assert any(reason.endswith("too dark") for reason in found["reasons"])
    assert found["after"]["integrated_lufs"] == pytest.approx(-14.0, abs=0.5)
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "new.wav").read_bytes()


def test_a_folder_song_by_song_and_as_an_album(cli, write_song, tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    for name, level in (("loud.wav", 0.1), ("soft.wav", 0.02)):
        write_song(name, seconds=3.0, level=level).rename(folder / name)
    (folder / "notes.txt").write_text("no song")
    spread = {}
    for words in ((), ("--album",)):
        out = tmp_path / f"out{len(words)}"
        answer = cli("master", folder, out, "--target", "-18", "--jobs", "1", "--json", *words)
        assert answer.status == 3, answer.err  # notes.txt is left aside
        soft, loud = (
            next(f["after"]["integrated_lufs"] for f in json.loads(answer.out)["files"]
                 if f["in"].endswith(name))
            for name in ("soft.wav", "loud.wav")
        )  # fmt: skip
        spread[words] = loud - soft
    assert abs(spread[()]) < 0.3
    assert spread["--album",] == pytest.approx(20 * np.log10(5), abs=0.4)


def test_clipped_input_is_said(cli, tmp_path):
    x = np.clip(2.0 * np.sin(np.arange(3 * RATE) / 30.0), -1.0, 1.0)
    soundfile.write(tmp_path / "clipped.wav", x, RATE, "PCM_16")
    answer = cli("master", tmp_path / "clipped.wav", tmp_path / "new.wav", "--json")
    assert answer.status == 0
    [line] = answer.err.splitlines()
    assert "samples of the source were cut off at full scale" in line
    assert json.loads(answer.out)["clipped_before"] > 1000


@pytest.fixture
def bad(tmp_path):
    """Return a folder of songs that cannot be mastered."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((7 * RATE, 6))
    sounds = {
        "silence.wav": np.zeros(7 * RATE),
        "dc.wav": np.full(2 * RATE, 0.5),
        "short.wav": noise[: RATE // 10, 0],
        "3s.wav": noise[: 3 * RATE, 0],
        "surround.wav": noise[:RATE],
        "nan.wav": np.where(np.arange(RATE) == 100, np.nan, noise[:RATE, 0]),
        "good.wav": noise[: 2 * RATE, :2],
    }
    for name, x in sounds.items():
        soundfile.write(tmp_path / name, x, RATE, "FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    return tmp_path


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("new.xyz", "'.xyz' is not a format that can be written"),
        ("no/new.wav", "the folder"),
        ("new.opus", "new.opus: cannot hold 2 channels at 44100 Hz"),
    ],
)
def test_a_new_file_that_cannot_be_is_one_line_with_its_name(refused, bad, target, told):
    before = set(bad.iterdir())
    line = refused("master", bad / "good.wav", bad / target)
    assert told in line
    assert f"{bad / target}" in line
    assert ".part" not in line
    assert set(bad.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("silence.wav", (), "is silent"),
        ("dc.wav", (), "is silent"),
        ("short.wav", (), "is 0.10 s long"),
        ("surround.wav", (), "has 6 channels"),
        ("nan.wav", (), "NaN"),
        ("text.wav", (), "text.wav"),
        ("missing.wav", (), "no such file"),
        ("good.wav", ("--reference", "3s.wav"), "needs 5 s or more"),
        ("good.wav", ("--reference", "silence.wav"), "is silent, so no reference"),
        ("good.wav", ("--reference", "good.wav", "--style", "pink"), "--style pink"),
        ("good.wav", ("--target", "3"), "target = 3 is out of range -40 .. -5 LUFS"),
        ("good.wav", ("--target", "spotfy"), "did you mean 'spotify'?"),
        ("good.wav", ("--ceiling", "2"), "--ceiling"),
        ("good.wav", ("--intensity", "101"), "--intensity"),
        ("good.wav", ("--style", "polka"), "style = 'polka' is unknown"),
        ("good.wav", ("--album",), "--album: is for a folder"),
        ("good.wav", ("--preview", "0"), "--preview"),
        ("good.wav", ("--picture", "a.txt"), "a.txt"),
        ("good.wav", ("--assistant",), "good.wav: the passage is 2.0 s long; give 3 s or more"),
        ("good.wav", ("--assistant", "--style", "pink"), "decides without --style"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(refused, bad, monkeypatch, name, words, told):
    monkeypatch.chdir(bad)
    before = set(bad.iterdir())
    line = refused("master", bad / name, bad / "new.wav", *words)
    assert told in line
    assert set(bad.iterdir()) == before
