"""Loudness: how loud a model plays, so that models can be brought to one level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.effects.base import Effect

CLIP_DB = -15.0
CLIP_HZ = (20.0, 20000.0)


def standard_clip(rate_hz: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return one second of pink noise, 20 Hz to 20 kHz, at -15 dBFS RMS; always the same."""
    frequency = np.fft.rfftfreq(rate_hz, 1.0 / rate_hz)
    heard = (frequency >= CLIP_HZ[0]) & (frequency <= CLIP_HZ[1])
    phase = np.random.default_rng(0).uniform(0.0, 2.0 * np.pi, frequency.size)
    spectrum = np.zeros(frequency.size, complex)
    spectrum[heard] = np.exp(1j * phase[heard]) / np.sqrt(frequency[heard])
    clip = np.fft.irfft(spectrum, rate_hz)
    clip *= 10.0 ** (CLIP_DB / 20.0) / np.sqrt(np.mean(clip**2))
    return clip.astype(np.float32)


def loudness_db(effect: Effect, rate_hz: int) -> float:
    """Return the RMS level of an effect's output for the standard clip, in dBFS.

    The Neural Amp Modeler keeps the same figure in its files (``loudness``), measured on a clip of
    the same level and spectrum; the two agree within 1.5 dB for the captures they were compared on.

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
