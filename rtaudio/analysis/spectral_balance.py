"""The balance of a spectrum: how far it is from another one, and what would correct it."""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.memory import Array

__all__ = ["correction_db", "distance_db"]

FLOOR_DB = 60.0
"""Bands so far below the loudest of a sound hold nothing to match."""

FAINT_DB, ABSENT_DB = 20.0, 30.0
"""A band that lacks more than this is not raised fully, or at all: it would raise noise only."""


def correction_db(
    own_db: Array, wanted_db: Array, *, most_db: float = 12.0, tolerance_db: float = 0.0
) -> Array:
    """Return the smooth gains that bring one spectrum to the balance of another.

    Parameters
    ----------
    own_db, wanted_db
        Levels in thirds of octaves, float64 ``[31]``, of any overall level.
    most_db
        Largest correction about their middle, in either direction. One band may move by twice as
        much, as the mean is taken off afterwards.
    tolerance_db
        Differences up to this are the character of a sound; only what exceeds them is corrected.

    Returns
    -------
    numpy.ndarray
        float64 ``[31]``, in dB. Their mean, weighted by power, is nearly 0: loudness is not
        matched. Bands that either lacks stay as they are.

    Examples
    --------
    >>> gains_db = correction_db(np.zeros(31), np.linspace(-3.0, 3.0, 31))
    >>> [int(gain.round()) for gain in gains_db[[0, 15, 30]]]
    [-3, 0, 3]
    """
    heard = _heard(own_db, wanted_db)
    if not heard.any():
        return np.zeros(len(own_db))
    difference = wanted_db - own_db - np.mean((wanted_db - own_db)[heard])
    excess = np.sign(difference) * np.maximum(0.0, np.abs(difference) - tolerance_db)
    excess *= np.clip((ABSENT_DB - difference) / (ABSENT_DB - FAINT_DB), 0.0, 1.0)
    gains = np.clip(excess, -most_db, most_db)
    power = np.where(heard, 10.0 ** ((own_db - own_db.max()) / 10.0), 0.0)
    gains = heard * (gains - np.sum(power * gains) / power.sum())
    padded = np.pad(gains, 1, mode="edge")
    return np.asarray(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:])


def distance_db(own_db: Array, wanted_db: Array) -> float:
    """Return the log-spectral distance of two spectra, in dB, whatever their overall levels.

    Parameters
    ----------
    own_db, wanted_db
        Levels in thirds of octaves, float64 ``[31]``.

    Returns
    -------
    float
        Root mean square of the differences of the bands that both have, about their mean.

    Examples
    --------
    >>> distance_db(np.zeros(31), np.full(31, -6.0))
    0.0
    """
    difference = (wanted_db - own_db)[_heard(own_db, wanted_db)]
    return float(np.std(difference)) if difference.size else 0.0


def _heard(own_db: Array, wanted_db: Array) -> Array:
    """Return which bands both sounds have, bool ``[31]``."""
    return np.asarray((own_db > own_db.max() - FLOOR_DB) & (wanted_db > wanted_db.max() - FLOOR_DB))
