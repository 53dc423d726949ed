"""The static curve of a compressor, in decibels.

D. Giannoulis, M. Massberg, J. Reiss, "Digital Dynamic Range Compressor Design - A Tutorial and
Analysis", JAES 60(6), 2012, equation (4).
"""

from __future__ import annotations

import math

from numba import njit

NEPER_PER_DB = math.log(10.0) / 20.0

NOTHING_DB = 1e-6
"""A reduction below this is none."""


@njit(inline="always")
def excess_db(level, threshold_db, slope, knee_db):
    """Return by how many dB the static curve turns down a linear level; slope: 1 - 1 / ratio.

    The caller never passes levels below threshold - knee / 2, so the knee is not 0 in its branch.
    """
    over = math.log(level) / NEPER_PER_DB - threshold_db
    if over >= knee_db / 2.0:
        return slope * over
    return slope * (over + knee_db / 2.0) ** 2 / (2.0 * knee_db)
