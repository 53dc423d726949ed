"""``rtaudio bench master``: a row for every song and system, and the cost of the effects."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rtaudio.bench import master


@pytest.fixture
def songs(tmp_path):
    folder = tmp_path / "music" / "songs"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, power in (("dark", 1.5), ("light", 0.5), ("third", 1.0)):
        hertz = np.maximum(np.fft.rfftfreq(6 * 44100, 1 / 44100), 20.0)
        x = np.fft.irfft(np.fft.rfft(rng.standard_normal((2, 6 * 44100))) * hertz ** (-power / 2))
        soundfile.write(folder / f"{name}.wav", (0.1 * x / x.std()).T, 44100)
    return tmp_path


def test_a_row_for_every_song_and_system(cli, songs, monkeypatch):
    monkeypatch.setattr(master, "find_spec", lambda name: None)
    monkeypatch.setattr(master, "time_callback", lambda *_, **__: np.ones(10))
    answer = cli("bench", "master", "--data", songs, "--quick", "--json")
    assert answer.status == 0, answer.err
    assert "matchering is not measured" in answer.err
    found = json.loads(answer.out)
    rows = {(row["song"], row["system"]): row for row in found["songs"]}
    assert len(rows) == 2 * 4
    for name in ("dark", "light"):
        matched, plain = rows[name, "ours, reference"], rows[name, "nothing"]
        assert matched["distance_db"] < 0.5 * plain["distance_db"]
        for system in ("ours, reference", "ours, target", "ours, assistant"):
            assert abs(rows[name, system]["error_lu"]) <= 0.5
            assert rows[name, system]["true_peak_dbtp"] <= -1.0
    assert {"match", "leveler", "preset master"} <= {row["effect"] for row in found["costs"]}


def test_it_refuses_without_songs(refused, tmp_path):
    assert "fewer than two songs" in refused("bench", "master", "--data", tmp_path)
