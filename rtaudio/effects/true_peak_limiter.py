"""TruePeakLimiter: a ceiling that the curve through the samples does not pass either.

::

    true peak --> needed gain --> minimum --> release --> mean --> gain       twice, one after the
    input ------------------------ delay ------------------------> times      other: see below

The minimum reaches half a filter of the meter beyond a peak on both sides, so that the gain around
a peak that stands alone is constant as far as its curve depends on samples. Where peaks are so
dense that the gain moves inside that reach, the product may pass the ceiling a little: a second,
quick limiter, of the same kind, measures the result and corrects what is left.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.jit import helper
from rtaudio.runtime.kernels.lookahead import (
    LOOKAHEAD,
    least,
    lookahead_fields,
    lookahead_work,
    mean,
)
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.kernels.true_peak import (
    CHUNK,
    DELAY,
    PHASES,
    TAPS,
    raise_to_peaks,
    true_peak_taps,
)
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, copy_bytes, f32_at, fill_bytes, struct_at

REACH = TAPS // 2
"""Samples on either side of a peak that share its gain."""

SECOND_WINDOW = 32
SECOND_RELEASE_MS = 20.0

MARGIN_DB = 0.15
"""How far below the ceiling both limiters aim, for what the meter and the second one leave."""

LASTING = 10.0
"""Reduction that lasts recovers this many times more slowly than that of a short peak."""


class TruePeakLimiter(Effect):
    """Reduce the gain ahead of peaks, so that the true peak does not exceed the ceiling.

    True peak is the largest magnitude of the curve through the samples, which players and codecs
    reconstruct (ITU-R BS.1770-5, annex 2). All channels share one gain. Below the ceiling the
    output is the delayed input, bit by bit. The latency is the look-ahead and 94 samples: 3.5 ms at
    48 kHz.

    Parameters
    ----------
    ceiling_db
        Largest true peak of the output, -40 .. 0 dBTP. A change takes 20 ms and the latency.
    lookahead_ms
        Time in which the gain falls to what a peak needs, 0.5 .. 2.5 ms. Fixed while it plays.
    release_ms
        Time constant of the recovery from a short peak, 1 .. 1000 ms. The longer the reduction has
        lasted, the slower it recovers, down to a tenth of this speed.

    See Also
    --------
    Limiter : less late, for samples only

    Examples
    --------
    >>> loud = np.sin(np.pi / 2 * np.arange(4800) + np.pi / 4)        # peaks between the samples
    >>> out = TruePeakLimiter(ceiling_db=-6.0)(loud, 48000)
    >>> bool(abs(out[2000:]).max() <= 10 ** (-9 / 20))
    True
    """

    ceiling_db: float = parameter(-1.0, -40.0, 0.0, "dB", "largest true peak of the output")
    lookahead_ms: float = Field(
        1.5,
        ge=0.5,
        le=2.5,
        description="time in which the gain falls",
        json_schema_extra={"unit": "ms"},
    )
    release_ms: float = parameter(60.0, 1.0, 1000.0, "ms", "recovery from a short peak")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the limiter, and the one that corrects what it leaves."""
        window = max(1, round(self.lookahead_ms * builder.rate_hz / 1000.0))
        x = builder.run(_node(builder.rate_hz, x.channels, slots, window, 0.0), x)
        second = _node(builder.rate_hz, x.channels, slots, SECOND_WINDOW, SECOND_RELEASE_MS)
        return builder.run(second, x)


def _node(rate_hz: int, channels: int, slots: Slots, window: int, release_ms: float) -> Node:
    """Return one limiter; with ``release_ms`` 0 the release is that of the slots."""
    span = window + 2 * REACH
    latency = DELAY + window - 1 + REACH
    return Node(
        limit,
        latency_samples=latency,
        params=slots,
        work={
            "input": np.zeros((channels, TAPS - 1 + CHUNK), np.float32),
            "curve": np.zeros((channels, PHASES, 1 + CHUNK), np.float32),
            "levels": np.zeros(CHUNK, np.float32),
            "line": np.zeros((channels, latency), np.float32),
            **lookahead_work(span, window),
        },
        constants={"taps": true_peak_taps()},
        rate_hz=rate_hz,
        ceiling=settled(from_db(slots["ceiling_db"] - MARGIN_DB)),
        ramp_samples=ramp_samples(rate_hz),
        delay=latency,
        release_ms=release_ms,
        usual=1.0,
        **lookahead_fields(span, window),
    )


STATE = state_dtype(
    ("rate_hz", "f8"),
    ("ceiling", RAMP),
    ("ramp_samples", "i8"),
    ("release_ms", "f8"),
    ("usual", "f8"),
    ("delay", "i8"),
    ("oldest", "i8"),
    *LOOKAHEAD,
    ("input", "i8"),
    ("curve", "i8"),
    ("levels", "i8"),
    ("taps", "i8"),
    ("line", "i8"),
)
"""``usual``: slow mean of the needed gain. ``input``, ``curve``, ``levels``, ``taps``: of the true
peak. ``line``: [channels][delay], the oldest sample at ``oldest``."""

_state_at = struct_at(STATE)
_slots_at = slots_at(TruePeakLimiter)

_WIRE = 1.0 - 1e-9
"""A gain from here on is 1: an exponential recovery never ends."""


@helper
def _peaks(s, src, count):
    """Write the true peak of the loudest channel around each sample to ``levels``."""
    fill_bytes(s.levels, 0, 4 * count)
    row = 4 * (TAPS - 1 + CHUNK)
    for channel in range(s.channels):
        line = s.input + row * channel
        copy_bytes(line + 4 * (TAPS - 1), src + 4 * channel * s.stride, 4 * count)
        curve = s.curve + 4 * PHASES * (1 + CHUNK) * channel
        raise_to_peaks(line, s.taps, curve, s.levels, count)
        past = f32_at(line)
        for i in range(TAPS - 1):
            past[i] = past[count + i]


@kernel(STATE)
def limit(state, src, dst, frames):
    """Limit all channels by one gain."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    aim(s.ceiling, from_db(p.ceiling_db - MARGIN_DB), s.ramp_samples)
    own = s.release_ms > 0.0
    release_ms = s.release_ms if own else float(p.release_ms)
    release = 1.0 - math.exp(-1000.0 / (release_ms * s.rate_hz))
    lasting = 0.0 if own else 1.0 - math.exp(-1000.0 / (LASTING * release_ms * s.rate_hz))
    levels, line = f32_at(s.levels), f32_at(s.line)
    channels, stride, delay = s.channels, s.stride, s.delay
    done = 0
    while done < frames:
        count = min(frames - done, CHUNK)
        _peaks(s, address_of(src) + 4 * done, count)
        for i in range(done, done + count):
            ceiling = float(advance(s.ceiling))
            level = float(levels[i - done])
            lowest = least(s, ceiling / level if level > ceiling else 1.0)
            s.usual += lasting * (lowest - s.usual)
            if s.usual > _WIRE:
                s.usual = 1.0
            if lowest < s.held:
                s.held = lowest
            else:
                s.held += release * max(0.0, min(lowest, s.usual) - s.held)
                if s.held > _WIRE:
                    s.held = 1.0
            gain = mean(s)
            for channel in range(channels):
                at = channel * delay + s.oldest
                delayed = line[at]
                line[at] = src[channel * stride + i]
                dst[channel * stride + i] = delayed * gain
            s.oldest = s.oldest + 1 if s.oldest + 1 < delay else 0
        done += count
    return 0
