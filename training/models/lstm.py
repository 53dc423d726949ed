"""An amp as a long short-term memory on the waveform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from export.layers import Lstm
from training.models.recurrent import Conditioning, RecurrentAmp

__all__ = ["LstmAmp"]


class LstmAmp(RecurrentAmp):
    """LSTM of 1 to 3 layers on single samples; see `RecurrentAmp`.

    Parameters
    ----------
    hidden
        Units of each layer; the cost per sample grows with their square.
    layers
        Layers one behind the other.
    residual
        Add the input to the output, so that the net learns the difference.
    knobs
        Controls of the amp, at most four; see `training.models.conditioning.Knobs`.
    conditioning
        How knobs act: as further input channels, or by scaling the features (FiLM).

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

    kind = "lstm"
    # Forget gate 1 - 1/steps and input gate 1/steps: an average over that many samples.
    memory_gates = ((0, -1.0), (1, 1.0))

    def __init__(
        self,
        hidden: Annotated[int, Field(ge=1, le=512)],
        layers: Annotated[int, Field(ge=1, le=3)] = 1,
        residual: bool = True,
        knobs: Sequence[Mapping[str, Any]] = (),
        conditioning: Conditioning = "input",
    ) -> None:
        inputs = 1 + (len(knobs) if conditioning == "input" else 0)
        super().__init__(
            Lstm(inputs, hidden, layers=layers), residual=residual, knobs=knobs,
            conditioning=conditioning,
        )
