"""The hint of a model file: the net that it describes, or None."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import onnx.numpy_helper
import pytest
import torch
from torch import nn

from export.exporter import export_model
from rtaudio.models.contract.check import read_model
from rtaudio.models.net.from_graph import net_of
from rtaudio.models.net.types import Dense, Stack
from training.models.lstm import LstmAmp

SHIPPED = sorted(
    path
    for path in (Path(__file__).parents[2] / "presets" / "models").glob("*.onnx")
    if not path.stem.startswith("denoise")
)
CARD = {"name": "amp", "sample_rate": 48000, "license": "MIT", "provenance": {}}


def exported(net, path):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    export_model(net.eval(), CARD, path)
    return read_model(path)


def play(net: Stack, dry, knobs=()):
    """Play a net of recurrent and dense layers with torch's cells in double precision."""
    x = torch.tensor(np.vstack([dry, *(np.full_like(dry, knob) for knob in knobs)]).T)
    x = y = x.double()
    for layer in net.layers:
        if isinstance(layer, Dense):
            y = y @ torch.tensor(layer.weight).double().T + torch.tensor(layer.bias)
            continue
        gated = hasattr(layer, "bias_ih")
        cell = (nn.GRU if gated else nn.LSTM)(y.shape[1], layer.weight_hh.shape[1]).double()
        biases = (layer.bias_ih, layer.bias_hh) if gated else (layer.bias, 0 * layer.bias)
        with torch.no_grad():
            for parameter, value in zip(
                cell.parameters(), (layer.weight_ih, layer.weight_hh, *biases), strict=True
            ):
                parameter.copy_(torch.tensor(value))
            y, _ = cell(y)
    return (y[:, 0] + (x[:, 0] if net.skip else 0)).numpy()


@pytest.fixture(scope="module")
def lstm(tmp_path_factory):
    torch.manual_seed(0)
    return exported(LstmAmp(hidden=5), tmp_path_factory.mktemp("hint") / "amp.onnx")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_model_gives_the_net_of_its_golden_vector(path):
    file = read_model(path)
    net = net_of(file)
    played = play(net, file.golden_input[0], [knob.default for knob in file.card.parameters])
    np.testing.assert_allclose(played, file.golden_output[0], rtol=0, atol=2e-6)


def test_a_trained_net_comes_back(lstm):
    played = play(net_of(lstm), lstm.golden_input[0])
    np.testing.assert_allclose(played, lstm.golden_output[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("type", "spectral"), ("type", None), ("hidden", 6), ("hidden", True),
        ("hidden", 1 << 40), ("layers", 2), ("layers", 0), ("input", 2), ("residual", "yes"),
        ("weights", None), ("weights", ["W"]), ("weights", {"W": "rnn.cell.W"}),
    ],
)  # fmt: skip
def test_a_hint_that_does_not_fit_is_no_hint(lstm, key, value):
    architecture = {**lstm.card.architecture, key: value}
    card = lstm.card.model_copy(update={"architecture": architecture})
    assert net_of(dataclasses.replace(lstm, card=card)) is None


def test_weights_of_another_shape_or_type_are_no_net(lstm):
    for spoil in (lambda w: w[:, :-1], lambda w: w.astype(np.float64)):
        proto = copy.deepcopy(lstm.proto)
        tensor = next(t for t in proto.graph.initializer if t.name == "rnn.cell.R")
        spoiled = onnx.numpy_helper.from_array(
            spoil(onnx.numpy_helper.to_array(tensor)), "rnn.cell.R"
        )
        tensor.CopyFrom(spoiled)
        assert net_of(dataclasses.replace(lstm, proto=proto)) is None
