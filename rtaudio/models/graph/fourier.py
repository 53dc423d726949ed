r"""The Fourier transform of real frames as two matrix products, for graphs of spectral nets.

With n = rows * columns, sample m = i * columns + j and bin k = p + rows * q::

    X[k] = sum_j  W_n^(j k)  sum_i  W_rows^(i p) x[i, j]
           \__ ``second``[p] __/    \___ ``first`` ___/

The signal is real, so p runs only to rows / 2; bins above n / 2 are read as the conjugates of their
mirror images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rtaudio.runtime.memory import Array

__all__ = ["FourierStages", "normalised_windows"]


RIPPLE = 1e-6
"""Largest relative error of a window pair's sum over the hops."""


@dataclass(frozen=True)
class FourierStages:
    """The matrices of the transform of ``n`` real samples, and of its inverse.

    Attributes
    ----------
    n, bins
        Samples of a frame, and n // 2 + 1.
    rows, columns, kept
        n = rows * columns; the rows // 2 + 1 rows that are computed.
    first
        float64 (2 kept, rows); its transpose is the last product of the inverse.
    second, second_inverse
        float64 (kept, 2 columns, 2 columns), for rows of ``columns`` real parts and ``columns``
        imaginary parts.
    order
        int64 (2 bins): places, in the flat result of ``second``, of the real parts and then of the
        imaginary parts of the bins 0 .. n / 2.
    places
        int64 (2 kept columns): places, among the bins' real parts and then imaginary parts, of the
        values that ``second_inverse`` takes.

    Examples
    --------
    >>> stages = FourierStages.of(8)
    >>> x = np.arange(8.0)
    >>> rows = (stages.first @ x.reshape(stages.rows, -1)).reshape(stages.kept, 1, -1)
    >>> real, imag = (rows @ stages.second).ravel()[stages.order].reshape(2, -1)
    >>> bool(np.allclose(real + 1j * imag, np.fft.rfft(x)))
    True
    """

    n: int
    rows: int
    first: Array
    second: Array
    second_inverse: Array
    order: Array
    places: Array

    @property
    def bins(self) -> int:
        """Number of bins, from 0 to half the sample rate."""
        return self.n // 2 + 1

    @property
    def columns(self) -> int:
        """Length of a row."""
        return self.n // self.rows

    @property
    def kept(self) -> int:
        """Number of rows that are computed; the others are their mirror images."""
        return self.rows // 2 + 1

    @staticmethod
    def of(n: int) -> FourierStages:
        """Make the matrices for frames of ``n`` samples."""
        rows = _rows(n)
        columns, kept, bins = n // rows, rows // 2 + 1, n // 2 + 1
        p = np.arange(kept)
        first = np.exp(-2j * np.pi * np.outer(p, np.arange(rows)) / rows)
        k = p[:, None] + rows * np.arange(columns)
        mirrored = k > n // 2
        turn = np.exp(-2j * np.pi * np.arange(columns)[None, :, None] * k[:, None, :] / n)
        turn_of_imag = 1j * turn
        sign = np.where(mirrored, -1.0, 1.0)[:, None, :]
        second = np.concatenate([
            np.concatenate([turn.real, sign * turn.imag], axis=2),
            np.concatenate([turn_of_imag.real, sign * turn_of_imag.imag], axis=2),
        ], axis=1)  # fmt: skip
        # A row that is its own mirror image has each bin and its conjugate; the others count twice.
        weight = np.where(2 * p % rows == 0, 1.0, 2.0)[:, None, None] / n
        bin_of = np.where(mirrored, n - k, k)
        order = np.zeros((2, bins), np.int64)
        real = 2 * columns * p[:, None] + np.arange(columns)
        order[0, bin_of] = real
        order[1, bin_of] = real + columns
        return FourierStages(
            n=n,
            rows=rows,
            first=np.stack([first.real, first.imag], axis=1).reshape(2 * kept, rows),
            second=second,
            second_inverse=second.transpose(0, 2, 1) * weight,
            order=order.ravel(),
            places=np.stack([bin_of, bin_of + bins], axis=1).ravel(),
        )


def _rows(n: int) -> int:
    """Return the divisor of ``n`` nearest to sqrt(2 n), where both stages together cost least."""
    wanted = math.sqrt(2 * n)
    divisors = [d for d in range(1, n + 1) if n % d == 0]
    return min(divisors, key=lambda d: abs(math.log(d / wanted)))


def normalised_windows(windows: tuple[Array, Array], n_fft: int, hop: int) -> tuple[Array, Array]:
    """Scale the synthesis window so that the windows' products add up to 1 over the hops.

    Parameters
    ----------
    windows
        Analysis and synthesis window, [n_fft] each.
    n_fft, hop
        Length of a frame, and its distance to the next one, in samples.

    Returns
    -------
    analysis, synthesis
        float64 [n_fft] each.

    Raises
    ------
    ValueError
        The products of the windows do not add up to a constant over the hops.

    Examples
    --------
    >>> normalised_windows((np.ones(4), np.ones(4)), 4, 2)[1]
    array([0.5, 0.5, 0.5, 0.5])
    """
    analysis, synthesis = (np.asarray(window, np.float64) for window in windows)
    for name, window in (("analysis", analysis), ("synthesis", synthesis)):
        if window.shape != (n_fft,) or not np.isfinite(window).all():
            raise ValueError(f"{name} window of shape {window.shape}: needs {n_fft} finite values")
    product = np.pad(analysis * synthesis, (0, -n_fft % hop))
    total = product.reshape(-1, hop).sum(axis=0)
    mean = float(total.mean())
    spread = float(np.abs(total - mean).max())
    if not spread <= RIPPLE * abs(mean) or mean == 0:
        raise ValueError(
            f"the windows of {n_fft} samples do not add up at a hop of {hop}: their sum is "
            f"{mean:.3g} +- {spread:.3g}; use another hop (a half or a quarter of n_fft), or "
            "other windows"
        )
    return analysis, synthesis / mean
