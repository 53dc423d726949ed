"""An amp as a gated recurrent unit on the waveform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from export.layers import Gru
from training.models.recurrent import Conditioning, RecurrentAmp

__all__ = ["GruAmp"]


class GruAmp(RecurrentAmp):
    """GRU of 1 to 3 layers on single samples; three quarters of the cost of an LSTM.

    Parameters as of `training.models.lstm.LstmAmp`.

    Notes
    -----
    Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014, in the form
    of torch (the reset gate acts on the recurrent product).

    Examples
    --------
    >>> net = GruAmp(hidden=8)
    >>> sum(p.numel() for p in net.parameters())
    273
    """

    kind = "gru"
    # The update gate is the share of the past that stays.
    memory_gates = ((1, 1.0),)

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
            Gru(inputs, hidden, layers=layers), residual=residual, knobs=knobs,
            conditioning=conditioning,
        )
