r"""The lapped transform of one frame, and its inverse: a discrete cosine transform of type IV.

With z(n) = v(2n) + i v(N-1-2n), and its Fourier transform Z of N/2 values, both turned by the
angles of their places, the cosine transform of v is X(2k) = Re Z(k), X(N-1-2k) = -Im Z(k). The
Fourier transform of N/2 = rows * columns values is one over the rows, a turn, and one over the
columns (Cooley, Tukey 1965)::

    z[n1][n2]  -- over n1, all n2 at once -->  [k1][n2]  -- turned -->  [n2][k1]
               -- over n2, all k1 at once -->  Z[k2][k1]

Both are products of a small matrix of cosines with the values, the same code as in the nets. The
transform is its own inverse.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.runtime.jit import helper, inlined
from rtaudio.runtime.kernels.codec.folding import fold, unfold
from rtaudio.runtime.kernels.codec.products import (
    COLUMNS,
    ROWS,
    VECTORS,
    joined,
    multiply_four,
    padded,
)
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.words import f32_at, i64_at

FIELDS: tuple[tuple[str, str], ...] = (
    ("hop", "i8"),
    ("overlap", "i8"),
    ("fft_rows", "i8"),
    ("fft_columns", "i8"),
    ("cosines", "i8"),
    ("turns", "i8"),
    ("places", "i8"),
    ("slopes", "i8"),
    ("apart", "i8"),
    ("together", "i8"),
)
"""Fields of the state of whatever transforms. ``cosines`` are zeros and the matrices of rows and
columns, ``turns`` complex factors before, between and after; ``places`` int64 and ``slopes``
float32 the folding; ``apart`` (values before a product) and ``together`` (after it) work memory."""

STEP = max(ROWS, VECTORS)
"""The matrices of cosines are padded to it."""


def transform_parts(hop: int, overlap: int, *, inverse: bool) -> dict[str, dict[str, Any]]:
    """Return the constants, the work memory and the sizes of a transform, by kind.

    Parameters
    ----------
    hop, overlap
        Samples of a frame, a multiple of 4, and of its slopes, even and at most a hop.
    inverse
        For `unfolded`, not `folded`.
    """
    half = hop // 2
    rows = max(n for n in range(1, math.isqrt(half) + 1) if half % n == 0)
    columns = half // rows
    sizes = _memory(rows, columns), _memory(columns, rows)
    zeros = np.zeros(padded(max(rows, columns), COLUMNS), np.float32)
    places, slopes = fold(hop, overlap)
    if inverse:
        places, slopes = unfold(places, slopes, hop + overlap)
    return {
        "constants": {
            "cosines": joined([zeros, _cosines(rows), _cosines(columns)], np.float32),
            "turns": joined(list(_turns(hop, rows, columns)), np.float32),
            "places": places,
            "slopes": slopes.astype(np.float32),
        },
        "work": {
            "apart": np.zeros(sum(sizes), np.float32),
            "together": np.zeros(max(sizes), np.float32),
        },
        "fields": {"hop": hop, "overlap": overlap, "fft_rows": rows, "fft_columns": columns},
    }


def _memory(points: int, batch: int) -> int:
    """Return the size of ``batch`` complex vectors of ``points`` as `multiply_four` takes them."""
    return padded(2 * points, STEP) * padded(batch, COLUMNS)


def _cosines(points: int) -> Floats:
    """Return a Fourier transform as a real matrix [out][in], first real, then imaginary parts."""
    angle = -2 * np.pi * np.outer(np.arange(points), np.arange(points)) / points
    size = padded(2 * points, STEP)
    matrix = np.zeros((size, size), np.float32)
    c, s = np.cos(angle), np.sin(angle)
    matrix[: 2 * points, : 2 * points] = np.block([[c, -s], [s, c]])
    return matrix


def _turns(hop: int, rows: int, columns: int) -> tuple[Floats, Floats, Floats]:
    """Return the complex factors of values in, between, and of values out, as pairs."""
    half = hop // 2
    ends = np.exp(-1j * np.pi * (4 * np.arange(half) + 0.5) / (4 * hop))
    between = np.exp(-2j * np.pi * np.outer(np.arange(rows), np.arange(columns)) / half)
    factors = ends, between, ends * math.sqrt(2 / hop)
    start, middle, end = (np.stack([f.real, f.imag], -1).astype(np.float32) for f in factors)
    return start, middle, end


@helper
def _fourier(points, batch, zeros, cosines, x, y):
    """Transform ``batch`` complex vectors of ``points``, side by side, from ``x`` to ``y``."""
    size = (2 * points + STEP - 1) // STEP * STEP
    columns = (batch + COLUMNS - 1) // COLUMNS * COLUMNS
    for first in range(0, size, VECTORS):
        rows, out = cosines + 4 * first * size, y + 4 * first * columns
        multiply_four(4, x, rows, size, zeros, out, columns, size, columns)


@inlined
def _place(lane, size):
    """Return the place of a lane in the first of ``size`` rows."""
    return lane // COLUMNS * size * COLUMNS + lane % COLUMNS


@helper
def cosine_transform(s, values):
    """Transform ``hop`` values at an address in place."""
    hop, rows, columns = s.hop, s.fft_rows, s.fft_columns
    half = hop // 2
    rows_in = (2 * rows + STEP - 1) // STEP * STEP
    columns_in = (2 * columns + STEP - 1) // STEP * STEP
    rows_out = (rows + COLUMNS - 1) // COLUMNS * COLUMNS
    columns_out = (columns + COLUMNS - 1) // COLUMNS * COLUMNS
    v, y = f32_at(values), f32_at(s.together)
    start, middle, end = f32_at(s.turns), f32_at(s.turns + 8 * half), f32_at(s.turns + 16 * half)
    zeros = s.cosines
    by_rows = zeros + 4 * max(rows_out, columns_out)
    by_columns = by_rows + 4 * rows_in * rows_in

    x = f32_at(s.apart)
    for n1 in range(rows):
        for n2 in range(columns):
            n = columns * n1 + n2
            re, im = v[2 * n], v[hop - 1 - 2 * n]
            at = _place(n2, rows_in) + n1 * COLUMNS
            x[at] = re * start[2 * n] - im * start[2 * n + 1]
            x[at + rows * COLUMNS] = re * start[2 * n + 1] + im * start[2 * n]
    _fourier(rows, columns, zeros, by_rows, s.apart, s.together)

    second = s.apart + 4 * rows_in * columns_out
    x = f32_at(second)
    for k1 in range(rows):
        for n2 in range(columns):
            n = columns * k1 + n2
            re, im = y[k1 * columns_out + n2], y[(rows + k1) * columns_out + n2]
            at = _place(k1, columns_in) + n2 * COLUMNS
            x[at] = re * middle[2 * n] - im * middle[2 * n + 1]
            x[at + columns * COLUMNS] = re * middle[2 * n + 1] + im * middle[2 * n]
    _fourier(columns, rows, zeros, by_columns, second, s.together)

    for k2 in range(columns):
        for k1 in range(rows):
            k = k1 + rows * k2
            re, im = y[k2 * rows_out + k1], y[(columns + k2) * rows_out + k1]
            v[2 * k] = re * end[2 * k] - im * end[2 * k + 1]
            v[hop - 1 - 2 * k] = -(re * end[2 * k + 1] + im * end[2 * k])


@helper
def folded(s, frame, values):
    """Fold a frame of ``overlap`` + ``hop`` samples to ``hop`` values; both are addresses."""
    hop = s.hop
    x, y, places, slopes = f32_at(frame), f32_at(values), i64_at(s.places), f32_at(s.slopes)
    for n in range(hop):
        y[n] = x[places[n]] * slopes[n] + x[places[hop + n]] * slopes[hop + n]


@helper
def unfolded(s, values, tail, out):
    """Unfold ``hop`` values and add the frame before: ``out`` is finished, ``tail`` is not."""
    hop, overlap = s.hop, s.overlap
    x, y, rest = f32_at(values), f32_at(out), f32_at(tail)
    places, slopes = i64_at(s.places), f32_at(s.slopes)
    for n in range(hop):
        y[n] = x[places[n]] * slopes[n]
    for n in range(overlap):
        y[n] += rest[n]
    for n in range(overlap):
        rest[n] = x[places[hop + n]] * slopes[hop + n]
