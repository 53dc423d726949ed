"""The distance of two signals over seven mel spectrograms, as codecs are trained and compared."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from rtaudio.analysis.speech import aligned_pair

__all__ = ["mel_distance"]

WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
"""Window lengths in samples; the hop is a quarter."""

BANDS = (5, 10, 20, 40, 80, 160, 320)
"""Mel bands of each window."""

FLOOR = 1e-5
"""Magnitudes below this count as this."""

_LINEAR_HZ, _LINEAR_MEL = 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0


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
    return np.log10(np.maximum(magnitude @ _mel_filters(rate_hz, window, bands), FLOOR))


@lru_cache(maxsize=64)
def _mel_filters(rate_hz: int, window: int, bands: int) -> NDArray[np.float64]:
    """Return triangles of unit area on Slaney's mel scale, ``[bins, bands]``."""
    top = _LINEAR_MEL + np.log(rate_hz / 2.0 / _LINEAR_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top if rate_hz > 2.0 * _LINEAR_HZ else 0.0075 * rate_hz, bands + 2)
    above = _LINEAR_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_MEL))
    edges_hz = np.where(mels < _LINEAR_MEL, mels * _LINEAR_HZ / _LINEAR_MEL, above)
    bins_hz = np.fft.rfftfreq(window, 1.0 / rate_hz)[:, None]
    low, middle, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low))
