"""How far two sounds are apart in their short-time spectra."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.memory import Array

__all__ = ["log_spectral_distance_db"]

SIZE = 2048
FLOOR_DB = 80.0
"""Levels so far below the loudest bin of the reference count as equal to it."""


def log_spectral_distance_db(sound: Any, reference: Any) -> float:
    """Return the log-spectral distance: the mean over frames of the RMS difference of the bins.

    Parameters
    ----------
    sound, reference
        ``[frames]`` or ``[channels, frames]``, of one shape, aligned.

    Notes
    -----
    Hann windows of 2,048 samples, half overlapping. A. Gray, J. Markel: Distance measures for
    speech processing, IEEE TASSP 24(5), 1976.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(10_000)
    >>> round(log_spectral_distance_db(0.5 * noise, noise), 2)
    6.02
    """
    spectra = [_power(np.atleast_2d(np.asarray(x, np.float64))) for x in (sound, reference)]
    least = spectra[1].max() * 10.0 ** (-FLOOR_DB / 10.0) + 1e-20
    levels = [10.0 * np.log10(np.maximum(power, least)) for power in spectra]
    return float(np.sqrt(np.mean((levels[0] - levels[1]) ** 2, axis=-1)).mean())


def _power(planar: Array) -> Array:
    """Return the power of all frames, ``[channels, frames, bins]``; a shorter sound is padded."""
    window = np.hanning(SIZE + 1)[:-1]
    padded = np.pad(planar, ((0, 0), (0, max(0, SIZE - planar.shape[1]))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE, axis=1)[:, :: SIZE // 2]
    power: Array = np.abs(np.fft.rfft(frames * window)) ** 2
    return power
