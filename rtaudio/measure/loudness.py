"""Loudness: how loud a model plays, so that models can be brought to one level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.effects.base import Effect

CLIP_DB = -15.0


def standard_clip(rate_hz: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return one second of pink noise, down to 1 Hz, at -15 dBFS RMS; always the same."""
    bins = np.arange(1, rate_hz // 2 + 1)
    phases = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, bins.size)
    clip = np.fft.irfft(np.r_[0.0, np.exp(1j * phases) / np.sqrt(bins)], rate_hz)
    clip *= 10.0 ** (CLIP_DB / 20.0) / np.sqrt(np.mean(clip**2))
    return clip.astype(np.float32)


def loudness_db(effect: Effect, rate_hz: int) -> float:
    """Return the RMS level of an effect's output for the standard clip, in dBFS.

    The Neural Amp Modeler keeps the same figure in its files (``loudness``), measured on a clip of
    its own, of the same level and spectrum; the two agree within 0.5 dB.

    Parameters
    ----------
    effect
        Takes and returns one channel.
    rate_hz
        Sample rate.

    Examples
    --------
    >>> round(loudness_db(Gain(gain_db=-3.0), 48000), 1)
    -18.0
    """
    wet = np.asarray(effect(standard_clip(rate_hz), rate_hz), np.float64)
    return 10.0 * math.log10(max(float(np.mean(wet**2)), 1e-12))
