"""An amp as a recurrent net on the waveform."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from export.layers import Lstm
from export.streaming import State, StreamingModule

__all__ = ["LstmAmp"]

LONGEST_MEMORY = 500
"""Samples; 10 ms at 48 kHz."""


class LstmAmp(StreamingModule):
    """y = x + linear(LSTM(x)), one step per sample, no delay; silence in, silence out.

    Parameters
    ----------
    hidden
        Units of the LSTM; the cost per sample grows with its square.

    Notes
    -----
    Wright, Damskägg, Juvela, Välimäki: Real-Time Guitar Amplifier Emulation with Deep Learning,
    Applied Sciences 10(3), 766, 2020. Start of the gates: Tallec, Ollivier: Can Recurrent Neural
    Networks Warp Time?, ICLR 2018.

    Examples
    --------
    >>> net = LstmAmp(hidden=8)
    >>> sum(p.numel() for p in net.parameters())
    361
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.rnn = Lstm(1, hidden)
        self.head = nn.Linear(hidden, 1)
        self._spread_memory()
        self._rest_at_zero()

    @torch.no_grad()
    def _spread_memory(self) -> None:
        """Start with units that forget after 2 to 500 samples, evenly on a logarithmic scale.

        A loudspeaker rings for hundreds of samples. Units that all forget alike take ten times
        as many epochs to find that out.
        """
        steps = torch.logspace(math.log10(2), math.log10(LONGEST_MEMORY), self.hidden)
        bias = self.rnn.cell.get_parameter("bias_ih_l0")
        bias[: self.hidden] = -torch.log(steps - 1)
        bias[self.hidden : 2 * self.hidden] = torch.log(steps - 1)

    @torch.no_grad()
    def _rest_at_zero(self) -> None:
        """Hold the biases of the cell's input and of the head at zero.

        Silence then leaves the zero state as it is, and comes out as silence: no click when the
        model starts, no offset while nobody plays. The gates keep their biases, so the curve can
        still be lopsided.
        """
        for held in (self.head.bias, self.rnn.cell.get_parameter("bias_hh_l0")):
            held.zero_().requires_grad_(False)
        bias = self.rnn.cell.get_parameter("bias_ih_l0")
        trained = torch.ones_like(bias)
        trained[2 * self.hidden : 3 * self.hidden] = 0
        bias.mul_(trained)
        bias.register_hook(lambda gradient: gradient * trained)

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.rnn.initial_state(batch)

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        steps = x.permute(2, 0, 1)
        features, following = self.rnn(steps, state)
        return (self.head(features) + steps).permute(1, 2, 0), following

    def architecture(self) -> dict[str, Any]:
        """Sizes and the names of the weights in the graph (gates in the order i, o, f, c)."""
        return {
            "type": "lstm", "hidden": self.hidden, "layers": 1, "input": 1, "residual": True,
            "weights": {
                "W": "rnn.cell.W", "R": "rnn.cell.R", "B": "rnn.cell.B",
                "head_weight": "head.weight", "head_bias": "head.bias",
            },
            "head_weight_shape": [self.hidden, 1],
        }
