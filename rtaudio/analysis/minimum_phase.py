"""Minimum phase: the least delayed response with a given magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["minimum_phase"]


def minimum_phase(level: Any) -> np.ndarray[Any, np.dtype[np.complex128]]:
    """Return the logarithm of the minimum-phase response with a given magnitude.

    Parameters
    ----------
    level
        Natural logarithm of the magnitude at the bins of ``numpy.fft.rfft``, float64 ``[bins]``.

    Returns
    -------
    numpy.ndarray
        complex128 ``[bins]``: the level and, as imaginary part, the phase in radians.

    Notes
    -----
    Computed by the cepstrum: Oppenheim and Schafer, Discrete-Time Signal Processing.

    Examples
    --------
    >>> float(np.abs(minimum_phase(np.zeros(5))).max())
    0.0
    """
    cepstrum = np.fft.irfft(level)
    half = cepstrum.size // 2
    cepstrum[1:half] *= 2.0
    cepstrum[half + 1 :] = 0.0
    return np.fft.rfft(cepstrum)
