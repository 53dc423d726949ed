"""An amp as a long short-term memory on the waveform."""

from __future__ import annotations

from export.layers import Lstm
from training.models.recurrent import RecurrentAmp

__all__ = ["LstmAmp"]


class LstmAmp(RecurrentAmp):
    """LSTM of 1 to 3 layers on single samples; parameters as of `RecurrentAmp`.

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

    cell_type = "lstm"
    layer = Lstm
    # Forget gate 1 - 1/steps and input gate 1/steps: an average over that many samples.
    memory_gates = ((0, -1.0), (1, 1.0))
