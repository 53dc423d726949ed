"""Mains hum: its frequency and level, and a signal without it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_LINE_HZ, _MAINS_SHARE = 2.0, 0.004
_ONE_LINE = 100.0
"""Power over that beside it from which one line alone is hum."""


def find_hum(rest: Any, rate_hz: int) -> tuple[float, float, list[float]]:
    """Find mains hum in a pause.

    Parameters
    ----------
    rest
        The pause, ``[frames]``, without offset.
    rate_hz
        Its sample rate.

    Returns
    -------
    mains_hz : float
        The mains frequency, 50 or 60 Hz.
    hum_db : float
        Level of all lines together in dBFS.
    lines : list of float
        Frequencies in Hz of the lines that stand out by 10 dB; empty if fewer than two do, or one
        by 20 dB.
    """
    window = np.hanning(rest.size)
    power = np.abs(np.fft.rfft(rest * window)) ** 2 * 2.0 / (rest.size * np.sum(window**2))
    found: tuple[float, float, list[float]] = (50.0, 0.0, [])
    for mains_hz in (50.0, 60.0):
        lines: list[float] = []
        total, clearest = 0.0, 0.0
        for harmonic in range(1, 13):
            hertz = harmonic * mains_hz
            at = round(hertz * rest.size / rate_hz)
            if at < 12 or at + 20 > power.size:
                continue
            line = float(power[at - 2 : at + 3].sum())
            beside = np.concatenate([power[at - 10 : at - 4], power[at + 5 : at + 11]])
            around = 5.0 * float(np.mean(beside))
            if line > 10.0 * around:
                lines.append(hertz)
                total += line - around
                clearest = max(clearest, line / max(around, 1e-30))
        if (len(lines) >= 2 or clearest > _ONE_LINE) and total > found[1]:
            found = mains_hz, total, lines
    return found[0], 10.0 * math.log10(max(found[1], 1e-20)), found[2]


def without_hum(x: Any, lines: list[float], rate_hz: int) -> Any:
    """Return a signal without the lines of a hum, whose frequency may be off by 0.4 %.

    Parameters
    ----------
    x
        The signal, ``[frames]``.
    lines
        As `find_hum` found them.
    rate_hz
        Its sample rate.
    """
    if not lines:
        return x
    spectrum = np.fft.rfft(x)
    hertz = np.fft.rfftfreq(x.size, 1.0 / rate_hz)
    for line in lines:
        spectrum[np.abs(hertz - line) < max(_LINE_HZ, _MAINS_SHARE * line)] = 0.0
    return np.fft.irfft(spectrum, x.size)
