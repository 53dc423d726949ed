"""Gain: louder or softer."""

from __future__ import annotations

from rtaudio.effects.base import Effect, parameter
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.gain import gain_node
from rtaudio.runtime.slots import Slots


class Gain(Effect):
    """Multiply by a constant.

    Parameters
    ----------
    gain_db
        -80 .. 40 dB. A change is a 20 ms ramp of the linear factor.

    Examples
    --------
    >>> Gain(gain_db=-6.0)(np.ones(4, np.float32), 48000).round(3)
    array([0.501, 0.501, 0.501, 0.501], dtype=float32)
    """

    gain_db: float = parameter(0.0, -80.0, 40.0, "dB", "level change")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        return builder.run(gain_node(slots.slot("gain_db"), builder.rate_hz), x)
