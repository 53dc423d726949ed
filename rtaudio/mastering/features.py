"""Features: what the assistant hears of a passage, as one row of numbers."""

from __future__ import annotations

import numpy as np

from rtaudio.analysis.third_octaves import CENTRES_HZ, third_octaves_db
from rtaudio.runtime.memory import Array, Floats

__all__ = ["FEATURES", "HIGH_HZ", "LOW_HZ", "SPLIT_HZ", "balance_db", "features", "peaks_db"]

LOW_HZ, SPLIT_HZ, HIGH_HZ = 100.0, 2000.0, 16000.0
"""The image is heard in two parts."""

REACH_DB = 50.0
"""Bands farther below the loudest are as if they were there: they hold nothing to balance."""

LEAST_WIDTH_DB, MOST_WIDTH_DB = -30.0, 6.0
NEIGHBOURS = 3

FEATURES = (*(f"{hz:.0f} Hz" for hz in CENTRES_HZ), "low width", "high width")


def balance_db(sound: Floats, rate_hz: int) -> Array:
    """Return the spectrum in thirds of octaves, float64 ``[31]``, relative to its mean in dB.

    Parameters
    ----------
    sound
        ``[channels, samples]``.
    rate_hz
        Its sample rate.
    """
    levels_db = third_octaves_db(sound, rate_hz)
    levels_db = np.maximum(levels_db, levels_db.max() - REACH_DB)
    return np.asarray(levels_db - levels_db.mean())


def features(sound: Floats, rate_hz: int) -> Array:
    """Return the row of `FEATURES`, float64: the balance of the spectrum, and two widths in dB.

    A width is the power of the side relative to that of the mid; that of mono is -30 dB.

    Parameters
    ----------
    sound
        ``[2, samples]``.
    rate_hz
        Its sample rate.
    """
    mid, side = (
        third_octaves_db(each, rate_hz)
        for each in (0.5 * (sound[0] + sound[1]), 0.5 * (sound[0] - sound[1]))
    )
    widths = []
    for low, high in ((LOW_HZ, SPLIT_HZ), (SPLIT_HZ, HIGH_HZ)):
        inside = (low <= CENTRES_HZ) & (high > CENTRES_HZ)
        powers = [np.sum(10.0 ** (levels[inside] / 10.0)) for levels in (side, mid)]
        width_db = 10.0 * np.log10(powers[0] / powers[1])
        widths.append(float(np.clip(width_db, LEAST_WIDTH_DB, MOST_WIDTH_DB)))
    return np.array([*balance_db(sound, rate_hz), *widths])


def peaks_db(balance: Array) -> Array:
    """Return by how much each band stands out of the seven around it, their median taken.

    Parameters
    ----------
    balance
        A spectrum in thirds of octaves, in dB.
    """
    padded = np.pad(balance, NEIGHBOURS, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)
    return np.asarray(balance - np.median(around, axis=1))
