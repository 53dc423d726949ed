"""``rtaudio loudness``: a table, JSON, a picture, and one line for what cannot be read."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile


@pytest.fixture
def song(tmp_path):
    sine = 0.1 * np.sin(2 * np.pi * 1000 / 48000 * np.arange(5 * 48000))
    soundfile.write(tmp_path / "song.wav", np.stack([sine, sine], 1), 48000, "PCM_24")
    return tmp_path / "song.wav"


def test_json_has_every_figure_of_every_file(cli, song):
    answer = cli("loudness", song, song, "--json")
    assert answer.status == 0
    files = json.loads(answer.out)["files"]
    assert len(files) == 2
    for file in files:
        assert file["path"] == str(song)
        assert file["integrated_lufs"] == pytest.approx(-20.0, abs=0.1)
        assert file["true_peak_dbtp"] == pytest.approx(-20.0, abs=0.1)
        assert (file["correlation"], file["audio_seconds"]) == (1.0, 5.0)
        assert file["crest_db"] == pytest.approx(3.0, abs=0.1)


def test_a_table_and_a_picture(cli, song, tmp_path):
    answer = cli("loudness", song, "--picture", tmp_path / "song.png")
    assert answer.status == 0
    assert "-20.0" in answer.out
    assert (tmp_path / "song.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["text.wav", "nan.wav", "slow.wav", "missing.wav", "cut.flac"])
def test_a_bad_file_is_one_line_and_the_others_are_measured(cli, files, song, name):
    answer = cli("loudness", files / name, song, "--json")
    assert answer.status == 2
    [line] = answer.err.splitlines()
    assert line.startswith("error: ")
    assert name in line
    assert str(song) in {file["path"] for file in json.loads(answer.out)["files"]}
