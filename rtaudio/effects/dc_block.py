"""DcBlock: takes a constant offset away."""

from __future__ import annotations

from rtaudio.effects.base import Effect, Slots
from rtaudio.runtime.builder import Builder, Bus
from rtaudio.runtime.kernels.dc_block import dc_block_node

CUTOFF_HZ = 5.0


class DcBlock(Effect):
    """High-pass at 5 Hz, first order, for behind a model whose output has an offset.

    A net may rest at a value other than zero, or leave it under load. That steals headroom, makes a
    limiter work and a bypass thump, and is not heard otherwise; neither is its removal: at 41 Hz,
    the lowest note of a bass, the level falls by 0.06 dB.

    Examples
    --------
    >>> out = DcBlock()(np.ones(48000, np.float32), 48000)
    >>> bool(abs(out[-1]) < 1e-6)
    True
    """

    def build(self, builder: Builder, x: Bus, params: Slots) -> Bus:
        """Append one node."""
        return builder.run(dc_block_node(CUTOFF_HZ, builder.rate_hz, x.channels), x)
