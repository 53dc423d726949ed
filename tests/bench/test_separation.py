"""``rtaudio bench separation``: figures that are known beforehand, and tables that fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rtaudio.bench.separation import find_splitters, separation_scores
from rtaudio.bench.separation_songs import separation_songs
from rtaudio.cli.bench_separation import separation_tables
from rtaudio.errors import MetricsError

RATE = 44100
HZ = {"vocals": 700.0, "drums": 5000.0, "bass": 90.0, "other": 2100.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A held-out song without a bass of its own, and the assembled piece; tones all of them."""
    root = tmp_path_factory.mktemp("music")
    time = np.arange(12 * RATE) / RATE
    tones = {stem: 0.2 * np.sin(2 * np.pi * hz * time) for stem, hz in HZ.items()}
    song = root / "eif" / "1_Test"
    song.mkdir(parents=True)
    for stem, tone in tones.items():
        soundfile.write(song / f"{stem}.flac", tone * (stem != "bass"), RATE)
    piece = root / "music" / "stems_mdn"
    piece.mkdir(parents=True)
    for file, stem in {"drums": "drums", "bassguitar": "bass", "clav": "other"}.items():
        soundfile.write(piece / f"{file}.wav", tones[stem], RATE)
    return root


def test_songs_are_found_and_summed(data):
    first, second = separation_songs(data)
    assert (first.name, second.name) == ("1_Test", "stems_mdn")
    stems = second.read(RATE, longest_s=1.0)
    assert stems.shape == (4, 2, RATE)
    assert not stems[0].any()
    with pytest.raises(MetricsError, match="holds no songs to measure on"):
        separation_songs(data / "music")


def test_the_mixture_gains_nothing_and_the_ideal_mask_much(data):
    song = separation_songs(data)[0]
    rows = list(separation_scores(find_splitters(), song))
    assert {row["stem"] for row in rows} == {"vocals", "drums", "other"}  # no bass of its own
    for row in rows:
        if row["system"] == "mixture":
            for key in ("si_sdri_db", "song_si_sdri_db"):
                assert row[key] == pytest.approx(0.0, abs=1e-6)
            for key in ("sdr_db", "song_sdr_db"):
                assert row[key] == pytest.approx(10 * np.log10(1 / 2), abs=0.1)  # two others
        elif row["system"] == "ideal ratio mask":
            assert min(row["si_sdri_db"], row["song_si_sdri_db"]) > 30


def test_a_hidden_bass_counts_with_the_others(data, tmp_path):
    """Where the bass is in ``other``, a separator that takes it out is right, too."""
    from rtaudio.bench.separation import _merged

    stems = {stem: np.full((2, 4), k, np.float32) for k, stem in enumerate(HZ)}
    assert set(_merged(stems, False)) == set(HZ)
    found = _merged(stems, True)
    assert set(found) == {"vocals", "drums", "other"}
    np.testing.assert_array_equal(found["other"], stems["bass"] + stems["other"])


def test_it_prints_scores_and_costs(cli, data, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from export.exporter import export_model
    from training.models.separator import Separator

    torch.manual_seed(0)
    card = {"name": "test", "sample_rate": RATE, "license": "Apache-2.0", "provenance": {}}
    export_model(Separator(channels=4, layers=1).eval(), card, tmp_path / "net.onnx")
    words = ["bench", "separation", "--data", data, "--quick", "--model", tmp_path / "net.onnx"]
    found = json.loads(cli(*words, "--json").out)
    name = str(tmp_path / "net.onnx")
    cost = found["costs"][name]
    assert cost["latency_ms"] == pytest.approx(1000 * 1024 / RATE, abs=0.01)
    assert cost["weights"] > 10_000
    assert {row["system"] for row in found["separation"]} >= {"mixture", "ideal ratio mask", name}
    for _, columns, rows in separation_tables(found["separation"], found["costs"]):
        assert rows
        assert all(len(row) == len(columns) for row in rows)


def test_without_data_it_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)
    assert "name their folder" in refused("bench", "separation")
