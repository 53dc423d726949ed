"""The shape of a WaveNet, which its kernel must know before it is compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rtaudio.runtime.kernels.wavenet.activations import ACTIVATIONS


class Row(NamedTuple):
    """One row of the table; places and sizes in float32 values, eight words long."""

    place: int  # of channel 0
    stride: int  # from channel to channel
    size: int = 0  # of the ring; 0: no ring, the position stays 0
    position: int = 0
    taps: int = 0
    dilation: int = 0
    weights: int = 0
    unused: int = 0


PLACE, STRIDE, SIZE, POSITION, TAPS, DILATION, WEIGHTS = range(7)
"""Columns of the table, as in `Row`."""

WORDS = len(Row._fields)
"""Columns, with padding."""


class ArrayPlan(NamedTuple):
    """The shape of one array, on which its code depends."""

    inputs: int
    channels: int
    layers: int
    taps: int  # of all layers; 0: they differ
    heads: int
    head_taps: int
    activation: str
    slope: float


def _check(condition: bool, reason: str) -> None:
    if not condition:
        raise ValueError(f"this WaveNet has no native kernel: {reason}")


def plan_of(net: Any) -> list[ArrayPlan]:
    """Return the shape of each array of a net.

    Raises
    ------
    ValueError
        The net is not a plain one; the text says why.
    """
    _check(len(net.arrays) > 0, "it has no layers")
    _check(not net.post, "layers after the head")
    _check(net.condition is None, "a condition net")
    arrays = []
    inputs, heads = 1, None
    for array in net.arrays:
        channels = np.shape(array.rechannel.weight)[0]
        _check(np.shape(array.rechannel.weight) == (channels, inputs, 1), "its rechannel layer")
        _check(heads in (None, channels), "heads of another width than the next array")
        heads, _, head_taps = np.shape(array.head.weight)
        _check(np.shape(array.head.weight)[1] == channels, "the width of its head")
        _check(array.head.dilation == 1, "a dilated head")
        _check(len(array.layers) > 0, "an array without layers")
        for layer in array.layers:
            taps = np.shape(layer.conv.weight)[2]
            plain = layer.gating == "none" and not layer.films and layer.head_1x1 is None
            _check(plain, "gates, FiLM or a head of a layer")
            _check(layer.activation == array.layers[0].activation, "mixed activations")
            _check(np.shape(layer.conv.weight) == (channels, channels, taps), "a bottleneck")
            _check(np.shape(layer.mixer.weight) == (channels, 1, 1), "a wide condition")
            convs = [layer.conv, layer.mixer, *([layer.out] if layer.out else [])]
            _check(all(conv.groups == 1 for conv in convs), "groups")
            if layer.out:
                _check(np.shape(layer.out.weight) == (channels, channels, 1), "a wide layer")
        _check(array.rechannel.groups == array.head.groups == 1, "groups")
        activation = array.layers[0].activation
        _check(activation.name in ACTIVATIONS, f"the activation {activation.name}")
        slope = float(activation.values[0]) if activation.name == "leaky_relu" else 0.0
        taps = {np.shape(layer.conv.weight)[2] for layer in array.layers}
        arrays.append(
            ArrayPlan(
                inputs,
                channels,
                len(array.layers),
                taps.pop() if len(taps) == 1 else 0,
                heads,
                head_taps,
                activation.name,
                slope,
            )
        )
        inputs = channels
    _check(heads == 1, "more than one output")
    return arrays
