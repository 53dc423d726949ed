"""Base of `LstmAmp` and `GruAmp`: a recurrent net on the waveform, at rest in silence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from export.layers import Gru, Lstm
from export.streaming import State, StreamingModule
from training.models.conditioning import Conditioning, Knobs

__all__ = ["RecurrentAmp"]

LONGEST_MEMORY = 500
"""Samples; 10 ms at 48 kHz."""


class RecurrentAmp(StreamingModule):
    r"""y = head(rnn(x, knobs)) + x, one step per sample, no delay; silence in, silence out.

    ::

        x [batch, 1, n] --+--> rnn, layers --> (FiLM) --> head --(+)--> y [batch, 1, n]
                          |     ^                ^                |
        knobs 0..1 -------)-----+-- input  or  --+                |
                          +---------------------- residual -------+

    Knobs come in as constant input channels of the first layer, or scale each feature in front of
    the head (FiLM; Perez et al., AAAI 2018). Neither way do they move the state or the output of
    a silent net: they reach the gates but not the candidates, and FiLM does without its shift.

    Parameters
    ----------
    hidden
        Units of each layer; the cost per sample grows with their square.
    layers
        Number of layers.
    residual
        Add the input to the output, so that the net learns the difference.
    knobs
        Controls of the amp, at most four; see `training.models.conditioning.Knobs`.
    conditioning
        How knobs act: as further input channels, or by scaling the features (FiLM).

    Notes
    -----
    torch stacks the gates i, f, g, o (LSTM) and r, z, n (GRU): the third is the candidate in both.
    ``memory_gates`` are gates and the sign of their bias for a long memory.
    """

    cell_type: str
    layer: type[Lstm] | type[Gru]
    memory_gates: tuple[tuple[int, float], ...]

    def __init__(
        self,
        hidden: Annotated[int, Field(ge=1, le=512)],
        layers: Annotated[int, Field(ge=1, le=3)] = 1,
        residual: bool = True,
        knobs: Sequence[Mapping[str, Any]] = (),
        conditioning: Conditioning = "input",
    ) -> None:
        super().__init__()
        self.hidden = hidden
        self.residual = residual
        self.knobs = Knobs(knobs)
        self.controls = self.knobs.controls
        self.conditioning = conditioning
        inputs = 1 + (len(knobs) if conditioning == "input" else 0)
        self.rnn = self.layer(inputs, hidden, layers=layers)
        self.head = nn.Linear(self.hidden, 1)
        self.film: nn.Linear | None = None
        if self.controls and conditioning == "film":
            self.film = nn.Linear(len(knobs), self.hidden, bias=False)
            nn.init.zeros_(self.film.weight)
        self._spread_memory()
        self._rest_at_zero()

    @torch.no_grad()
    def _spread_memory(self) -> None:
        """Start with units that forget after 2 to 500 samples, evenly on a logarithmic scale.

        A loudspeaker rings for hundreds of samples. Units that all forget alike take ten times
        as many epochs to find that out.
        """
        steps = torch.logspace(math.log10(2), math.log10(LONGEST_MEMORY), self.hidden)
        for layer in range(self.rnn.cell.num_layers):
            bias = self.rnn.cell.get_parameter(f"bias_ih_l{layer}")
            for gate, sign in self.memory_gates:
                bias[gate * self.hidden : (gate + 1) * self.hidden] = sign * torch.log(steps - 1)

    @torch.no_grad()
    def _rest_at_zero(self) -> None:
        """Hold the biases of the candidates and of the head at zero, and knobs off the candidates.

        Silence then leaves the zero state as it is, and comes out as silence: no click when the
        model starts, no offset while nobody plays. The gates keep their biases, so the curve can
        still be lopsided.
        """
        self.head.bias.zero_().requires_grad_(False)
        cell, candidates = self.rnn.cell, slice(2 * self.hidden, 3 * self.hidden)
        for layer in range(cell.num_layers):
            cell.get_parameter(f"bias_hh_l{layer}").zero_().requires_grad_(False)
            _hold(cell.get_parameter(f"bias_ih_l{layer}"), (candidates,))
        if self.rnn.channels[0] > 1:
            _hold(cell.get_parameter("weight_ih_l0"), (candidates, slice(1, None)))

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.rnn.initial_state(batch)

    @override
    def forward(self, x: Tensor, state: State, knobs: Tensor | None = None) -> tuple[Tensor, State]:
        dry = x.permute(2, 0, 1)
        steps = dry
        settings = self.knobs(knobs) if knobs is not None else None
        if settings is not None and self.film is None:
            steps = torch.cat([dry, settings.expand(dry.shape[0], -1, -1)], dim=-1)
        features, following = self.rnn(steps, state)
        if settings is not None and self.film is not None:
            features = features * (1 + self.film(settings))
        y = self.head(features)
        return (y + dry if self.residual else y).permute(1, 2, 0), following

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes and the names of the weights in the graph, as ONNX keeps them.

        ``W``, ``R`` and ``B`` belong to the first layer, ``W_1``, ``R_1`` and ``B_1`` to the
        second, and so on; the gates are in ONNX's order. Columns of ``W`` after the first are
        the knobs as 0..1, in the order of the card's parameters.
        """
        names = [
            name + (f"_{layer}" if layer else "")
            for layer in range(self.rnn.cell.num_layers)
            for name in ("W", "R", "B")
        ]
        return {
            "type": self.cell_type if self.film is None else f"{self.cell_type}_film",
            "hidden": self.hidden,
            "layers": self.rnn.cell.num_layers,
            "input": self.rnn.channels[0],
            "residual": self.residual,
            "knobs": [knob.name for knob in self.controls],
            "weights": {
                **{name: f"rnn.cell.{name}" for name in names},
                "head_weight": "head.weight",
                "head_bias": "head.bias",
            },
        }


def _hold(parameter: nn.Parameter, part: tuple[slice, ...]) -> None:
    """Keep a part of a parameter at zero, whatever the training wants."""
    trained = torch.ones_like(parameter)
    trained[part] = 0
    parameter.mul_(trained)
    parameter.register_hook(lambda gradient: gradient * trained.to(gradient.device))
