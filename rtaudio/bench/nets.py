"""Nets of the usual sizes of amp models, with random weights, for timing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from rtaudio.models.formats.foreign_net import ForeignNet
from rtaudio.models.formats.read import model_file
from rtaudio.models.loader import LoadedModel
from rtaudio.models.net.types import (
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

__all__ = ["NETS", "make_model", "make_net"]

_LIGHT = ([1, 2, 4, 8, 16, 32, 64], [128, 256, 512, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
_STANDARD = ([1, 2, 4, 8, 16, 32, 64, 128, 256, 512],) * 2
_A2 = [1, 3, 7, 17, 41, 101, 239]
_A2_TAPS = [6] * 14 + [15, 15] + [6] * 7


class _Random:
    """Random weights as at the start of a training, which keep every layer in its usual range."""

    def __init__(self, seed: int) -> None:
        self.source = np.random.default_rng(seed)

    def array(self, *shape: int, fan_in: int) -> np.ndarray:
        bound = fan_in**-0.5
        return self.source.uniform(-bound, bound, shape).astype(np.float32)

    def conv(self, rows: int, columns: int, taps: int = 1, dilation: int = 1) -> Conv:
        fan_in = columns * taps
        weight = self.array(rows, columns, taps, fan_in=fan_in)
        return Conv(weight, self.array(rows, fan_in=fan_in), dilation)


def _recurrent(kind: type[Lstm] | type[Gru], layers: int, hidden: int) -> Stack:
    """Make recurrent layers and a linear one."""
    random = _Random(hidden)
    stack: list[Lstm | Gru | Dense] = []
    for number in range(layers):
        inputs = hidden if number else 1
        gates = 4 if kind is Lstm else 3
        w_ih = random.array(gates * hidden, inputs, fan_in=hidden)
        w_hh = random.array(gates * hidden, hidden, fan_in=hidden)
        bias = random.array(gates * hidden, fan_in=hidden)
        if kind is Lstm:
            rest = np.zeros(hidden, np.float32)
            stack.append(Lstm(w_ih, w_hh, bias, rest, rest))
        else:
            stack.append(Gru(w_ih, w_hh, bias, random.array(gates * hidden, fan_in=hidden)))
    head = Dense(random.array(1, hidden, fan_in=hidden), random.array(1, fan_in=hidden))
    return Stack((*stack, head))


def _a1(wide: int, narrow: int, dilations: tuple[list[int], list[int]]) -> WaveNet:
    """Make a first-generation WaveNet of the Neural Amp Modeler: two arrays of layers."""
    random = _Random(wide)
    arrays = []
    for channels, columns, head, steps in (
        (wide, 1, narrow, dilations[0]),
        (narrow, wide, 1, dilations[1]),
    ):
        layers = tuple(
            WaveNetLayer(
                random.conv(channels, channels, 3, step),
                Conv(random.array(channels, 1, 1, fan_in=1)),
                Activation("tanh"),
                random.conv(channels, channels),
            )
            for step in steps
        )
        rechannel = Conv(random.array(channels, columns, 1, fan_in=columns))
        last = random.conv(head, channels)
        arrays.append(WaveNetArray(rechannel, layers, last if head == 1 else Conv(last.weight)))
    return WaveNet(tuple(arrays), 0.02)


def _a2(channels: int) -> WaveNet:
    """Make a second-generation WaveNet of the Neural Amp Modeler: one array of 23 layers."""
    random = _Random(channels)
    layers = tuple(
        WaveNetLayer(
            random.conv(channels, channels, taps, step),
            Conv(random.array(channels, 1, 1, fan_in=1)),
            Activation("leaky_relu", (0.01,)),
            random.conv(channels, channels),
        )
        for taps, step in zip(_A2_TAPS, [*_A2, *_A2, 1, 13, *_A2], strict=True)
    )
    rechannel = Conv(random.array(channels, 1, 1, fan_in=1))
    return WaveNet((WaveNetArray(rechannel, layers, random.conv(1, channels, 16)),), 0.01)


NETS: dict[str, Callable[[], Net]] = {
    **{f"LSTM 1x{n}": partial(_recurrent, Lstm, 1, n) for n in (8, 12, 16, 24, 32, 40, 64, 96)},
    "LSTM 2x8": partial(_recurrent, Lstm, 2, 8),
    "LSTM 2x16": partial(_recurrent, Lstm, 2, 16),
    "LSTM 3x16": partial(_recurrent, Lstm, 3, 16),
    "GRU 1x16": partial(_recurrent, Gru, 1, 16),
    "GRU 1x40": partial(_recurrent, Gru, 1, 40),
    "WaveNet A1 nano": partial(_a1, 4, 2, _LIGHT),
    "WaveNet A1 feather": partial(_a1, 8, 4, _LIGHT),
    "WaveNet A1 lite": partial(_a1, 12, 6, _LIGHT),
    "WaveNet A1 standard": partial(_a1, 16, 8, _STANDARD),
    "WaveNet A2 lite": partial(_a2, 3),
    "WaveNet A2 full": partial(_a2, 8),
}
"""The nets, by their usual names."""


def make_net(name: str) -> Net:
    """Make one of `NETS`; it is the same at every call.

    Examples
    --------
    >>> make_net("WaveNet A1 standard").receptive_field
    4093
    """
    return NETS[name]()


def make_model(name: str) -> LoadedModel:
    """Make one of `NETS` as a model, ready to be played by every engine that can.

    Examples
    --------
    >>> sorted(make_model("LSTM 1x8").golden_errors)
    ['native', 'onnx']
    """
    net = ForeignNet(Path(name), "made up", "", 48000, make_net(name))
    return LoadedModel(model_file(net), net)
