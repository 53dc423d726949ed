"""Statistics: histograms of durations that the audio thread counts into."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from rtaudio.runtime.words import (
    i64_at,
)

HISTOGRAM_SIZE = 64 * 40


@njit(nogil=True, forceinline=True, error_model="numpy")
def count_duration(histogram, value):  # type: ignore[no-untyped-def]
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
    return (mantissa + 0.5 * (exponent > 0)) * 2.0**exponent
