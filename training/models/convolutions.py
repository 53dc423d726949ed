"""Weight-normalised convolutions that are causal and stream, or centred for whole files."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm
from typing_extensions import override

from export.layers import CausalConv1d, CausalConvTranspose1d
from export.streaming import State, StreamingModule
from training.models.geometry import Geometry, Layer

__all__ = ["Chain", "Convolution", "Upsampling"]

DEVIATION = 0.02
"""Standard deviation of the directions of the first weights, cut off at two of it."""


class Convolution(CausalConv1d):
    """Convolution with weight normalisation, either causal or centred.

    A centred one pads zeros on both sides of a whole signal and has no state.

    Parameters
    ----------
    in_channels, out_channels, kernel, stride, dilation
        As for `export.layers.CausalConv1d`.
    causal
        Whether it looks back only.
    gain
        First length of the weights of an output channel: with 1, and inputs alike in level, outputs
        have the level of the inputs.

    Notes
    -----
    Salimans, Kingma: Weight normalization, NeurIPS 2016.

    Examples
    --------
    >>> import torch
    >>> layer = Convolution(1, 2, kernel=4, stride=2, causal=False)
    >>> y, state = layer(torch.zeros(1, 1, 10), layer.initial_state())
    >>> tuple(y.shape), state
    ((1, 2, 5), {})
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        causal: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=stride, dilation=dilation)
        self.causal = causal
        left = self.past if causal else self.past // 2
        self.layer = Layer(kernel, stride, dilation, self.channels, left)
        _start(self.conv, gain)

    @override
    def initial_state(self, batch: int = 1) -> State:
        return super().initial_state(batch) if self.causal else {}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if self.causal:
            return super().forward(x, state)
        left = self.layer.left
        return self.conv(functional.pad(x, (left, self.past - left))), {}


class Upsampling(CausalConvTranspose1d):
    """Transposed convolution with weight normalisation, either causal or centred.

    A centred one cuts the overlap off at both ends of a whole signal and has no state.

    Parameters
    ----------
    in_channels, out_channels, kernel, stride
        As for `export.layers.CausalConvTranspose1d`.
    causal
        Whether it looks back only.
    gain
        First level of the outputs over that of the inputs.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        *,
        causal: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride)
        self.causal = causal
        left = 0 if causal else self.tail // 2
        self.layer = Layer(kernel, stride, 1, self.channels, left, transposed=True)
        # Each input channel has a weight for all outputs, of which kernel / stride taps overlap.
        length = gain * math.sqrt(out_channels * stride / in_channels)
        _start(self.conv, length)

    @override
    def initial_state(self, batch: int = 1) -> State:
        return super().initial_state(batch) if self.causal else {}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if self.causal:
            return super().forward(x, state)
        left, length = self.layer.left, x.shape[-1] * self.stride
        assert self.bias is not None
        return self.conv(x)[..., left : left + length] + self.bias, {}


class Chain(StreamingModule):
    """Modules in a row, with the states of those that stream under their number.

    Parameters
    ----------
    modules
        Streaming or pointwise modules.

    Examples
    --------
    >>> chain = Chain(Convolution(1, 4, 3), nn.Tanh(), Convolution(4, 1, 5))
    >>> {name: tuple(value.shape) for name, value in chain.initial_state().items()}
    {'0.past': (1, 1, 2), '2.past': (1, 4, 4)}
    """

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList(modules)

    @property
    def geometry(self) -> Geometry:
        """The convolutions in the order of the signal."""
        kinds = (Convolution, Upsampling)
        return Geometry(each.layer for each in self.modules() if isinstance(each, kinds))

    @override
    def initial_state(self, batch: int = 1) -> State:
        return {
            f"{number}.{name}": value
            for number, stage in enumerate(self.stages)
            if isinstance(stage, StreamingModule)
            for name, value in stage.initial_state(batch).items()
        }

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        following: State = {}
        for number, stage in enumerate(self.stages):
            if not isinstance(stage, StreamingModule):
                x = stage(x)
                continue
            prefix = f"{number}."
            own = {
                name.removeprefix(prefix): value
                for name, value in state.items()
                if name.startswith(prefix)
            }
            x, after = stage(x, own)
            following |= {prefix + name: value for name, value in after.items()}
        return x, following


def _start(conv: nn.Conv1d | nn.ConvTranspose1d, gain: float) -> None:
    """Split the weights into directions, which begin at random, and gains."""
    nn.init.trunc_normal_(conv.weight, std=DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    weight_norm(conv)
    parametrizations: Any = conv.parametrizations
    nn.init.constant_(parametrizations.weight.original0, gain)
