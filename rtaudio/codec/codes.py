"""Arrays of codes, and their bits.

Codes are int64 ``[books, frames]``, the most significant book first; -1 stands for a code that was
not sent. A lost frame is a column of -1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ParameterError, out_of_range

Codes = NDArray[np.int64]

BITS = 10
"""Bits of a code: every book has 1,024 entries."""

NOT_SENT = -1
"""Stands in the array for a code that did not arrive, or was never sent."""

MAX_BOOKS = 48
"""Most rows of an array: 24 books for each of two channels."""

_WEIGHTS = 1 << np.arange(15, -1, -1)


def to_bits(codes: Codes, bits: int = BITS) -> bytes:
    """Pack codes without gaps, most significant bit first; the last byte is filled with zeros.

    Parameters
    ----------
    codes
        int64, any shape, read in C order; each 0 .. 2^bits - 1.
    bits
        Bits of a code, 1 .. 16.

    Raises
    ------
    ParameterError
        A code is out of range.

    Examples
    --------
    >>> to_bits(np.array([1023, 0, 1])).hex()
    'ffc00004'
    """
    flat = codes.reshape(-1)
    if flat.size and not (flat.min() >= 0 and flat.max() < 1 << bits):
        wrong = flat.min() if flat.min() < 0 else flat.max()
        raise ParameterError(out_of_range("codes: a code", wrong, 0, (1 << bits) - 1))
    return np.packbits((flat[:, None] & _WEIGHTS[-bits:]) != 0).tobytes()


def from_bits(data: bytes, count: int, bits: int = BITS) -> Codes:
    """Unpack codes; the inverse of `to_bits`.

    Parameters
    ----------
    data
        At least ``count * bits`` bits; what follows is not read.
    count
        Number of codes.
    bits
        Bits of a code, 1 .. 16.

    Returns
    -------
    numpy.ndarray
        int64 ``[count]``.

    Examples
    --------
    >>> from_bits(bytes.fromhex("ffc00004"), 3)
    array([1023,    0,    1])
    """
    places = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits)
    return places.reshape(count, bits) @ _WEIGHTS[-bits:]


def with_books(codes: Codes, books: int) -> Codes:
    """Return codes with a given number of books, as a decoder wants them.

    Parameters
    ----------
    codes
        int64 ``[any, frames]``.
    books
        Rows of the result: the first ones of ``codes``, then -1.

    Examples
    --------
    >>> with_books(np.array([[5], [6]]), 3).T
    array([[ 5,  6, -1]])
    """
    filled = np.full((books, codes.shape[1]), NOT_SENT, np.int64)
    kept = min(books, len(codes))
    filled[:kept] = codes[:kept]
    return filled


def interleave(codes: Codes) -> Codes:
    """Return the codes of several channels as one array, the most significant books first.

    The rows are book 1 of every channel, then book 2 of every channel, and so on. So a cut takes
    the same from all channels.

    Parameters
    ----------
    codes
        int64 ``[channels, books, frames]``.

    Returns
    -------
    numpy.ndarray
        int64 ``[books * channels, frames]``.

    Examples
    --------
    >>> interleave(np.array([[[1], [2]], [[11], [12]]])).T
    array([[ 1, 11,  2, 12]])
    """
    return codes.swapaxes(0, 1).reshape(-1, codes.shape[2])


def deinterleave(rows: Codes, channels: int) -> Codes:
    """Return the codes of every channel; the inverse of `interleave`.

    Parameters
    ----------
    rows
        int64 ``[books * channels, frames]``.
    channels
        Number of channels.

    Returns
    -------
    numpy.ndarray
        int64 ``[channels, books, frames]``.
    """
    return rows.reshape(-1, channels, rows.shape[1]).swapaxes(0, 1)
