"""The transform of real convolution in blocks of 128: a complex FFT of 128 points over 256 reals.

The 256 reals ``x`` are taken as the complex polynomial ``sum (x[n] + i x[n + 128]) z^n`` modulo
``z^128 - i``. Products there are products of reals modulo ``z^256 + 1``: circular convolution with
a minus sign on what wraps around, and no bin that needs special care ("right-angle convolution").

Each of the 7 stages splits every ``z^m - c^2`` into ``z^(m/2) - c`` and ``z^(m/2) + c``. The data
is kept interleaved, so that all stages are the same straight loop (Pease, 1968)::

    a  | low half of all polynomials (64) | high half (64) |      re[128], then im[128]
    b  | l0 + c0 h0 | l0 - c0 h0 | l1 + c1 h1 | l1 - c1 h1 | ...

The order of the bins does not matter to a convolution; :func:`inverse` undoes the same stages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.jit import helper, jit
from rtaudio.runtime.words import f32_at

SIZE = 128
"""Complex points; a block is ``2 * SIZE`` float32: the real parts, then the imaginary parts."""

STAGES = 7
_HALF = SIZE // 2


def twiddles() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the factors c of every stage, ``[STAGES, 2, SIZE / 2]``."""
    table = np.empty((STAGES, 2, _HALF), np.float32)
    angles = np.array([np.pi / 2])
    for stage in table:
        angles = angles / 2
        factors = np.exp(1j * np.resize(angles, _HALF))
        stage[0], stage[1] = factors.real, factors.imag
        angles = np.stack([angles, angles + np.pi], axis=1).ravel()
    return table


@jit
def forward(table, a, b):
    """Transform block ``a`` into block ``b`` (addresses); ``a`` is overwritten."""
    for stage in range(STAGES):
        factor, x, y = f32_at(table + 8 * _HALF * stage), f32_at(a), f32_at(b)
        for i in range(_HALF):
            high_re, high_im = x[i + _HALF], x[i + SIZE + _HALF]
            re = factor[i] * high_re - factor[i + _HALF] * high_im
            im = factor[i] * high_im + factor[i + _HALF] * high_re
            y[2 * i] = x[i] + re
            y[2 * i + 1] = x[i] - re
            y[2 * i + SIZE] = x[i + SIZE] + im
            y[2 * i + SIZE + 1] = x[i + SIZE] - im
        a, b = b, a


@helper
def inverse(table, a, b):
    """Undo :func:`forward`, times ``SIZE``: from block ``a`` into ``b``; ``a`` is overwritten."""
    for back in range(STAGES):
        stage = STAGES - 1 - back
        factor, x, y = f32_at(table + 8 * _HALF * stage), f32_at(a), f32_at(b)
        for i in range(_HALF):
            re = x[2 * i] - x[2 * i + 1]
            im = x[2 * i + SIZE] - x[2 * i + SIZE + 1]
            y[i] = x[2 * i] + x[2 * i + 1]
            y[i + SIZE] = x[2 * i + SIZE] + x[2 * i + SIZE + 1]
            y[i + _HALF] = factor[i] * re + factor[i + _HALF] * im
            y[i + SIZE + _HALF] = factor[i] * im - factor[i + _HALF] * re
        a, b = b, a
