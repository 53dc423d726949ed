"""Search in a stack of books, each of which codes what the books before it have left.

An entry b is the closer to a vector x, the larger ``x b - b b / 2``. The best four sums of entries
are kept from book to book (M-best search), so a book is read once for four vectors::

    candidates x four  -- product with the book --> 4 * entries scores --> the best four, parents
"""

from __future__ import annotations

import numpy as np

from rtaudio.runtime.jit import helper, inlined
from rtaudio.runtime.kernels.codec.products import (
    COLUMNS,
    ROWS,
    VECTORS,
    fits_half,
    joined,
    multiply,
    multiply_four,
    pack,
    padded,
    weight_at,
)
from rtaudio.runtime.kernels.codec.vectors import above
from rtaudio.runtime.kernels.simd import LANES
from rtaudio.runtime.memory import Array, Floats
from rtaudio.runtime.words import f32_at, i64_at

CANDIDATES = VECTORS
"""Sums that are kept from book to book."""


def packed_books(books: Floats) -> tuple[Array, Array]:
    """Pack float32 ``[books, entries, dims]``.

    Returns
    -------
    books, offsets
        One matrix ``[dims, entries]`` per book, float16 or float32; and ``- b b / 2`` of every
        entry, minus infinity in the padding.
    """
    half = fits_half(books)
    packed = [pack(book.T, half=half).weights for book in books]
    columns = padded(books.shape[1], COLUMNS)
    offsets = np.full((len(books), columns), -np.inf, np.float32)
    offsets[:, : books.shape[1]] = -0.5 * np.square(books, dtype=np.float64).sum(axis=2)
    return joined(packed, packed[0].dtype), joined([offsets], np.float32)


def search_work(books: int, dims: int, entries: int) -> dict[str, Array]:
    """Return the work memory for the largest quantiser of an encoder.

    Parameters
    ----------
    books, dims, entries
        Books, size of a vector, and entries of a book.
    """
    rows, columns = padded(dims, ROWS), padded(entries, COLUMNS)
    return {
        "rests": np.zeros(2 * VECTORS * rows, np.float32),
        "scores": np.zeros(VECTORS * columns, np.float32),
        "values": np.zeros(2 * CANDIDATES, np.float32),
        "found": np.zeros(CANDIDATES, np.int64),
        "entries": np.zeros(books * CANDIDATES, np.int64),
        "parents": np.zeros(books * CANDIDATES, np.int64),
        "chosen": np.zeros(books, np.int64),
    }


@helper
def _pick(s, count, columns, width):
    """Find the ``width`` largest of ``count * columns`` scores, each plus that of its candidate.

    Of equal scores the first is taken. Where nothing is a number, the first places are found.
    """
    before, best, found = f32_at(s.values), f32_at(s.values + 4 * CANDIDATES), i64_at(s.found)
    for k in range(width):
        best[k] = -np.inf
        found[k] = k
    for candidate in range(count):
        shift = before[candidate]
        row = s.scores + 4 * candidate * columns
        scores = f32_at(row)
        for block in range(0, columns, LANES):
            if not above(row + 4 * block, shift, best[width - 1]):
                continue
            for i in range(block, block + LANES):
                score = scores[i] + shift
                if score > best[width - 1]:
                    k = width - 1
                    while k > 0 and score > best[k - 1]:
                        best[k] = best[k - 1]
                        found[k] = found[k - 1]
                        k -= 1
                    best[k] = score
                    found[k] = candidate * columns + i
    for k in range(width):
        before[k] = best[k]


@inlined
def _first(entry, rows):
    """Return the place of the first value of an entry; the others are a tile apart."""
    return entry // COLUMNS * rows * COLUMNS + entry % COLUMNS


@helper
def entry_value(s, wide, books, dims, number, entry, i):
    """Return value ``i`` of an entry of a book."""
    rows = (dims + ROWS - 1) // ROWS * ROWS
    book = books + wide * number * rows * s.columns
    return weight_at(wide, book, _first(entry, rows) + i * COLUMNS)


@helper
def search(s, wide, book, offsets, dims, depth, width):
    """Search the first ``depth`` books for the vector that ``rests`` begins with.

    ``width`` candidates are kept. The codes are in ``chosen`` afterwards.
    """
    rows = (dims + ROWS - 1) // ROWS * ROWS
    columns = s.columns
    before, after = s.rests, s.rests + 4 * VECTORS * rows
    entries, parents, found = i64_at(s.entries), i64_at(s.parents), i64_at(s.found)
    f32_at(s.values)[0] = 0.0
    count = 1
    for number in range(depth):
        if count == 1:
            multiply(wide, book, before, offsets, s.scores, rows, columns)
        else:
            multiply_four(wide, book, before, rows, offsets, s.scores, columns, rows, columns)
        _pick(s, count, columns, width)
        for k in range(width):
            entry, parent = found[k] % columns, found[k] // columns
            entries[number * CANDIDATES + k], parents[number * CANDIDATES + k] = entry, parent
            rest, left = f32_at(before + 4 * parent * rows), f32_at(after + 4 * k * rows)
            first = _first(entry, rows)
            for i in range(dims):
                left[i] = rest[i] - weight_at(wide, book, first + i * COLUMNS)
        before, after = after, before
        count = width
        book += wide * rows * columns
        offsets += 4 * columns
    chosen, k = i64_at(s.chosen), 0
    for number in range(depth - 1, -1, -1):
        at = number * CANDIDATES + k
        chosen[number] = entries[at]
        k = parents[at]
