"""DcBlock: removes a constant offset."""

from __future__ import annotations

import math

import numpy as np

from rtaudio.effects.base import Effect
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f64_at, struct_at

CUTOFF_HZ = 5.0


class DcBlock(Effect):
    """High-pass at 5 Hz, first order, to follow a model whose output has an offset.

    A net may rest at a value other than zero, or drift from zero under load. An offset costs
    headroom, makes a limiter work and a bypass thump. It is inaudible otherwise, and so is its
    removal: at 41 Hz, the lowest note of a bass, the level falls by 0.06 dB.

    Examples
    --------
    >>> out = DcBlock()(np.ones(48000, np.float32), 48000)
    >>> bool(abs(out[-1]) < 1e-6)
    True
    """

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node: a Butterworth high-pass of the first order (bilinear transform)."""
        k = math.tan(math.pi * CUTOFF_HZ / builder.rate_hz)
        node = Node(
            high_pass,
            work={"z": np.zeros((x.channels, 2))},
            gain=1.0 / (1.0 + k),
            pole=(1.0 - k) / (1.0 + k),
        )
        return builder.run(node, x)


STATE = state_dtype(("gain", "f8"), ("pole", "f8"), ("z", "i8"))
"""``z``: [channels][2] float64, the last input and the last output."""

_state_at = struct_at(STATE)


@kernel(STATE)
def high_pass(state, src, dst, frames):
    """Filter every channel."""
    s = _state_at(address_of(state))
    gain, pole = s.gain, s.pole
    for channel in range(s.channels):
        at = channel * s.stride
        z = f64_at(s.z + 16 * channel)
        last, y = z[0], z[1]
        for i in range(frames):
            x = float(src[at + i])
            y = gain * (x - last) + pole * y
            last = x
            dst[at + i] = y
        z[0], z[1] = last, y
    return 0
