"""An amp as a gated recurrent unit on the waveform."""

from __future__ import annotations

from export.layers import Gru
from training.models.recurrent import RecurrentAmp

__all__ = ["GruAmp"]


class GruAmp(RecurrentAmp):
    """GRU of 1 to 3 layers on single samples; three quarters of the cost of an LSTM.

    Parameters as of `RecurrentAmp`.

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

    cell_type = "gru"
    layer = Gru
    # The update gate is the share of the past that stays.
    memory_gates = ((1, 1.0),)
