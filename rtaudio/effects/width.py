"""Width: the difference of left and right, louder or softer, by frequency.

::

    side = (left - right) / 2 --> low cut --+--> below split --> * low width --+--> new side
                                            +--> above split --> * high width -+

Below and above the split are complementary: a state-variable high-pass, and the rest.
"""

from __future__ import annotations

import math

import numpy as np

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, copy_bytes, f64_at, struct_at

MONO_OFF_HZ = 10.0
_DAMPING = math.sqrt(2.0)


class Width(Effect):
    """Make the stereo image narrower or wider, and the bass mono.

    Only the difference of the two channels is changed, never their sum: what is heard in mono
    stays. Both filters fall by 12 dB per octave. There is no latency; with all widths at 1 and
    ``mono_hz`` off the output is the input, bit by bit. Anything but stereo passes as it is.

    Parameters
    ----------
    mono_hz
        Below this frequency the sound is mono, 10 (off) .. 500 Hz.
    low_width, high_width
        Level of the difference below and above the split: 0 is mono, 1 as it was, 2 twice as wide.
    split_hz
        Where low ends and high begins, 200 .. 10000 Hz.

    Examples
    --------
    >>> left_only = np.float32([[1, 1, 1], [0, 0, 0]])
    >>> Width(low_width=0.0, high_width=0.0)(left_only, 48000)[1]
    array([0.5, 0.5, 0.5], dtype=float32)
    """

    mono_hz: float = parameter(MONO_OFF_HZ, MONO_OFF_HZ, 500.0, "Hz", "mono below; 10 is off")
    low_width: float = parameter(1.0, 0.0, 2.0, "", "width below the split; 0 mono, 1 as it was")
    high_width: float = parameter(1.0, 0.0, 2.0, "", "width above the split")
    split_hz: float = parameter(2000.0, 200.0, 10000.0, "Hz", "where low ends and high begins")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        node = Node(
            widen,
            params=slots,
            work={"z": np.zeros(4)},
            rate_hz=builder.rate_hz,
            ramp_samples=ramp_samples(builder.rate_hz),
            mono=settled(math.log2(slots["mono_hz"])),
            cut=settled(float(slots["mono_hz"] > MONO_OFF_HZ)),
            split=settled(math.log2(slots["split_hz"])),
            low=settled(slots["low_width"]),
            high=settled(slots["high_width"]),
        )
        return builder.run(node, x)


STATE = state_dtype(
    ("rate_hz", "f8"),
    ("ramp_samples", "i8"),
    ("mono", RAMP),
    ("cut", RAMP),
    ("split", RAMP),
    ("low", RAMP),
    ("high", RAMP),
    ("z", "i8"),
)
"""``mono``, ``split``: log2 of Hz. ``cut``: 1 if the bass is mono, 0 if not. ``z``: memories of the
low cut and of the split."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Width)


@kernel(STATE)
def widen(state, src, dst, frames):
    """Add the change of the side to the left, and take it from the right."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    samples = s.ramp_samples
    # float64 before the logarithm: compiled and interpreted, the goals must agree to the last bit
    aim(s.mono, math.log2(float(p.mono_hz)), samples)
    aim(s.cut, 1.0 if p.mono_hz > MONO_OFF_HZ else 0.0, samples)
    aim(s.split, math.log2(float(p.split_hz)), samples)
    aim(s.low, p.low_width, samples)
    aim(s.high, p.high_width, samples)
    if s.channels != 2:
        for channel in range(s.channels):
            at = 4 * channel * s.stride
            copy_bytes(address_of(dst) + at, address_of(src) + at, 4 * frames)
        return 0
    z = f64_at(s.z)
    right = s.stride
    moving = True
    for i in range(frames):
        if moving:
            g_cut = math.tan(math.pi * 2.0 ** advance(s.mono) / s.rate_hz)
            g = math.tan(math.pi * min(2.0 ** advance(s.split), 0.45 * s.rate_hz) / s.rate_hz)
            cut = float(advance(s.cut))
            low, high = float(advance(s.low)), float(advance(s.high))
            moving = s.mono.left + s.cut.left + s.split.left + s.low.left + s.high.left > 0
        side = 0.5 * (float(src[i]) - float(src[right + i]))
        passed = (side - (_DAMPING + g_cut) * z[0] - z[1]) / (1.0 + g_cut * (g_cut + _DAMPING))
        band = z[0] + g_cut * passed
        z[1] += 2.0 * g_cut * band
        z[0] += 2.0 * g_cut * passed
        kept = side + cut * (passed - side)
        above = (kept - (_DAMPING + g) * z[2] - z[3]) / (1.0 + g * (g + _DAMPING))
        band = z[2] + g * above
        z[3] += 2.0 * g * band
        z[2] += 2.0 * g * above
        change = (kept - side) + (low - 1.0) * (kept - above) + (high - 1.0) * above
        dst[i] = src[i] + change
        dst[right + i] = src[right + i] - change
    return 0
