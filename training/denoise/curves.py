"""Curves over the bins of a spectrum: tilts, band limits, filled treble."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats
from training.denoise.mixture import Spectrum

__all__ = [
    "STEPS",
    "fill_treble",
    "frequencies",
    "high_pass",
    "low_pass",
    "octaves",
    "sloped",
]

STEPS = 2048
"""Steps of a curve from 30 Hz to the highest frequency: below 0.1 dB each."""


@lru_cache(maxsize=8)
def frequencies(samples: int, rate_hz: int) -> Floats:
    """Return the frequencies in hertz of the bins of ``samples`` samples at a rate."""
    return np.fft.rfftfreq(samples, 1 / rate_hz).astype(np.float32)


@lru_cache(maxsize=8)
def octaves(samples: int, rate_hz: int) -> NDArray[np.int16]:
    """Return for every bin its step, 0 .. STEPS - 1, of a curve over octaves."""
    hz = np.maximum(frequencies(samples, rate_hz), 30)
    place = np.log(hz / 30) / math.log(rate_hz / 2 / 30)
    return np.round(place * (STEPS - 1)).clip(0, STEPS - 1).astype(np.int16)


@lru_cache(maxsize=128)
def sloped(samples: int, rate_hz: int, slope_db: float) -> Floats:
    """Return gains that fall by ``slope_db`` per octave, from 30 Hz on."""
    hz = np.maximum(frequencies(samples, rate_hz), 30)
    return np.float32(from_db(-slope_db)) ** np.log2(hz / 30)


def low_pass(samples: int, rate_hz: int, limit_hz: float) -> Floats:
    """Return gains that fall to zero at ``limit_hz``, from 4 % below it, as a resampler's do.

    Parameters
    ----------
    samples, rate_hz
        Length and rate of the signal whose bins the gains are for.
    limit_hz
        The cutoff.
    """
    last = min(math.floor(limit_hz / rate_hz * samples), samples // 2)
    first = math.floor(0.96 * last)
    gain = np.zeros(samples // 2 + 1, np.float32)
    gain[:first] = 1
    gain[first : last + 1] = np.cos(np.linspace(0, np.pi / 2, last + 1 - first)) ** 2
    return gain


def high_pass(samples: int, rate_hz: int, limit_hz: float) -> Floats:
    """Return the gains of a second-order high-pass at ``limit_hz``, without its phase.

    Parameters
    ----------
    samples, rate_hz
        Length and rate of the signal whose bins the gains are for.
    limit_hz
        The cutoff.
    """
    power = (frequencies(samples, rate_hz) / np.float32(limit_hz)) ** 4
    gain: Floats = np.sqrt(power / (1 + power))
    return gain


def fill_treble(spectrum: Spectrum, limit: float, slope_db: float) -> None:
    """Fill the treble of a spectrum with copies of its upper half, in place.

    The copies follow the noise in time, so that it still sounds like one thing.

    Parameters
    ----------
    spectrum
        The bins.
    limit
        Number of the bin at which the source ends.
    slope_db
        How much softer each copy is than the one below.
    """
    last = int(0.97 * limit)
    half = max(1, last // 2)
    for copy, start in enumerate(range(last, len(spectrum), half), 1):
        count = min(half, len(spectrum) - start)
        gain = np.float32(from_db(-slope_db * copy))
        spectrum[start : start + count] = gain * spectrum[last - half : last - half + count]
