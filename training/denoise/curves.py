"""Curves over frequency: tilts, limits and fillings of spectra."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from training.denoise.mixture import Floats, Spectrum


def _ratio(db: float) -> float:
    return float(10 ** (db / 20))


def _ratios(db: NDArray[np.floating]) -> Floats:
    return (10 ** (np.asarray(db, np.float32) / 20)).astype(np.float32)


# Curves over the bins of a spectrum


STEPS = 2048
"""Steps of a curve from 30 Hz to the highest frequency: below 0.1 dB each."""


@lru_cache(maxsize=8)
def _frequencies(samples: int, rate_hz: int) -> Floats:
    return np.fft.rfftfreq(samples, 1 / rate_hz).astype(np.float32)


@lru_cache(maxsize=8)
def _octaves(samples: int, rate_hz: int) -> NDArray[np.int16]:
    """Return for every bin its step of a curve over octaves."""
    frequencies = np.maximum(_frequencies(samples, rate_hz), 30)
    place = np.log(frequencies / 30) / math.log(rate_hz / 2 / 30)
    return np.round(place * (STEPS - 1)).clip(0, STEPS - 1).astype(np.int16)


@lru_cache(maxsize=128)
def _sloped(samples: int, rate_hz: int, slope_db: float) -> Floats:
    """Gain that falls by so many decibels per octave, from 30 Hz on."""
    frequencies = np.maximum(_frequencies(samples, rate_hz), 30)
    return np.float32(_ratio(-slope_db)) ** np.log2(frequencies / 30)


def _low_pass(samples: int, rate_hz: int, limit_hz: float) -> Floats:
    """Gain that falls to nothing at ``limit_hz``, from 4 % below on, as a resampler's does."""
    last = min(math.floor(limit_hz / rate_hz * samples), samples // 2)
    first = math.floor(0.96 * last)
    gain = np.zeros(samples // 2 + 1, np.float32)
    gain[:first] = 1
    gain[first : last + 1] = np.cos(np.linspace(0, np.pi / 2, last + 1 - first)) ** 2
    return gain


def _high_pass(samples: int, rate_hz: int, limit_hz: float) -> Floats:
    """Gain of a filter of second order, without its phase."""
    power = (_frequencies(samples, rate_hz) / np.float32(limit_hz)) ** 4
    gain: Floats = np.sqrt(power / (1 + power))
    return gain


def _fill_treble(spectrum: Spectrum, limit: float, slope_db: float) -> None:
    """Repeat the upper half of a spectrum above its last bin, falling by ``slope_db`` per copy.

    Moved noise keeps its course in time, so that it goes on sounding like one thing.
    """
    last = int(0.97 * limit)
    half = max(1, last // 2)
    for copy, start in enumerate(range(last, len(spectrum), half), 1):
        count = min(half, len(spectrum) - start)
        gain = np.float32(_ratio(-slope_db * copy))
        spectrum[start : start + count] = gain * spectrum[last - half : last - half + count]
