"""The sizes of a net, for its card and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from rtaudio.models.net.types import BatchNorm, ConvLayer, Dense, Gru, Lstm, Net, PRelu, Stack

__all__ = ["summary", "weight_count"]


def weight_count(net: Net) -> int:
    """Return the number of values in all arrays of a net, start states included."""
    return sum(array.size for array in _arrays(net))


def _arrays(part: object) -> Iterator[np.ndarray[Any, Any]]:
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple):
        for inner in part:
            yield from _arrays(inner)
    elif isinstance(part, Mapping):
        for inner in part.values():
            yield from _arrays(inner)
    elif is_dataclass(part):
        for entry in fields(part):
            yield from _arrays(getattr(part, entry.name))


def summary(net: Net) -> dict[str, Any]:
    """Return a net's type, sizes, number of weights and receptive field in samples.

    Examples
    --------
    >>> summary(Stack((Dense(np.ones((1, 1), np.float32), np.zeros(1, np.float32)),)))
    {'type': 'stack', 'layers': ['dense 1 -> 1'], 'weights': 2}
    """
    result: dict[str, Any]
    if isinstance(net, Stack):
        result = {"type": "stack", "layers": [_layer(layer) for layer in net.layers]}
        if net.skip:
            result["skip"] = True
    else:
        result = {"type": "wavenet", "arrays": [_array(array) for array in net.arrays]}
        if net.post:
            result["head"] = [int(conv.weight.shape[0]) for _, conv in net.post]
        if net.condition is not None:
            result["condition"] = summary(net.condition)
        result["receptive_field"] = net.receptive_field
    result["weights"] = weight_count(net)
    return result


def _layer(layer: Any) -> str:
    match layer:
        case Lstm():
            return f"lstm {layer.weight_ih.shape[1]} -> {layer.weight_hh.shape[1]}"
        case Gru():
            return f"gru {layer.weight_ih.shape[1]} -> {layer.weight_hh.shape[1]}"
        case Dense():
            out, given = layer.weight.shape
            return _with(layer.activation.name, f"dense {given} -> {out}")
        case ConvLayer(conv=conv):
            text = f"conv {conv.weight.shape[1] * conv.groups} -> {conv.weight.shape[0]}, "
            text += f"{conv.weight.shape[2]} taps"
            if conv.dilation > 1:
                text += f" every {conv.dilation}"
            return _with(layer.activation.name, text)
        case PRelu():
            return "prelu"
        case BatchNorm():
            return "batch norm"
    return str(layer.name)


def _with(activation: str, text: str) -> str:
    return text if activation == "linear" else f"{text}, {activation}"


def _array(array: Any) -> dict[str, Any]:
    layers = array.layers
    result = {
        "channels": int(array.rechannel.weight.shape[0]),
        "kernel_sizes": _common([int(layer.conv.weight.shape[2]) for layer in layers]),
        "dilations": [layer.conv.dilation for layer in layers],
        "activation": _common([layer.activation.name for layer in layers]),
    }
    gating = _common([layer.gating for layer in layers])
    if gating != "none":
        result["gating"] = gating
    films = sorted({place for layer in layers for place in layer.films})
    if films:
        result["film"] = films
    if array.head.past:
        result["head_kernel_size"] = int(array.head.weight.shape[2])
    return result


def _common(values: list[Any]) -> Any:
    """Return the value that all layers share, or else the list of their values."""
    return values[0] if len(set(values)) == 1 else values
