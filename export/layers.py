"""The stateful layers of streaming nets.

Convolutions take (batch, channels, samples). Recurrent layers take (samples, batch, channels), the
order in which their kernels run. All start from zeros and are causal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from export.streaming import State, StreamingModule

__all__ = ["CausalConv1d", "CausalConvTranspose1d", "Gru", "Lstm"]


class CausalConv1d(StreamingModule):
    r"""Dilated or strided convolution that remembers the end of the last block.

    With ``past = (kernel - 1) * dilation + 1 - stride`` the state holds the samples before the
    block, whose length is a multiple of the stride::

        state.past [batch, in, past] | x [batch, in, n * stride]
        \______________________________________________________/
           convolution without padding -> y [batch, out, n];  next.past = its last samples

    Parameters
    ----------
    in_channels, out_channels
        Channels.
    kernel
        Number of taps.
    stride
        Input samples per output sample.
    dilation
        Distance between taps, in samples.
    groups, bias
        As in `torch.nn.Conv1d`.

    Raises
    ------
    ValueError
        The taps span less than the stride.

    Examples
    --------
    >>> layer = CausalConv1d(1, 4, kernel=3, dilation=8)
    >>> y, state = layer(torch.zeros(1, 1, 5), layer.initial_state())
    >>> tuple(y.shape), tuple(state["past"].shape)
    ((1, 4, 5), (1, 1, 16))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.channels = (in_channels, out_channels)
        self.past = (kernel - 1) * dilation + 1 - stride
        if self.past < 0:
            raise ValueError(f"kernel {kernel} < stride {stride} skips samples; use a longer one")
        self.conv = nn.Conv1d(
            in_channels,
            out_channels,
            kernel,
            stride,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )

    @override
    def initial_state(self, batch: int = 1) -> State:
        if self.past == 0:
            return {}
        weight = next(self.parameters())
        return {"past": weight.new_zeros(batch, self.channels[0], self.past)}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        if self.past == 0:
            return self.conv(x), {}
        seen = torch.cat([state["past"], x], dim=-1)
        return self.conv(seen), {"past": seen[..., -self.past :]}


class CausalConvTranspose1d(StreamingModule):
    """Upsampling convolution that adds the overlap of its last block to the next one.

    n samples in make ``n * stride`` out. Each input sample spreads over ``kernel`` >= ``stride``
    samples, so ``kernel - stride`` unfinished samples stay in ``state.tail``.

    Parameters
    ----------
    in_channels, out_channels
        Channels.
    kernel
        Number of taps, at the output's rate.
    stride
        Output samples per input sample.
    bias
        Whether a learnt constant is added to each channel.

    Raises
    ------
    ValueError
        The kernel is shorter than the stride.

    Examples
    --------
    >>> layer = CausalConvTranspose1d(2, 1, kernel=4, stride=2)
    >>> y, state = layer(torch.zeros(1, 2, 5), layer.initial_state())
    >>> tuple(y.shape), tuple(state["tail"].shape)
    ((1, 1, 10), (1, 1, 2))
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, *, bias: bool = True
    ) -> None:
        super().__init__()
        if kernel < stride:
            raise ValueError(f"kernel {kernel} < stride {stride} leaves gaps; use a longer kernel")
        self.channels = (in_channels, out_channels)
        self.stride = stride
        self.tail = kernel - stride
        self.conv = nn.ConvTranspose1d(in_channels, out_channels, kernel, stride, bias=False)
        # Not in the convolution, as overlapping sums would count it twice.
        self.bias = nn.Parameter(torch.zeros(out_channels, 1)) if bias else None

    @override
    def initial_state(self, batch: int = 1) -> State:
        if self.tail == 0:
            return {}
        weight = next(self.parameters())
        return {"tail": weight.new_zeros(batch, self.channels[1], self.tail)}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        spread = self.conv(x)
        following: State = {}
        if self.tail:
            rest = spread[..., self.tail :]
            spread = torch.cat([spread[..., : self.tail] + state["tail"], rest], dim=-1)
            following = {"tail": spread[..., -self.tail :]}
            spread = spread[..., : -self.tail]
        return (spread if self.bias is None else spread + self.bias), following


class Lstm(StreamingModule):
    """Long short-term memory; state ``h`` and ``c``, each (layers, batch, hidden).

    Parameters
    ----------
    in_channels, hidden
        Channels in and out.
    layers
        Number of layers, one after the other.
    """

    def __init__(self, in_channels: int, hidden: int, *, layers: int = 1) -> None:
        super().__init__()
        self.channels = (in_channels, hidden)
        self.cell = nn.LSTM(in_channels, hidden, layers)

    @override
    def initial_state(self, batch: int = 1) -> State:
        weight = next(self.parameters())
        zeros = weight.new_zeros(self.cell.num_layers, batch, self.channels[1])
        return {"h": zeros, "c": zeros.clone()}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, (h, c) = self.cell(x, (state["h"], state["c"]))
        return y, {"h": h, "c": c}


class Gru(StreamingModule):
    """Gated recurrent unit; state ``h`` (layers, batch, hidden).

    Parameters
    ----------
    in_channels, hidden
        Channels in and out.
    layers
        Number of layers, one after the other.
    """

    def __init__(self, in_channels: int, hidden: int, *, layers: int = 1) -> None:
        super().__init__()
        self.channels = (in_channels, hidden)
        self.cell = nn.GRU(in_channels, hidden, layers)

    @override
    def initial_state(self, batch: int = 1) -> State:
        weight = next(self.parameters())
        return {"h": weight.new_zeros(self.cell.num_layers, batch, self.channels[1])}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, h = self.cell(x, state["h"])
        return y, {"h": h}
