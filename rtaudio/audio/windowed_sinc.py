"""The windowed sinc: an interpolator of sampled sound, and its low pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def windowed_sinc(taps: int, phases: int, cutoff: float, beta: float) -> NDArray[np.float64]:
    """Return the taps for the places between two samples.

    Parameters
    ----------
    taps
        Number of taps, even.
    phases
        Number of places, evenly spread from a sample to the next one.
    cutoff
        Middle of the transition band, relative to the Nyquist frequency.
    beta
        Shape of the Kaiser window.

    Returns
    -------
    numpy.ndarray
        float64 ``[phases + 1, taps]``, each row with the sum 1. Row p gives the value at the place
        p / phases after the sample that tap ``taps / 2 - 1`` weighs.

    References
    ----------
    .. [1] J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window function",
       IEEE ISCAS 1974.

    Examples
    --------
    >>> windowed_sinc(4, 2, 1.0, 5.0).shape
    (3, 4)
    >>> windowed_sinc(4, 1, 1.0, 5.0)[0].round(6).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    half = taps // 2
    distance = np.arange(1 - half, half + 1) - np.arange(phases + 1)[:, None] / phases
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - (distance / half) ** 2)))
    table = cutoff * np.sinc(cutoff * distance) * window
    table[np.abs(distance) >= half] = 0.0
    return np.asarray(table / table.sum(1, keepdims=True))
