"""The figures of the guitar: complete, and of the nets and chains that they name."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.bench import guitar
from rtaudio.bench.nets import NETS, make_net
from rtaudio.cli.bench import guitar_tables
from rtaudio.models.loader import load_model
from rtaudio.models.net.summary import weight_count
from rtaudio.models.net.types import WaveNet

KNOWN_WEIGHTS = {
    # As counted by the programs that these sizes come from; the scale of the head is one more.
    "LSTM 1x16": 1201 - 2 * 16,  # a .nam file holds the start state, too
    "LSTM 2x8": 905 - 4 * 8,
    "WaveNet A1 nano": 842 - 1,
    "WaveNet A1 feather": 3026 - 1,
    "WaveNet A1 lite": 6554 - 1,
    "WaveNet A1 standard": 13802 - 1,
    "WaveNet A2 lite": 1871 - 1,
    "WaveNet A2 full": 12146 - 1,
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(guitar, "ROUNDS", 1)
    monkeypatch.setattr(guitar, "REPEATS", 20)


@pytest.mark.parametrize("name", KNOWN_WEIGHTS)
def test_a_net_has_the_size_of_its_name(name):
    net = make_net(name)
    starts = sum(
        layer.hidden.size + layer.cell.size
        for layer in getattr(net, "layers", ())
        if hasattr(layer, "cell")
    )
    assert weight_count(net) - starts == KNOWN_WEIGHTS[name]
    if isinstance(net, WaveNet) and "A2" in name:
        assert net.receptive_field == 6347


def test_rows_make_tables():
    file = next(file for file in guitar.list_amps() if file.stem == "crunch")
    amps = [guitar.measure_amp(file)]
    nets = [guitar.measure_net("LSTM 1x8")]
    chains = list(guitar.measure_chain("crunch-light"))
    assert amps[0]["esr_max"] == load_model(file).file.card.metrics["esr_max"]
    assert set(nets[0]) == {"name", "weights", "native", "onnx"}
    assert [row["block"] for row in chains] == list(guitar.BLOCKS)
    for row in chains:
        np.testing.assert_allclose(row["share"], row["p50"] * 48000 / row["block"] / 1e6, rtol=0.01)
    for _, columns, rows in guitar_tables(amps, nets, chains):
        assert rows
        assert all(len(row) == len(columns) for row in rows)


def test_every_net_beside_other_players_is_one_that_can_be_measured():
    assert {row["name"] for row in guitar.read_peers()["rows"]} <= set(NETS)


def test_presets_with_models_are_measured():
    assert {"clean", "crunch", "crunch-stereo", "overdrive"} <= set(guitar.list_presets())
    assert "bypass" not in guitar.list_presets()
