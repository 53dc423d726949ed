"""Write an effect of your own in one file: a ring modulator.

The kernel is Python that numba compiles; it runs on the audio thread and must not allocate, lock
or raise. The class declares the parameters. Mix, bypass, ramps of the mix, the guard against NaN
and live control come with the base class.

    python examples/own_effect.py
"""

from __future__ import annotations

import math

import numpy as np

import rtaudio as rt
from rtaudio.effects.base import parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, struct_at


class Ring(rt.Effect):
    """Multiply by a sine: bells and robots."""

    frequency_hz: float = parameter(440.0, 1.0, 5000.0, "Hz", "frequency of the sine")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        return builder.run(Node(multiply, params=slots, rate_hz=builder.rate_hz), x)


STATE = state_dtype(("rate_hz", "f8"), ("phase", "f8"))  # a reset brings back the start values
_state_at, _slots_at = struct_at(STATE), slots_at(Ring)


@kernel(STATE)
def multiply(state: int, src: Floats, dst: Floats, frames: int) -> int:
    """Multiply every channel by one sine."""
    s = _state_at(address_of(state))
    turn = 2.0 * math.pi * _slots_at(s.params).frequency_hz / s.rate_hz
    for i in range(frames):
        for channel in range(s.channels):
            at = channel * s.stride + i
            dst[at] = src[at] * math.sin(s.phase)
        s.phase = (s.phase + turn) % (2.0 * math.pi)
    return 0


if __name__ == "__main__":
    wet = rt.Chain(Ring(1000.0))(np.ones(48000, np.float32), 48000)
    loudest = np.argmax(np.abs(np.fft.rfft(wet)))
    print(f"a constant became a sine of {loudest} Hz")
