"""Look-ahead limiter: sliding minimum, release, sliding mean; all windows as long as the delay.

::

    needed gain --> minimum of the last W --> slow release upward --> mean of the last W --> gain
    input ---------------------- delay of W - 1 samples -----------------------------------> times

Every value that enters the mean for an output sample has that sample's own needed gain in its
minimum, so the product cannot pass the ceiling. The mean is a running sum of integers: exact, so
that a gain of 1 stays exactly 1 for ever.

The minimum follows van Herk (1992): time is cut into segments of W; the minimum over any W
samples is that of the present segment so far, and that of the rest of the segment before it.
"""

from __future__ import annotations

import math

import numpy as np

from rtaudio.runtime.abi import kernel, state_dtype
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim
from rtaudio.runtime.words import address_of, f32_at, i64_at, struct_at

ONE = 1 << 40
"""Gain 1 in the integers of the running sum."""

STATE = state_dtype(
    ("rate_hz", "f8"),
    ("ceiling", RAMP),
    ("ramp_samples", "i8"),
    ("window", "i8"),
    ("position", "i8"),
    ("lowest", "f8"),
    ("held", "f8"),
    ("total", "i8"),
    ("line", "i8"),
    ("needed", "i8"),
    ("means", "i8"),
)
"""``params``: ceiling dB, release ms. ``position`` counts 0 .. window - 1 through a segment.
``line``: [channels][window] input. ``needed``: [window + 1] needed gains of this segment up to
``position``, then minima from there to the end of the segment before. ``means``: [window] values
of the running sum ``total``."""

_state_at = struct_at(STATE)


@kernel(STATE)
def limiter(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Limit all channels by one gain."""
    s = _state_at(address_of(state))
    params = f32_at(s.params)
    ramp = s.ceiling
    aim(ramp, 10.0 ** (params[0] / 20.0), s.ramp_samples)
    release = 1.0 - math.exp(-1000.0 / (params[1] * s.rate_hz))
    line, needed, means = f32_at(s.line), f32_at(s.needed), i64_at(s.means)
    channels, stride, window = s.channels, s.stride, s.window
    position, lowest, held, total = s.position, s.lowest, s.held, s.total
    whole = float(window) * ONE
    ceiling = ramp.value
    moving = ramp.left > 0
    for i in range(frames):
        if moving:
            ceiling = advance(ramp)
        level = abs(src[i])
        for channel in range(1, channels):
            level = max(level, abs(src[channel * stride + i]))
        gain = 1.0
        if level > ceiling:
            # rounded down, so that storing it as float32 cannot pass the ceiling
            gain = float(ceiling) / level * (1.0 - 1e-7)
        needed[position] = gain
        lowest = min(lowest, float(needed[position]))
        least = min(lowest, float(needed[position + 1]))
        held = least if least < held else held + release * (least - held)
        rounded = np.int64(held * ONE)
        total += rounded - means[position]
        means[position] = rounded
        mean = total / whole
        after = position + 1
        if after == window:
            after = 0
            lowest = 1.0
            for k in range(window - 2, -1, -1):
                needed[k] = min(needed[k], needed[k + 1])
        for channel in range(channels):
            at = channel * window
            line[at + position] = src[channel * stride + i]
            dst[channel * stride + i] = line[at + after] * mean
        position = after
    s.position, s.lowest, s.held, s.total = position, lowest, held, total
    return 0
