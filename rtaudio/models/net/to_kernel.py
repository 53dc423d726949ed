"""From a net to a node with a native kernel, if there is one for the net."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rtaudio.models.net.types import Dense, Gru, Lstm, Net, Stack
from rtaudio.runtime.abi import Node
from rtaudio.runtime.kernels.recurrent.node import recurrent_node
from rtaudio.runtime.kernels.wavenet.node import wavenet_node

__all__ = ["native_node"]

MAX_UNITS = 512
"""Most units in all layers: larger kernels gain little and take long to compile."""


def native_node(
    net: Net, params: np.ndarray[Any, Any] | None = None, *, rate_hz: int = 48000
) -> Node | None:
    """Make a node with a native kernel, in the net's start state; None if no kernel fits the net.

    Parameters
    ----------
    net
        The net.
    params
        Float32 slots, one per knob (input after the audio); None if it has none.
    rate_hz
        The net's sample rate.

    Examples
    --------
    >>> zeros = np.zeros
    >>> head = Dense(zeros((1, 8)), zeros(1))
    >>> native_node(Stack((head,))) is None
    True
    >>> node = native_node(Stack((Gru(zeros((24, 1)), zeros((24, 8)), zeros(24), zeros(24)), head)))
    >>> node is None
    False
    """
    if isinstance(net, Stack):
        return _stack(net, params, rate_hz)
    try:
        return wavenet_node(net)
    except ValueError:
        return None


def _stack(net: Stack, params: np.ndarray[Any, Any] | None, rate_hz: int) -> Node | None:
    """Make a node of LSTM or GRU layers, all of one kind, with a linear head."""
    *layers, head = net.layers
    if len(layers) > 1 and isinstance(layers[0], Dense) and isinstance(layers[1], Lstm | Gru):
        layers[:2] = [_merged(layers[0], layers[1])]
    lstms = [layer for layer in layers if isinstance(layer, Lstm)]
    grus = [layer for layer in layers if isinstance(layer, Gru)]
    cells: list[Lstm] | list[Gru] = lstms or grus
    if not (
        cells
        and len(cells) == len(layers)
        and sum(cell.weight_hh.shape[1] for cell in cells) <= MAX_UNITS
        and isinstance(head, Dense)
        and head.activation.name == "linear"
    ):
        return None
    return recurrent_node(
        cells,
        head.weight[0],
        float(head.bias[0]),
        skip=net.skip,
        in_gain=net.in_gain,
        out_gain=net.out_gain,
        params=params,
        rate_hz=rate_hz,
    )


def _merged(dense: Dense, layer: Lstm | Gru) -> Dense | Lstm | Gru:
    """Merge a linear layer into the recurrent layer after it; another one is returned itself."""
    if dense.activation.name != "linear":
        return dense
    weight_ih, shift = layer.weight_ih @ dense.weight, layer.weight_ih @ dense.bias
    if isinstance(layer, Lstm):
        return replace(layer, weight_ih=weight_ih, bias=layer.bias + shift)
    return replace(layer, weight_ih=weight_ih, bias_ih=layer.bias_ih + shift)
