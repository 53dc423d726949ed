"""Write ``.nam`` files (Neural Amp Modeler).

The format is described in `rtaudio.models.formats.nam`. A file gets the oldest version that can
hold the net: 0.5.4 for LSTMs and for WaveNets of the A1 form, 0.7.0 for WaveNets whose layers
differ in kernel or activation (A2).

A ``.nam`` LSTM has no path around its cells, so one more unit in every layer makes one. Its gates i
and o are held open, f is held shut, and a weight of 1/2,048 keeps both tanh of the unit in their
linear range; the head multiplies by 2,048. For x within -1..1 the error is below 2e-7. The fast
tanh of Neural Amp Modeler's plugin is less linear: there the dry part is about 2 % too loud.
Training without ``residual`` avoids both the unit and the error.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from export.errors import ExportError
from export.loudness import Loudness
from rtaudio.models.contract.card import Card
from rtaudio.models.net.types import (
    Activation,
    Conv,
    Dense,
    Lstm,
    Net,
    Stack,
    WaveNet,
    WaveNetArray,
)
from rtaudio.runtime.memory import Floats

__all__ = ["nam_document"]


DRY_SCALE = 2.0**-11
HELD = 30.0
"""Bias that holds a gate: its logistic function is 1 (or, negative, 0) in single precision."""

_ACTIVATIONS = {
    "tanh": "Tanh", "hard_tanh": "Hardtanh", "fast_tanh": "Fasttanh", "relu": "ReLU",
    "leaky_relu": "LeakyReLU", "prelu": "PReLU", "sigmoid": "Sigmoid", "silu": "SiLU",
    "hard_swish": "Hardswish", "leaky_hard_tanh": "LeakyHardtanh", "softsign": "Softsign",
}  # fmt: skip

_FILMS = (
    "conv_pre",
    "conv_post",
    "input_mixin_pre",
    "input_mixin_post",
    "activation_pre",
    "activation_post",
    "layer1x1_post",
    "head1x1_post",
)

_GEAR = {
    "gear_type": {"amp", "pedal", "pedal_amp", "amp_cab", "amp_pedal_cab", "preamp", "studio"},
    "tone_type": {"clean", "overdrive", "crunch", "hi_gain", "fuzz"},
}


def nam_document(net: Net, card: Card, loudness: Loudness) -> dict[str, Any]:
    """Make the JSON object of a ``.nam`` file.

    Parameters
    ----------
    net
        An LSTM with a linear head, or a plain WaveNet.
    card
        Its name, sample rate, levels, ``provenance`` (date, modeled_by, gear_make, gear_model,
        gear_type, tone_type) and error (`Card.esr`) go into the metadata.
    loudness
        As `export.loudness.measure_loudness` returns it.

    Returns
    -------
    dict
        The object, ready for ``json.dump``.

    Raises
    ------
    ExportError
        The format cannot hold this net.
    """
    if card.parameters:
        raise ExportError("a .nam file holds no knobs; export it as .onnx, .aidax or .json")
    if isinstance(net, Stack):
        version, architecture = "0.5.4", "LSTM"
        config, weights = _lstm(net)
    else:
        architecture = "WaveNet"
        version, config, weights = _wavenet(net)
    return {
        "version": version,
        "metadata": _metadata(card, loudness),
        "architecture": architecture,
        "config": config,
        "weights": np.concatenate([np.ravel(part) for part in weights]).tolist(),
        "sample_rate": card.rate_hz,
    }


def _metadata(card: Card, loudness: Loudness) -> dict[str, Any]:
    given = card.provenance
    try:
        date = datetime.datetime.fromisoformat(str(given.get("date")))
    except ValueError:
        date = datetime.datetime.now(datetime.UTC)
    metadata: dict[str, Any] = {
        "date": {
            unit: getattr(date, unit)
            for unit in ("year", "month", "day", "hour", "minute", "second")
        },
        "loudness": loudness.loudness_db,
        "gain": loudness.compression,
        "name": card.name,
    }
    for key in ("modeled_by", "gear_make", "gear_model", "gear_type", "tone_type"):
        text = given.get(key)
        if isinstance(text, str) and text in _GEAR.get(key, {text}):
            metadata[key] = text
    for key, level in (("input_level_dbu", "input_dbu"), ("output_level_dbu", "output_dbu")):
        if level in card.levels:
            metadata[key] = card.levels[level]
    if card.esr is not None:
        metadata["training"] = {"validation_esr": card.esr}
    return metadata


# LSTM


def _lstm(net: Stack) -> tuple[dict[str, Any], list[Floats]]:
    *cells, head = net.layers
    if (
        not isinstance(head, Dense)
        or head.activation != Activation()
        or not cells
        or not all(isinstance(cell, Lstm) for cell in cells)
        or len({len(cell.hidden) for cell in cells if isinstance(cell, Lstm)}) != 1
    ):
        raise ExportError(
            "a .nam file holds LSTMs of equal layers with a linear head, and WaveNets; export it "
            "as .onnx"
        )
    layers = [cell for cell in cells if isinstance(cell, Lstm)]
    first = layers[0]
    layers[0] = Lstm(
        np.float32(net.in_gain) * first.weight_ih,
        first.weight_hh,
        first.bias,
        first.hidden,
        first.cell,
    )
    head_weight = net.out_gain * head.weight[0]
    if net.skip:
        layers = [_with_dry(layer, first=place == 0) for place, layer in enumerate(layers)]
        head_weight = np.append(head_weight, net.out_gain * net.in_gain / DRY_SCALE)
    weights: list[Any] = []
    for layer in layers:
        matrix = np.hstack([layer.weight_ih, layer.weight_hh])
        weights += [matrix, layer.bias, layer.hidden, layer.cell]
    weights += [head_weight, net.out_gain * head.bias]
    sizes = {"input_size": 1, "hidden_size": len(layers[0].hidden), "num_layers": len(layers)}
    return sizes, [np.asarray(part, np.float32) for part in weights]


def _with_dry(layer: Lstm, *, first: bool) -> Lstm:
    """Add a unit that passes on the audio, from the input or the unit added one layer before."""
    hidden, inputs = len(layer.hidden), layer.weight_ih.shape[1]

    def grown(matrix: Floats, columns: int) -> Floats:
        gates = np.zeros((4, hidden + 1, columns), np.float32)
        gates[:, :hidden, : matrix.shape[1]] = matrix.reshape(4, hidden, -1)
        return gates.reshape(4 * (hidden + 1), columns)

    candidate = 3 * hidden + 2
    weight_ih = grown(layer.weight_ih, inputs if first else inputs + 1)
    weight_ih[candidate, -1] = DRY_SCALE if first else 1.0
    bias = grown(layer.bias[:, None], 1).reshape(4, hidden + 1)
    bias[:, hidden] = (HELD, -HELD, 0.0, HELD)
    return Lstm(
        weight_ih,
        grown(layer.weight_hh, hidden + 1),
        bias.ravel(),
        np.append(layer.hidden, np.float32(0)),
        np.append(layer.cell, np.float32(0)),
    )


# WaveNet


def _wavenet(net: WaveNet) -> tuple[str, dict[str, Any], list[Floats]]:
    convs = [layer.conv for array in net.arrays for layer in array.layers]
    if (
        net.condition is not None
        or net.post
        or any(array.rechannel.bias is not None for array in net.arrays)
        or any(
            layer.gating != "none"
            or layer.films
            or layer.head_1x1 is not None
            or layer.mixer.bias is not None
            for array in net.arrays
            for layer in array.layers
        )
        or any(conv.groups != 1 or conv.weight.shape[0] != conv.weight.shape[1] for conv in convs)
    ):
        raise ExportError(
            "only plain WaveNets are written as .nam (no gates, FiLM, groups, bottleneck, or net "
            "for the condition); export it as .onnx"
        )
    old = all(_is_a1(array) for array in net.arrays)
    config = {
        "layers": [_array_config(array, old=old) for array in net.arrays],
        "head": None,
        "head_scale": net.head_scale,
    }
    weights = [part for array in net.arrays for part in _array_weights(array)]
    return "0.5.4" if old else "0.7.0", config, [*weights, np.array([net.head_scale], np.float32)]


def _is_a1(array: WaveNetArray) -> bool:
    kinds = {(layer.conv.weight.shape[2], layer.activation) for layer in array.layers}
    return (
        len(kinds) == 1
        and not array.layers[0].activation.values
        and array.head.weight.shape[2] == 1
    )


def _array_config(array: WaveNetArray, *, old: bool) -> dict[str, Any]:
    layers, head = array.layers, array.head
    taps = [layer.conv.weight.shape[2] for layer in layers]
    sizes = {
        "input_size": array.rechannel.weight.shape[1],
        "condition_size": layers[0].mixer.weight.shape[1],
        "channels": array.rechannel.weight.shape[0],
        "dilations": [layer.conv.dilation for layer in layers],
    }
    if old:
        return {
            **sizes,
            "head_size": head.weight.shape[0],
            "kernel_size": taps[0],
            "activation": _ACTIVATIONS[layers[0].activation.name],
            "gated": False,
            "head_bias": head.bias is not None,
        }
    return {
        **sizes,
        "bottleneck": sizes["channels"],
        "kernel_sizes": taps,
        "activation": [_activation(layer.activation) for layer in layers],
        "gating_mode": ["none"] * len(layers),
        "secondary_activation": [None] * len(layers),
        "head": {
            "out_channels": head.weight.shape[0],
            "kernel_size": head.weight.shape[2],
            "bias": head.bias is not None,
        },
        "head1x1": {"active": False, "out_channels": 1, "groups": 1},
        "layer1x1": {"active": True, "groups": 1},
        "groups_input": 1,
        "groups_input_mixin": 1,
        "slimmable": None,
        # Players take a missing FiLM for an active one.
        **{f"{place}_film": {"active": False, "shift": True, "groups": 1} for place in _FILMS},
    }


def _activation(activation: Activation) -> dict[str, Any]:
    kind, values = {"type": _ACTIVATIONS[activation.name]}, list(activation.values)
    match activation.name:
        case "leaky_relu":
            return {**kind, "negative_slope": values[0]}
        case "prelu":
            return {**kind, "negative_slopes": values}
        case "leaky_hard_tanh":
            names = ("min_val", "max_val", "min_slope", "max_slope")
            return {**kind, **dict(zip(names, values, strict=True))}
    return kind


def _array_weights(array: WaveNetArray) -> list[Floats]:
    channels = array.rechannel.weight.shape[0]
    # A layer without output to the next one is written with an output of zero.
    silent = Conv(np.zeros((channels, channels, 1), np.float32))
    parts: list[Sequence[Floats]] = [[array.rechannel.weight]]
    for layer in array.layers:
        parts += [_with_bias(layer.conv), [layer.mixer.weight], _with_bias(layer.out or silent)]
    head = array.head
    parts.append([head.weight] if head.bias is None else [head.weight, head.bias])
    return list(itertools.chain.from_iterable(parts))


def _with_bias(conv: Conv) -> list[Floats]:
    bias = np.zeros(conv.weight.shape[0], np.float32) if conv.bias is None else conv.bias
    return [conv.weight, bias]
