"""Limiter: a ceiling that no sample passes.

::

    needed gain --> minimum of the last W --> slow release upward --> mean of the last W --> gain
    input ---------------------- delay of W - 1 samples -----------------------------------> times

Minimum and mean are as long as the delay: see `rtaudio.runtime.kernels.lookahead`.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.lookahead import (
    LOOKAHEAD,
    least,
    lookahead_fields,
    lookahead_work,
    mean,
)
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, struct_at


class Limiter(Effect):
    """Reduce the gain ahead of peaks, so that no sample exceeds the ceiling.

    The signal is delayed by the look-ahead, during which the gain falls in a straight line to the
    value that the peak needs. Below the ceiling the output is the delayed input, bit by bit. All
    channels share one gain. The ceiling is that of the samples, at the least delay: for playing an
    instrument. The curve between the samples may exceed it by up to 3 dB; what is published or
    broadcast ends with a :class:`~rtaudio.TruePeakLimiter`.

    See Also
    --------
    TruePeakLimiter : its ceiling holds between the samples, too

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
                **lookahead_work(window, window),
            },
            rate_hz=builder.rate_hz,
            ceiling=settled(from_db(slots["ceiling_db"])),
            ramp_samples=ramp_samples(builder.rate_hz),
            **lookahead_fields(window, window),
        )
        return builder.run(node, x)


STATE = state_dtype(
    ("rate_hz", "f8"),
    ("ceiling", RAMP),
    ("ramp_samples", "i8"),
    *LOOKAHEAD,
    ("line", "i8"),
)
"""``line``: [channels][window] input."""

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
    line = f32_at(s.line)
    channels, stride, window = s.channels, s.stride, s.window
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
        lowest = least(s, gain)
        s.held = lowest if lowest < s.held else s.held + release * (lowest - s.held)
        newest = s.position
        gain = mean(s)
        for channel in range(channels):
            at = channel * window
            line[at + newest] = src[channel * stride + i]
            dst[channel * stride + i] = line[at + s.position] * gain
    return 0
