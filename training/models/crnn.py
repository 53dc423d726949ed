"""Convolutions, one recurrent layer and a linear head on the stereo waveform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.layers import CausalConv1d, Lstm
from export.streaming import State, StreamingModule

__all__ = ["Crnn"]

KERNEL = 3


class Crnn(StreamingModule):
    r"""y = head(lstm(relu(convolutions(x)))) [+ x], at the full sample rate, without delay.

    ::

        x [batch, 2, n] -> conv 16 -> conv 32 -> conv 128 -> LSTM 64 -> linear -(+)-> y
                       \_________________________ residual _____________________/

    The bidirectional form reads the whole file, in both directions, with centred convolutions. It
    can be trained and compared, but not exported.

    Parameters
    ----------
    widths
        Channels of the convolutions, each of 3 taps and a ReLU.
    hidden
        Units of the recurrent layer, in each direction.
    bidirectional
        Whether it reads the sound backwards, too.
    residual
        Add the input, so that the net learns the difference; it starts as a wire.

    Examples
    --------
    >>> sum(weight.numel() for weight in Crnn().parameters())
    63890
    >>> sum(weight.numel() for weight in Crnn(bidirectional=True).parameters())
    113682
    """

    channels = (2, 2)

    def __init__(
        self,
        widths: Annotated[Sequence[int], Field(min_length=1, max_length=8)] = (16, 32, 128),
        hidden: Annotated[int, Field(ge=1, le=512)] = 64,
        bidirectional: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.hidden = hidden
        self.bidirectional = bidirectional
        self.residual = residual
        inputs = (self.channels[0], *self.widths[:-1])
        self.convolutions = nn.ModuleList(
            CausalConv1d(a, b, KERNEL) for a, b in zip(inputs, self.widths, strict=True)
        )
        if bidirectional:
            self.both_ways = nn.LSTM(self.widths[-1], hidden, bidirectional=True)
        else:
            self.lstm = Lstm(self.widths[-1], hidden)
        self.head = nn.Linear(2 * hidden if bidirectional else hidden, self.channels[1])
        if residual:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    @override
    def initial_state(self, batch: int = 1) -> State:
        if self.bidirectional:
            return {}
        pasts = {
            f"past.{n}": layer.initial_state(batch)["past"] for n, layer in enumerate(self._layers)
        }
        return pasts | self.lstm.initial_state(batch)

    @property
    def _layers(self) -> list[CausalConv1d]:
        return [layer for layer in self.convolutions if isinstance(layer, CausalConv1d)]

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        y, following = x, State()
        for n, layer in enumerate(self._layers):
            if self.bidirectional:
                y = layer.conv(functional.pad(y, (KERNEL // 2, KERNEL // 2)))
            else:
                y, after = layer(y, {"past": state[f"past.{n}"]})
                following[f"past.{n}"] = after["past"]
            y = torch.relu(y)
        steps = y.permute(2, 0, 1)
        if self.bidirectional:
            features, _ = self.both_ways(steps)
        else:
            features, after = self.lstm(steps, {"h": state["h"], "c": state["c"]})
            following |= after
        y = self.head(features).permute(1, 2, 0)
        return (y + x if self.residual else y), following

    @override
    def architecture(self) -> dict[str, Any]:
        return {
            "type": "crnn",
            "widths": list(self.widths),
            "hidden": self.hidden,
            "residual": self.residual,
        }
