"""Two channels as what they share and what parts them: mid and side."""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.memory import Array

__all__ = ["left_right", "mid_side", "side_share"]

SIDE_SHARE = 0.5
"""Books of the side as a share of those of the mid."""

FAR_DB = 6.0
"""With a side less than this below the mid, the two channels have too little in common."""

SILENT_DB = 60.0
"""A side so far below the mid is not heard beside it."""


def mid_side(x: Array) -> Array:
    """Return half the sum and half the difference of two channels, ``[2, samples]``.

    Examples
    --------
    >>> mid_side(np.float32([[1.0, 0.5], [0.0, 0.5]])).tolist()
    [[0.5, 0.5], [0.5, 0.0]]
    """
    return np.stack([0.5 * (x[0] + x[1]), 0.5 * (x[0] - x[1])])


def left_right(x: Array) -> Array:
    """Return the two channels of a mid and a side, ``[2, samples]``; the inverse of `mid_side`."""
    return np.stack([x[0] + x[1], x[0] - x[1]])


def side_share(mid_db: float, side_db: float) -> float | None:
    """Return how many books a side is worth, as a share of those of the mid.

    Parameters
    ----------
    mid_db, side_db
        Active levels in dBFS; minus infinity in silence.

    Returns
    -------
    float or None
        0 for a side that is not heard; None where each channel is better coded on its own.

    Examples
    --------
    >>> side_share(-20.0, -90.0), side_share(-20.0, -32.0), side_share(-20.0, -21.0)
    (0.0, 0.5, None)
    """
    if side_db <= mid_db - SILENT_DB:
        return 0.0
    return SIDE_SHARE if side_db <= mid_db - FAR_DB else None
