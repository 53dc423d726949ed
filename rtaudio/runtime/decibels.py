"""Decibels and the ratios of amplitude that they stand for, in Python and in kernels."""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable


@register_jitable
def from_db(level_db: Any) -> Any:
    """Return the ratio of amplitudes that a level in decibels stands for; of an array, each.

    Examples
    --------
    >>> from_db(-20.0)
    0.1
    """
    return 10.0 ** (level_db / 20.0)


def to_db(ratio: float, least_db: float = -120.0) -> float:
    """Return a ratio of amplitudes in decibels.

    Parameters
    ----------
    ratio
        Zero or more.
    least_db
        What is returned for everything smaller.

    Examples
    --------
    >>> to_db(0.5), to_db(0.0)
    (-6.020599913279624, -120.0)
    """
    return max(least_db, 20.0 * math.log10(ratio)) if ratio > 0.0 else least_db
