"""Knobs of a net: from the natural units of a user to the 0..1 that a net computes with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from rtaudio.models.contract.card import ModelParameter

__all__ = ["MAX_KNOBS", "Conditioning", "Knobs"]

Conditioning = Literal["input", "film"]
"""How knobs act on a net: as further input channels, or by scaling its features (FiLM)."""

MAX_KNOBS = 4


class Knobs(nn.Module):
    """Map knobs to 0..1, each from its lowest to its highest value.

    Parameters
    ----------
    knobs
        One mapping per knob with the entries of `rtaudio.models.contract.card.ModelParameter`.

    Examples
    --------
    >>> knobs = Knobs([{"name": "gain", "min": -20.0, "max": 20.0, "default": 0.0}])
    >>> knobs(torch.tensor([[10.0]]))
    tensor([[0.7500]])
    """

    low: Tensor
    span: Tensor

    def __init__(self, knobs: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        if len(knobs) > MAX_KNOBS:
            raise ValueError(f"{len(knobs)} knobs; a net has at most {MAX_KNOBS}")
        self.controls = tuple(ModelParameter(**knob) for knob in knobs)
        low = torch.tensor([knob.min for knob in self.controls])
        high = torch.tensor([knob.max for knob in self.controls])
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("span", high - low, persistent=False)

    def __len__(self) -> int:
        return len(self.controls)

    @override
    def forward(self, values: Tensor) -> Tensor:
        scaled: Tensor = (values - self.low) / self.span
        return scaled
