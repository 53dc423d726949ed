"""The modified discrete cosine transform with a low-overlap window, frame by frame."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from rtaudio.runtime.kernels.codec.folding import fold, unfold
from rtaudio.runtime.memory import Array

__all__ = ["Mdct"]


class Mdct(nn.Module):
    r"""Lapped transform of ``hop`` samples to ``hop`` coefficients, and its inverse.

    ::

              slope            slope
              _____________________
             /                     \       window of one frame, hop + overlap samples
        ____/                       \____
            |<------- hop ------->|<->|    overlap

    A frame reaches back over ``overlap`` samples. Analysis and synthesis together are exact, and
    ``overlap`` samples late.

    Parameters
    ----------
    hop
        Samples and coefficients of a frame, a multiple of 4.
    overlap
        Length of the sine slopes in samples: even, at most ``hop``, and ``hop - overlap`` even.

    Raises
    ------
    ValueError
        Sizes that do not fit.

    Notes
    -----
    Princen, Bradley: Analysis/synthesis filter bank design based on time domain aliasing
    cancellation, IEEE Transactions on ASSP 34(5), 1986. The transform is orthonormal: samples are
    folded at the middle of the slopes, then transformed by a discrete cosine transform of type IV.
    That one is a complex Fourier transform of half the length, which is done in two products with
    small fixed matrices: a tenth of the work of one large matrix.

    Examples
    --------
    >>> mdct = Mdct(hop=8, overlap=4)
    >>> x = torch.arange(24.0)[None]
    >>> coefficients, past = mdct.analyse(x, torch.zeros(1, 4))
    >>> y, tail = mdct.synthesise(coefficients, torch.zeros(1, 4))
    >>> tuple(coefficients.shape), torch.allclose(y[:, 4:], x[:, :-4], atol=1e-5)
    ((1, 3, 8), True)
    """

    fold_places: Tensor
    fold_gains: Tensor
    unfold_places: Tensor
    unfold_gains: Tensor
    first: Tensor
    second: Tensor
    order_in: Tensor
    order_out: Tensor

    def __init__(self, hop: int, overlap: int) -> None:
        super().__init__()
        if hop % 4 or not 2 <= overlap <= hop or overlap % 2 or (hop - overlap) % 2:
            raise ValueError(
                f"hop {hop}, overlap {overlap}: the hop is a multiple of 4, the overlap even and "
                "not longer"
            )
        self.hop, self.overlap = hop, overlap
        half = hop // 2
        self.rows = max(n for n in range(1, math.isqrt(half) + 1) if half % n == 0)
        self.columns = half // self.rows
        first, second, order_in, order_out = _stages(hop, self.rows, self.columns)
        places, gains = fold(hop, overlap)
        unfold_places, unfold_gains = unfold(places, gains, hop + overlap)
        place_of = np.argsort(order_out)
        constants = {
            "first": first,
            "second": second,
            "order_in": order_in,
            "order_out": place_of,
            "fold_places": places[:, order_in],
            "fold_gains": gains[:, order_in],
            "unfold_places": place_of[unfold_places],
            "unfold_gains": unfold_gains,
        }
        for name, value in constants.items():
            dtype = torch.int64 if value.dtype.kind == "i" else torch.float32
            self.register_buffer(name, torch.tensor(value, dtype=dtype), persistent=False)

    def analyse(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Transform whole frames.

        Parameters
        ----------
        x
            float32 (batch, frames * hop).
        past
            The last ``overlap`` samples before, (batch, overlap).

        Returns
        -------
        coefficients, past
            float32 (batch, frames, hop), and the last samples of ``x``.
        """
        seen = torch.cat([past, x], dim=1)
        length = self.hop + self.overlap
        frames = seen[:, None] if x.shape[1] == self.hop else seen.unfold(1, length, self.hop)
        folded = (
            frames.index_select(2, self.fold_places[0]) * self.fold_gains[0]
            + frames.index_select(2, self.fold_places[1]) * self.fold_gains[1]
        )
        return self._turn(folded).index_select(2, self.order_out), seen[:, -self.overlap :]

    def synthesise(self, coefficients: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Transform coefficients back, ``overlap`` samples late.

        Parameters
        ----------
        coefficients
            float32 (batch, frames, hop).
        tail
            The unfinished samples of the frame before, (batch, overlap).

        Returns
        -------
        x, tail
            float32 (batch, frames * hop), and the unfinished samples of the last frame.
        """
        turned = self._turn(coefficients.index_select(2, self.order_in))
        frames = turned.index_select(2, self.unfold_places) * self.unfold_gains
        ends = frames[..., self.hop :]
        before = torch.cat([tail[:, None], ends[:, :-1]], dim=1)
        slopes = frames[..., : self.overlap] + before
        x = torch.cat([slopes, frames[..., self.overlap : self.hop]], dim=2)
        return x.reshape(x.shape[0], -1), ends[:, -1]

    def _turn(self, x: Tensor) -> Tensor:
        """Transform (batch, frames, hop) by the cosines, in and out in the order of the stages."""
        batch, frames, hop = x.shape
        inner = x.reshape(-1, self.columns, 2 * self.rows).transpose(0, 1) @ self.first
        apart = inner.reshape(self.columns, -1, self.rows, 2).permute(2, 1, 0, 3)
        outer = apart.reshape(self.rows, -1, 2 * self.columns) @ self.second
        return outer.transpose(0, 1).reshape(batch, frames, hop)


def _stages(hop: int, rows: int, columns: int) -> tuple[Array, Array, Array, Array]:
    """Return the matrices of both stages and the orders of what goes in and comes out.

    With z(n) = v(2n) + i v(N-1-2n), and its Fourier transform Z of N/2 values, both turned by the
    angles of the places, the cosine transform of v is X(2k) = Re Z(k), X(N-1-2k) = -Im Z(k). The
    place n = columns * n1 + n2 of z and the place k = k1 + rows * k2 of Z split the transform into
    one over n1, for every n2, and one over n2, for every k1.
    """
    half = hop // 2
    n1, n2 = np.arange(rows)[:, None], np.arange(columns)
    places = columns * n1 + n2  # (n1, n2)
    lines = np.arange(rows)[:, None] + rows * np.arange(columns)  # (k1, k2)

    def turn(angle: Array) -> Array:
        return np.exp(-1j * np.pi * angle)

    start = turn((4 * places + 0.5) / (4 * hop)).T[:, :, None]  # (n2, n1, 1)
    k1 = np.arange(rows)
    inner = start * turn(2 * np.arange(rows)[:, None] * k1 / rows)
    inner = inner * turn(2 * n2[:, None, None] * k1 / half)  # (n2, n1, k1)
    end = turn((4 * lines + 0.5) / (4 * hop))[:, None, :] * math.sqrt(2 / hop)  # (k1, 1, k2)
    outer = turn(2 * n2[:, None] * np.arange(columns) / columns) * end  # (k1, n2, k2)
    order_in = np.stack([2 * places.T, hop - 1 - 2 * places.T], axis=-1).reshape(-1)
    order_out = np.stack([2 * lines, hop - 1 - 2 * lines], axis=-1).reshape(-1)
    second = _real(outer)
    second[..., 1::2] *= -1
    return _real(inner), second, order_in, order_out


def _real(matrices: Array) -> Array:
    """Return complex matrices (..., a, b) as real ones (..., 2a, 2b) on pairs of numbers."""
    *stack, a, b = matrices.shape
    real, imaginary = matrices.real, matrices.imag
    pairs = np.stack(
        [np.stack([real, imaginary], axis=-1), np.stack([-imaginary, real], axis=-1)], axis=-3
    )  # (..., a, 2, b, 2)
    return pairs.reshape(*stack, 2 * a, 2 * b)
