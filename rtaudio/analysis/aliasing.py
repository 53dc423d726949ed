"""Aliasing: what an effect folds back from above the Nyquist frequency, against its harmonics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rtaudio.errors import MetricsError

HEARD_HZ = 20000.0
SINES_HZ = (1249, 2503, 3541, 4999, 7001, 9001)
"""Primes, so that no alias of one second falls on a harmonic."""

SETTLE_S = 0.5


def aliasing_db(
    effect: Callable[[Any, int], Any],
    rate_hz: int = 48000,
    *,
    level_db: float = -6.0,
    sines_hz: Sequence[int] = SINES_HZ,
) -> dict[int, float]:
    """Measure the aliases of sines: their power below 20 kHz, relative to that of the harmonics.

    One second of the settled response to a sine of whole hertz has its harmonics in the bins k f;
    what is in the others is aliases (and noise).

    Parameters
    ----------
    effect
        Called with one channel and its rate, returns one channel: any effect of rtaudio is one.
    rate_hz
        Sample rate; no sine may divide it.
    level_db
        Peak of the sines in dBFS.
    sines_hz
        Their frequencies, whole numbers.

    Returns
    -------
    dict
        Frequency in Hz -> power of all aliases over that of all harmonics, in dB; -200 if there is
        none.

    Examples
    --------
    >>> round(aliasing_db(Gain(gain_db=6.0), sines_hz=[1249])[1249]) < -120
    True
    """
    settle = round(SETTLE_S * rate_hz)
    time_s = np.arange(settle + rate_hz) / rate_hz
    heard = int(min(HEARD_HZ, rate_hz / 2))
    result = {}
    for hz in sines_hz:
        if rate_hz % hz == 0:
            raise MetricsError(f"{hz} Hz divides {rate_hz} Hz: aliases would hide in the harmonics")
        sine = 10.0 ** (level_db / 20.0) * np.sin(2 * np.pi * hz * time_s)
        wet = np.asarray(effect(sine.astype(np.float32), rate_hz), np.float64)[settle:]
        power = np.abs(np.fft.rfft(wet))[: heard + 1] ** 2
        harmonics = power[hz::hz].sum()
        aliases = power[1:].sum() - harmonics
        result[hz] = 10.0 * float(np.log10(max(aliases / harmonics, 1e-20)))
    return result
