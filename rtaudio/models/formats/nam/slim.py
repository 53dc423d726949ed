"""Slimmable WaveNets: the net of the leading channels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rtaudio.models.formats.nam.document import Document
from rtaudio.models.formats.nam.schema import ArrayConfig, WaveNetConfig
from rtaudio.models.net.types import Activation, Conv, Film, WaveNet, WaveNetArray, WaveNetLayer

__all__ = ["slimmed"]

SLIM_METHOD = "slice_channels_uniform"


def slimmed(
    document: Document, config: WaveNetConfig, net: WaveNet, slim: float
) -> tuple[WaveNet, tuple[float, ...]]:
    """Cut a net to the channels that ``slim`` selects, if its arrays are slimmable.

    Parameters
    ----------
    document
        What is read, for messages.
    config
        Of the net.
    net
        The whole net.
    slim
        0 selects the fewest channels, 1 all.

    Returns
    -------
    net, steps
        The net, and the values of ``slim`` where its size changes.

    Raises
    ------
    FormatError
        The sizes make no sense, or the net has parts that cannot be cut.
    """
    choices = [
        _allowed_channels(document, place, array) for place, array in enumerate(config.layers)
    ]
    steps = sorted({i / len(allowed) for allowed in choices for i in range(1, len(allowed))})
    channels = [a[min(math.floor(slim * len(a)), len(a) - 1)] for a in choices]
    if channels == [array.channels for array in config.layers]:
        return net, tuple(steps)
    convs = [layer.conv for array in net.arrays for layer in array.layers]
    if (
        config.head is not None
        or any(conv.groups > 1 for conv in convs)
        or any(array.head.weight.shape[2] > 1 for array in net.arrays)
    ):
        raise document.fault(
            "a net with groups, a head of several taps or layers after the last array cannot be "
            "slimmed; use it with slim: 1"
        )
    return _cut_net(net, config, channels), tuple(steps)


def _allowed_channels(document: Document, place: int, array: ArrayConfig) -> list[int]:
    """Return the numbers of channels that an array may be cut to, in rising order."""
    if array.slimmable is None:
        return [array.channels]
    if (method := array.slimmable.get("method")) != SLIM_METHOD:
        raise document.fault(
            f"config.layers[{place}].slimmable.method {method!r:.40} is unknown; {SLIM_METHOD!r} "
            "is supported"
        )
    arguments = array.slimmable.get("kwargs")
    allowed: Any = arguments.get("allowed_channels") if isinstance(arguments, dict) else None
    allowed = allowed or list(range(1, array.channels + 1))
    if (
        not isinstance(allowed, list)
        or not all(type(size) is int and size > 0 for size in allowed)
        or sorted(set(allowed)) != allowed
        or allowed[-1] != array.channels
    ):
        raise document.fault(
            f"config.layers[{place}].slimmable: allowed_channels {allowed!r:.60} does not rise to "
            f"the {array.channels} channels; the file is damaged"
        )
    return allowed


def _cut_net(net: WaveNet, config: WaveNetConfig, channels: Sequence[int]) -> WaveNet:
    arrays = []
    last = len(channels) - 1
    for place, (array, settings, size) in enumerate(
        zip(net.arrays, config.layers, channels, strict=True)
    ):
        given = channels[place - 1] if place else array.rechannel.weight.shape[1]
        has_out = array.layers[0].out is not None
        full_width = settings.bottleneck or settings.channels
        width = max(1, full_width * size // settings.channels) if has_out else size
        has_head = array.layers[0].head_1x1 is not None
        head_in = array.head.weight.shape[1] if has_head else width
        head_out = array.head.weight.shape[0] if place == last else channels[place + 1]
        arrays.append(
            WaveNetArray(
                rechannel=_cut(array.rechannel, size, given),
                layers=tuple(_cut_layer(layer, size, width) for layer in array.layers),
                head=_cut(array.head, head_out, head_in),
            )
        )
    return dataclasses.replace(net, arrays=tuple(arrays))


def _cut_layer(layer: WaveNetLayer, channels: int, width: int) -> WaveNetLayer:
    condition = layer.mixer.weight.shape[1]
    rows = width if layer.gating == "none" else 2 * width
    sizes = {
        "conv_pre": channels,
        "conv_post": rows,
        "mixer_post": rows,
        "activation_pre": rows,
        "activation_post": width,
        "out_post": channels,
    }
    films = {
        place: film
        if place not in sizes
        else Film(_cut(film.conv, (2 if film.shift else 1) * sizes[place], condition), film.shift)
        for place, film in layer.films.items()
    }
    head = layer.head_1x1
    return dataclasses.replace(
        layer,
        conv=_cut(layer.conv, rows, channels),
        mixer=_cut(layer.mixer, rows, condition),
        activation=_cut_slopes(layer.activation, width),
        secondary=None if layer.secondary is None else _cut_slopes(layer.secondary, width),
        out=None if layer.out is None else _cut(layer.out, channels, width),
        head_1x1=None if head is None else _cut(head, head.weight.shape[0], width),
        films=films,
    )


def _cut(conv: Conv, rows: int, columns: int) -> Conv:
    return dataclasses.replace(
        conv,
        weight=np.ascontiguousarray(conv.weight[:rows, :columns]),
        bias=None if conv.bias is None else conv.bias[:rows],
    )


def _cut_slopes(activation: Activation, channels: int) -> Activation:
    if activation.name != "prelu":
        return activation
    return Activation("prelu", activation.values[:channels])
