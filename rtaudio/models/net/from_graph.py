"""From a model file to its net, by the hint in the card and the weights in the graph.

The card's ``architecture`` names the kind and the sizes of a trained net, and which tensor of the
graph holds which weights::

    {"type": "lstm" or "gru", "hidden": 32, "layers": 1, "input": 1, "residual": true,
     "weights": {"W": ..., "R": ..., "B": ..., "W_1": ..., "head_weight": ..., "head_bias": ...}}

    {"type": "wavenet", "head_scale": 0.02,
     "arrays": [{"channels": 16, "kernel": 3, "dilations": [1, 2, 4], "activation": "tanh"}, ...],
     "weights": {"arrays": [{"rechannel": ..., "head": ..., "head_bias": ...,
                             "layers": [{"conv": ..., "conv_bias": ..., "mixer": ...,
                                         "out": ..., "out_bias": ...}, ...]}, ...]}}

``W``, ``R`` and ``B`` are those of ONNX's operators LSTM and GRU. The inputs of a recurrent net
after the first are its knobs, each scaled to 0..1 between its lowest and its highest value. Here
that scale moves into the weights, as a `rtaudio.models.net.types.Stack` takes natural units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rtaudio.models.contract.card import ModelFile, ModelParameter
from rtaudio.models.net.types import (
    MAX_RECEPTIVE_FIELD,
    Activation,
    Conv,
    Dense,
    Gru,
    Lstm,
    Net,
    Stack,
    WaveNet,
    WaveNetArray,
    WaveNetLayer,
)
from rtaudio.models.net.weights import GraphWeights, Misfit, checked_size
from rtaudio.runtime.memory import Floats

__all__ = ["net_of"]


MAX_LAYERS = 1024

_GATES = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
"""Where torch's gates (i, f, g, o and r, z, n) are in ONNX (LSTM: i, o, f, c; GRU: z, r, h)."""


def net_of(file: ModelFile) -> Net | None:
    """Rebuild the net of a model file from its hint.

    A hint is only a claim: prove the net by the golden vector before it is played.

    Returns
    -------
    Net or None
        None if the file has no hint, or one for another kind of net than those in
        `rtaudio.models.net.types`, or weights with other shapes than the hint says.

    Examples
    --------
    >>> from rtaudio.models.contract.check import read_model
    >>> from rtaudio.shipped import shipped_models
    >>> net = net_of(read_model(shipped_models()["crunch"]))
    >>> net.skip, net.layers[0].weight_hh.shape
    (True, (128, 32))
    """
    card, hint = file.card, file.card.architecture
    if card.channels != (1, 1) or card.hop or card.latency_samples:
        return None
    try:
        match hint.get("type"):
            case "lstm" | "gru":
                return _stack(GraphWeights(file, hint["weights"]), hint, card.parameters)
            case "wavenet" if not card.parameters:
                return _wavenet(file, hint)
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _stack(
    weights: GraphWeights, hint: Mapping[str, Any], knobs: Sequence[ModelParameter]
) -> Stack:
    hidden = checked_size(hint["hidden"], 1 << 16)
    inputs = checked_size(hint["input"], 65)
    if inputs != 1 + len(knobs) or not isinstance(hint["residual"], bool):
        raise Misfit("input")
    kind = hint["type"]
    layers: list[Lstm | Gru | Dense] = []
    for place in range(checked_size(hint["layers"], MAX_LAYERS)):
        layers.append(_recurrent(weights, kind, place, inputs if place == 0 else hidden, hidden))
    first = layers[0]
    if knobs and isinstance(first, Lstm | Gru):
        layers[0] = _in_natural_units(first, knobs)
    layers.append(Dense(weights.take("head_weight", 1, hidden), weights.take("head_bias", 1)))
    return Stack(tuple(layers), inputs=inputs, skip=hint["residual"])


def _recurrent(
    weights: GraphWeights, kind: str, place: int, inputs: int, hidden: int
) -> Lstm | Gru:
    gates, suffix = _GATES[kind], f"_{place}" if place else ""
    rows = len(gates) * hidden

    def ordered(array: Floats) -> Floats:
        return array.reshape(len(gates), hidden, -1)[list(gates)].reshape(array.shape)

    weight_ih = ordered(weights.take(f"W{suffix}", rows, inputs))
    weight_hh = ordered(weights.take(f"R{suffix}", rows, hidden))
    both = weights.take(f"B{suffix}", 2 * rows).reshape(2, rows)
    bias_ih, bias_hh = ordered(both[0]), ordered(both[1])
    if kind == "gru":
        return Gru(weight_ih, weight_hh, bias_ih, bias_hh)
    rest = np.zeros(hidden, np.float32)
    return Lstm(weight_ih, weight_hh, bias_ih + bias_hh, rest, rest)


def _in_natural_units(layer: Lstm | Gru, knobs: Sequence[ModelParameter]) -> Lstm | Gru:
    """Make a layer that takes knobs in natural units of one that takes them as 0..1."""
    low = np.array([knob.min for knob in knobs])
    span = np.array([knob.max for knob in knobs]) - low
    slopes = layer.weight_ih[:, 1:] / span
    weight_ih = np.hstack([layer.weight_ih[:, :1], slopes]).astype(np.float32)
    moved = slopes @ low
    if isinstance(layer, Gru):
        bias_ih = (layer.bias_ih - moved).astype(np.float32)
        return Gru(weight_ih, layer.weight_hh, bias_ih, layer.bias_hh)
    bias = (layer.bias - moved).astype(np.float32)
    return Lstm(weight_ih, layer.weight_hh, bias, layer.hidden, layer.cell)


def _wavenet(file: ModelFile, hint: Mapping[str, Any]) -> WaveNet:
    sizes, names = hint["arrays"], hint["weights"]["arrays"]
    if len(sizes) != len(names) or not 1 <= len(sizes) <= MAX_LAYERS:
        raise Misfit("arrays")
    channels = [checked_size(size["channels"], 1 << 16) for size in sizes]
    arrays = []
    for place, (size, table) in enumerate(zip(sizes, names, strict=True)):
        if size["activation"] != "tanh" or len(table["layers"]) != len(size["dilations"]):
            raise Misfit("layers")
        own = channels[place]
        head = channels[place + 1] if place + 1 < len(sizes) else 1
        weights = GraphWeights(file, table)
        arrays.append(
            WaveNetArray(
                rechannel=Conv(
                    weights.take("rechannel", own, channels[place - 1] if place else 1, 1)
                ),
                layers=tuple(
                    _layer(
                        GraphWeights(file, layer),
                        own,
                        checked_size(size["kernel"], 1 << 10),
                        checked_size(dilation, MAX_RECEPTIVE_FIELD),
                    )
                    for layer, dilation in zip(table["layers"], size["dilations"], strict=True)
                ),
                head=Conv(
                    weights.take("head", head, own, 1),
                    weights.take("head_bias", head) if "head_bias" in table else None,
                ),
            )
        )
    scale = hint["head_scale"]
    if isinstance(scale, bool) or not isinstance(scale, int | float):
        raise Misfit("head_scale")
    net = WaveNet(tuple(arrays), float(scale))
    if net.receptive_field > MAX_RECEPTIVE_FIELD:
        raise Misfit("dilations")
    return net


def _layer(weights: GraphWeights, channels: int, kernel: int, dilation: int) -> WaveNetLayer:
    return WaveNetLayer(
        conv=Conv(
            weights.take("conv", channels, channels, kernel),
            weights.take("conv_bias", channels),
            dilation,
        ),
        mixer=Conv(weights.take("mixer", channels, 1, 1)),
        activation=Activation("tanh"),
        out=Conv(weights.take("out", channels, channels, 1), weights.take("out_bias", channels))
        if "out" in weights.names
        else None,
    )
