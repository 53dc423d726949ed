"""Aliasing: harmonics that an effect folds back from above the Nyquist frequency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rtaudio.errors import MetricsError
from rtaudio.runtime.decibels import from_db

HEARD_HZ = 20000.0
SINES_HZ = (1249, 2503, 3541, 4999, 7001, 9001)
"""Primes, so that no alias falls on a harmonic in one second of signal."""

SETTLE_S = 0.5


def aliasing_db(
    effect: Callable[[Any, int], Any],
    rate_hz: int = 48000,
    *,
    level_db: float = -6.0,
    sines_hz: Sequence[int] = SINES_HZ,
) -> dict[int, float]:
    """Measure the power of aliases below 20 kHz, relative to the power of the harmonics.

    One second of the settled response to a sine of f Hz, a whole number, has its harmonics in the
    bins k f; all other bins hold aliases (and noise).

    Parameters
    ----------
    effect
        From one channel, float32 [frames], and its sample rate to one channel; any effect of
        rtaudio.
    rate_hz
        Sample rate; no sine's frequency may divide it.
    level_db
        Peak of the sines in dBFS.
    sines_hz
        Their frequencies, whole numbers.

    Returns
    -------
    dict
        Frequency in Hz -> power of all aliases over the power of all harmonics, in dB; -200 if
        there are none.

    Raises
    ------
    MetricsError
        A frequency divides the sample rate.

    Examples
    --------
    >>> found = aliasing_db(lambda x, rate_hz: np.tanh(9 * x), sines_hz=[1249, 7001])
    >>> {hz: round(db) for hz, db in found.items()}
    {1249: -71, 7001: -17}
    """
    settle = round(SETTLE_S * rate_hz)
    time_s = np.arange(settle + rate_hz) / rate_hz
    heard = int(min(HEARD_HZ, rate_hz / 2))
    result = {}
    for hz in sines_hz:
        if rate_hz % hz == 0:
            raise MetricsError(
                f"{hz} Hz divides {rate_hz} Hz, so aliases would fall on harmonics; use a prime"
            )
        sine = from_db(level_db) * np.sin(2 * np.pi * hz * time_s)
        wet = np.asarray(effect(sine.astype(np.float32), rate_hz), np.float64)[settle:]
        power = np.abs(np.fft.rfft(wet))[: heard + 1] ** 2
        harmonics = power[hz::hz].sum()
        aliases = power[1:].sum() - harmonics
        result[hz] = 10.0 * float(np.log10(max(aliases / harmonics, 1e-20)))
    return result
