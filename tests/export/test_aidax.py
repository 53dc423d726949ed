"""Written AIDA-X files: RTNeural computes the same from them as the net."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from export.aidax import PLUGIN_UNITS, aidax_document
from export.cli import export
from export.errors import ExportError
from export.exporter import export_model
from export.parity import Parity
from rtaudio.models.contract.card import Card, Golden
from rtaudio.models.contract.check import read_model
from rtaudio.models.net.from_graph import net_of
from rtaudio.models.net.types import Dense, Gru, Lstm, Stack
from training.models.gru import GruAmp
from training.models.lstm import LstmAmp
from training.models.wavenet import WaveNetAmp

CARD = {"name": "amp", "sample_rate": 44100, "license": "MIT", "provenance": {},
        "metrics": {"esr_mean": 0.02}}  # fmt: skip
KNOBS = [{"name": "gain", "min": -20.0, "max": 20.0, "default": 5.0},
         {"name": "tone", "min": 1.0, "max": 10.0, "default": 3.0}]  # fmt: skip
SILENCE = Golden(np.zeros((1, 2048), np.float32), np.zeros((1, 2048), np.float32))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Skip the proof of the ONNX export, which has its own tests."""
    monkeypatch.setattr("export.exporter.check_parity", lambda net, model: Parity(0.0, 0.0, 0))


def logistic(z):
    return 1 / (1 + np.exp(-z))


def player(document, x, *knobs):
    """Play a file by the definition of the format, in double precision; knobs from 0 to 1."""
    x = 10 ** (document["in_gain"] / 20) * np.asarray(x, float)
    assert document["in_shape"] == [None, None, 1 + len(knobs)]
    y = np.stack([x, *(np.full(x.size, knob) for knob in knobs)], axis=1)
    for layer in document["layers"]:
        size = layer["shape"][-1]
        matrices = [np.array(part, float) for part in layer["weights"]]
        if layer["type"] == "dense":
            assert matrices[0].shape == (y.shape[1], size)
            y = y @ matrices[0] + matrices[1]
            continue
        kernel, recurrent, bias = matrices
        h, c, outputs = np.zeros(size), np.zeros(size), []
        for row in y @ kernel:
            if layer["type"] == "lstm":
                i, f, g, o = (row + h @ recurrent + bias).reshape(4, size)
                c = logistic(f) * c + logistic(i) * np.tanh(g)
                h = logistic(o) * np.tanh(c)
            else:
                before = (row + bias[0]).reshape(3, size)
                fed = (h @ recurrent + bias[1]).reshape(3, size)
                z, r = logistic(before[:2] + fed[:2])
                h = (1 - z) * np.tanh(before[2] + r * fed[2]) + z * h
            outputs.append(h)
        y = np.array(outputs)
    return 10 ** (document["out_gain"] / 20) * (y[:, 0] + document["in_skip"] * x)


def exported(net, folder):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    export_model(net.eval(), CARD, folder / "amp.onnx")
    return folder / "amp.onnx"


@pytest.mark.parametrize(
    ("net", "ending", "units"),
    [
        (lambda: LstmAmp(hidden=12), "aidax", 12),
        (lambda: LstmAmp(hidden=9, residual=False), "aidax", 12),
        (lambda: GruAmp(hidden=5), "aidax", 8),
        (lambda: LstmAmp(hidden=5, layers=2), "json", 5),
        (lambda: GruAmp(hidden=4, layers=3, residual=False), "json", 4),
    ],
)
def test_a_trained_net_plays_the_same_as_an_aidax_file(net, ending, units, tmp_path):
    source, out = exported(net(), tmp_path), tmp_path / f"amp.{ending}"
    export(source, out)
    document = json.loads(out.read_text())
    file = read_model(source)
    played = player(document, file.golden_input[0])
    np.testing.assert_allclose(played, file.golden_output[0], rtol=0, atol=2e-6)
    # The vector in the file is that of the file's net.
    played = player(document, document["input_batch"])
    np.testing.assert_allclose(played, document["output_batch"], rtol=0, atol=2e-6)
    assert len(document["input_batch"]) == 2048
    assert document["layers"][0]["shape"] == [None, None, units]
    assert document["metadata"] == {"name": "amp", "samplerate": "44100", "license": "MIT",
                                    "esr": 0.02}  # fmt: skip


@pytest.mark.parametrize("kind", [LstmAmp, GruAmp])
def test_knobs_go_from_0_to_1(kind, tmp_path):
    source, out = exported(kind(hidden=5, knobs=KNOBS), tmp_path), tmp_path / "amp.aidax"
    export(source, out)
    document, file = json.loads(out.read_text()), read_model(source)
    played = player(document, file.golden_input[0], 0.625, 2 / 9)  # the defaults
    np.testing.assert_allclose(played, file.golden_output[0], rtol=0, atol=2e-6)
    played = player(document, document["input_batch"], 0.0, 0.0)
    np.testing.assert_allclose(played, document["output_batch"], rtol=0, atol=2e-6)
    assert np.abs(played - file.golden_output[0]).max() > 1e-3


def test_gains_are_written_in_decibels():
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.uniform(-0.5, 0.5, shape).astype(np.float32)

    rest = np.zeros(8, np.float32)
    net = Stack((Lstm(draw(32, 1), draw(32, 8), draw(32), rest, rest), Dense(draw(1, 8), draw(1))),
                skip=True, in_gain=2.0, out_gain=0.5)  # fmt: skip
    card = Card(**CARD, channels=(1, 1), hop=0, latency=0)
    document = aidax_document(net, card, SILENCE)
    assert document["in_gain"] == pytest.approx(6.0206, abs=1e-4)
    assert document["out_gain"] == pytest.approx(-6.0206, abs=1e-4)
    assert document["in_skip"] == 1


def test_units_are_added_without_changing_a_sample():
    rng = np.random.default_rng(1)

    def draw(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    x = rng.uniform(-1, 1, 300)
    card = Card(**CARD, channels=(1, 1), hop=0, latency=0)
    for units in (1, 7, 8, 33):
        net = Stack((Gru(draw(3 * units, 1), draw(3 * units, units), draw(3 * units),
                         draw(3 * units)), Dense(draw(1, units), draw(1))))  # fmt: skip
        exact, padded = (
            aidax_document(net, card, SILENCE, plugin=plugin) for plugin in (False, True)
        )
        assert exact["layers"][0]["shape"][-1] == units
        assert padded["layers"][0]["shape"][-1] in PLUGIN_UNITS
        np.testing.assert_allclose(player(padded, x), player(exact, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (lambda: LstmAmp(hidden=4, layers=2), "the AIDA-X plugin plays one"),
        (lambda: LstmAmp(hidden=81), "the AIDA-X plugin plays one"),
        (lambda: LstmAmp(hidden=4, knobs=[*KNOBS, {**KNOBS[0], "name": "mid"}]), "3 knobs"),
        (lambda: WaveNetAmp(size="nano"), "holds LSTMs and GRUs"),
    ],
)
def test_an_unsupported_net_is_refused_and_nothing_is_written(net, reason, tmp_path):
    source = exported(net(), tmp_path)
    assert net_of(read_model(source)) is not None
    with pytest.raises(ExportError, match=reason):
        export(source, tmp_path / "amp.aidax")
    assert not (tmp_path / "amp.aidax").exists()
