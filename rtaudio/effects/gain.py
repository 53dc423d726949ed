"""Gain: louder or softer."""

from __future__ import annotations

from rtaudio.effects.base import Effect, Slots, parameter
from rtaudio.runtime.abi import Node
from rtaudio.runtime.builder import Builder, Bus
from rtaudio.runtime.kernels import gain as kernels
from rtaudio.runtime.kernels.ramp import ramp_samples, settled


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

    def build(self, builder: Builder, x: Bus, params: Slots) -> Bus:
        """Append one gain node."""
        node = Node(
            kernels.gain,
            params=params,
            gain=settled(10.0 ** (float(params[0]) / 20.0)),
            ramp_samples=ramp_samples(builder.rate_hz),
        )
        return builder.run(node, x)
