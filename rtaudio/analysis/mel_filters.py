"""Mel filters: the bands of hearing that codecs are trained and compared in."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["mel_filters"]

_LINEAR_HZ, _LINEAR_MEL = 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0


@lru_cache(maxsize=64)
def mel_filters(rate_hz: int, window: int, bands: int) -> NDArray[np.float64]:
    """Return triangular filters of equal area, evenly spaced on Slaney's mel scale.

    Parameters
    ----------
    rate_hz
        Sample rate.
    window
        Samples of a frame.
    bands
        Number of filters from 0 Hz to half the sample rate.

    Returns
    -------
    numpy.ndarray
        float64 ``[bands, window // 2 + 1]``; not to be written to.

    References
    ----------
    .. [1] M. Slaney, "Auditory toolbox", technical report 1998-010: 200/3 Hz per mel up to 1 kHz,
       then 27 mels to a factor of 6.4.

    Examples
    --------
    >>> mel_filters(44100, 2048, 320).shape
    (320, 1025)
    """
    top = _LINEAR_MEL + np.log(rate_hz / 2.0 / _LINEAR_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top if rate_hz > 2.0 * _LINEAR_HZ else 0.0075 * rate_hz, bands + 2)
    above = _LINEAR_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_MEL))
    edges_hz = np.where(mels < _LINEAR_MEL, mels * _LINEAR_HZ / _LINEAR_MEL, above)
    bins_hz = np.arange(window // 2 + 1) * rate_hz / window
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    filters = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (high - low)
    filters.setflags(write=False)
    return np.asarray(filters)
