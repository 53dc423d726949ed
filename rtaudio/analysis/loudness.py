"""Loudness of effects, by which models are brought to one level."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rtaudio.runtime.decibels import from_db

__all__ = ["level_db", "loudness_db", "standard_clip"]

CLIP_DB = -15.0


def level_db(x: Any) -> float:
    """Return the RMS level of a signal of any shape in dBFS, or -200 if it is lower."""
    power = float(np.mean(np.square(x, dtype=np.float64))) if np.size(x) else 0.0
    return 10.0 * math.log10(max(power, 1e-20))


def standard_clip(rate_hz: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return one second of pink noise at -15 dBFS RMS, float32 [frames]; always the same."""
    bins = np.arange(1, rate_hz // 2 + 1)
    phases = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, bins.size)
    clip = np.fft.irfft(np.r_[0.0, np.exp(1j * phases) / np.sqrt(bins)], rate_hz)
    clip *= from_db(CLIP_DB) / np.sqrt(np.mean(clip**2))
    return clip.astype(np.float32)


def loudness_db(effect: Callable[[Any, int], Any], rate_hz: int) -> float:
    """Return the RMS level of an effect's output for the standard clip, in dBFS.

    Neural Amp Modeler has the same figure in its files (``loudness``), measured with another clip
    of the same level and spectrum; the two agree within 0.5 dB.

    Parameters
    ----------
    effect
        From one channel, float32 [frames], and its sample rate to one channel; any effect of
        rtaudio.
    rate_hz
        Sample rate.

    Examples
    --------
    >>> round(loudness_db(lambda x, rate_hz: 0.5 * x, 48000), 1)
    -21.0
    """
    return level_db(effect(standard_clip(rate_hz), rate_hz))
