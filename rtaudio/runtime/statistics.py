"""Statistics: the counters of the audio thread, and a snapshot of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rtaudio.runtime.jit import inlined
from rtaudio.runtime.words import i64_at

HISTOGRAM_SIZE = 64 * 40


@inlined
def count_duration(histogram, value):
    """Count a duration in ns: 64 buckets per octave, so a percentile is exact to 1.6 %."""
    exponent = 0
    while value >> exponent >= 128:
        exponent += 1
    bucket = min(HISTOGRAM_SIZE - 1, exponent * 64 + (value >> exponent))
    i64_at(histogram)[bucket] += 1


def histogram_values_ns() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the middle of every histogram bucket in nanoseconds."""
    index = np.arange(HISTOGRAM_SIZE)
    exponent = np.maximum(0, index // 64 - 1)
    mantissa = index - 64 * exponent
    return np.asarray((mantissa + 0.5 * (exponent > 0)) * 2.0**exponent)


@dataclass(frozen=True)
class Histogram:
    """Durations counted by size; see `histogram_values_ns` for the middle of each bucket.

    Attributes
    ----------
    counts
        int64 ``[HISTOGRAM_SIZE]``.
    max_ns
        The longest duration, exactly.
    """

    counts: np.ndarray[Any, np.dtype[np.int64]]
    max_ns: int


@dataclass(frozen=True)
class Snapshot:
    """The counters of a callback at one moment.

    Attributes
    ----------
    blocks, frames
        Callbacks, and audio frames in them.
    missed
        Callbacks that overran their block or that the device flagged.
    flags
        How often the device raised each of its flags, by name.
    load
        Share of the time spent in the callback, 0 to 1.
    realtime
        Whether the audio thread runs with real-time priority.
    durations, gaps
        Of callbacks, and from one to the next.
    in_peak, out_peak
        Largest magnitude per channel since the peaks were last reset.
    in_power, out_power
        Sum of the squares of all samples so far, per channel.
    clipped
        Input samples at full scale, per channel.
    source_position
        How many frames of the source have been played.
    source_missing
        Frames of silence because the source had nothing ready.
    """

    blocks: int
    frames: int
    missed: int
    flags: dict[str, int]
    load: float
    realtime: bool
    durations: Histogram
    gaps: Histogram
    in_peak: tuple[float, ...]
    out_peak: tuple[float, ...]
    in_power: tuple[float, ...]
    out_power: tuple[float, ...]
    clipped: tuple[int, ...]
    source_position: int
    source_missing: int
