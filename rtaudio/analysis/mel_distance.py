"""The distance of two signals over seven mel spectrograms, as codecs are trained and compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from rtaudio.analysis.mel_filters import mel_filters
from rtaudio.analysis.speech import aligned_pair

__all__ = ["mel_distance"]

WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
"""Window lengths in samples; the hop is a quarter."""

BANDS = (5, 10, 20, 40, 80, 160, 320)
"""Mel bands of each window."""

FLOOR = 1e-5
"""Magnitudes below this count as this."""


def mel_distance(clean: ArrayLike, x: ArrayLike, rate_hz: int) -> float:
    """Return how far ``x`` is from ``clean`` in magnitude, in decades summed over seven windows.

    For each of `WINDOWS` it is the mean absolute difference of the logarithm to base 10 of the mel
    magnitudes. Phase does not count, level does.

    Parameters
    ----------
    clean, x
        Mono signals ``[frames]`` of one length, aligned, of 2 samples or more.
    rate_hz
        Sample rate. The bands reach half of it, so distances at different rates cannot be compared;
        published ones are mostly at 44,100.

    Returns
    -------
    float
        0 for equal signals.

    Raises
    ------
    MetricsError
        The signals differ in length, are not finite, or ``clean`` is silent.

    References
    ----------
    .. [1] R. Kumar, P. Seetharaman, A. Luebs, I. Kumar, K. Kumar, "High-fidelity audio compression
       with improved RVQGAN", NeurIPS 2023: the mel loss of its final configuration.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(4096)
    >>> mel_distance(x, x, 44100), round(mel_distance(x, 0.1 * x, 44100), 1)
    (0.0, 7.0)
    """
    target, found = aligned_pair(clean, x)
    total = 0.0
    for window, bands in zip(WINDOWS, BANDS, strict=True):
        one, other = (_log_mel(each, rate_hz, window, bands) for each in (target, found))
        total += float(np.mean(np.abs(one - other)))
    return total


def _log_mel(x: NDArray[np.float64], rate_hz: int, window: int, bands: int) -> NDArray[Any]:
    """Return ``[frames, bands]``; frames are centred, and the signal is reflected at its ends."""
    padded = np.pad(x, window // 2, mode="reflect")
    frames = sliding_window_view(padded, window)[:: window // 4]
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
    magnitude = np.abs(np.fft.rfft(frames * hann, axis=-1))
    return np.log10(np.maximum(magnitude @ mel_filters(rate_hz, window, bands).T, FLOOR))
