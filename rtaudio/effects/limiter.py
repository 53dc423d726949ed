"""Limiter: a ceiling that no sample passes.

::

    needed gain --> minimum of the last W --> slow release upward --> mean of the last W --> gain
    input ---------------------- delay of W - 1 samples -----------------------------------> times

A sliding minimum, a slow release and a sliding mean; all windows are as long as the delay. Every
value that enters the mean for an output sample has that sample's own needed gain in its
minimum, so the product cannot pass the ceiling. The mean is a running sum of integers: exact, so
that a gain of 1 stays exactly 1 for ever.

The minimum follows van Herk (1992): time is cut into segments of W; the minimum over any W
samples is that of the present segment so far, and that of the rest of the segment before it.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, i64_at, struct_at


class Limiter(Effect):
    """Reduce the gain ahead of peaks, so that no sample exceeds the ceiling.

    The signal is delayed by the look-ahead, during which the gain falls in a straight line to the
    value that the peak needs. Below the ceiling the output is the delayed input, bit by bit. All
    channels share one gain. The ceiling holds for samples, not for the curve between them ("true
    peak").

    Parameters
    ----------
    ceiling_db
        Largest magnitude of the output, -40 .. 0 dBFS. A change takes 20 ms and the look-ahead.
    lookahead_ms
        0.1 .. 20 ms, rounded to whole samples: the latency of the effect. Fixed while it plays.
    release_ms
        Time constant of the recovery, 1 .. 2000 ms.

    Examples
    --------
    >>> loud = 4.0 * np.sin(np.arange(4800, dtype=np.float32))
    >>> bool(abs(Limiter(ceiling_db=-6.0)(loud, 48000)).max() <= 10 ** (-6 / 20))
    True
    """

    ceiling_db: float = parameter(-1.0, -40.0, 0.0, "dB", "largest magnitude of the output")
    lookahead_ms: float = Field(
        1.5,
        ge=0.1,
        le=20.0,
        description="look-ahead, the latency",
        json_schema_extra={"unit": "ms"},
    )
    release_ms: float = parameter(80.0, 1.0, 2000.0, "ms", "time constant of the recovery")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append one node."""
        latency = max(1, round(self.lookahead_ms * builder.rate_hz / 1000.0))
        window = latency + 1
        node = Node(
            limit,
            latency_samples=latency,
            params=slots,
            work={
                "line": np.zeros((x.channels, window), np.float32),
                "needed": np.ones(window + 1, np.float32),
                "means": np.full(window, ONE, np.int64),
            },
            rate_hz=builder.rate_hz,
            ceiling=settled(from_db(slots["ceiling_db"])),
            ramp_samples=ramp_samples(builder.rate_hz),
            window=window,
            lowest=1.0,
            held=1.0,
            total=window * ONE,
        )
        return builder.run(node, x)


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
"""``position`` counts 0 .. window - 1 through a segment.
``line``: [channels][window] input. ``needed``: [window + 1] needed gains of this segment up to
``position``, then minima from there to the end of the segment before. ``means``: [window] values
of the running sum ``total``."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Limiter)


@kernel(STATE)
def limit(state, src, dst, frames):
    """Limit all channels by one gain."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    ramp = s.ceiling
    aim(ramp, from_db(p.ceiling_db), s.ramp_samples)
    release = 1.0 - math.exp(-1000.0 / (p.release_ms * s.rate_hz))
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
            # Rounded down, so that storing it as float32 cannot pass the ceiling.
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
