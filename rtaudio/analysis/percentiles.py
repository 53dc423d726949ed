"""Percentiles of a histogram of durations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Percentiles:
    """Median, tails and maximum of a duration, in microseconds."""

    p50: float = 0.0
    p99: float = 0.0
    p99_9: float = 0.0
    max: float = 0.0

    @classmethod
    def of_histogram(
        cls, counts: np.ndarray[Any, Any], values_ns: np.ndarray[Any, Any], max_ns: int
    ) -> Percentiles:
        """Compute the percentiles of a histogram.

        Parameters
        ----------
        counts
            Number of durations per bucket, [buckets].
        values_ns
            Middle of each bucket in nanoseconds, [buckets].
        max_ns
            The longest duration, in nanoseconds.
        """
        total = counts.sum()
        if total == 0:
            return cls()
        cumulative = np.cumsum(counts)

        def at(share: float) -> float:
            bucket = np.searchsorted(cumulative, np.ceil(share * total))
            return round(min(float(values_ns[bucket]), max_ns) / 1000.0, 2)

        return cls(at(0.5), at(0.99), at(0.999), round(max_ns / 1000.0, 2))

    @classmethod
    def of_samples(cls, microseconds: np.ndarray[Any, Any]) -> Percentiles:
        """Compute the percentiles of single durations in microseconds, [durations].

        Examples
        --------
        >>> Percentiles.of_samples(np.arange(1001.0))
        Percentiles(p50=500.0, p99=990.0, p99_9=999.0, max=1000.0)
        """
        p50, p99, p99_9 = np.percentile(microseconds, [50.0, 99.0, 99.9])
        return cls(
            round(float(p50), 2),
            round(float(p99), 2),
            round(float(p99_9), 2),
            round(float(np.max(microseconds)), 2),
        )
