"""Memory that Python owns and compiled code works on: aligned blocks, and words in them."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Any

import numpy as np

ALIGNMENT = 64

Array = np.ndarray[Any, np.dtype[Any]]
Floats = np.ndarray[Any, np.dtype[np.float32]]


def aligned(count: int, dtype: Any = np.float32) -> Array:
    """Return a zeroed one-dimensional array whose data starts at a multiple of 64 bytes.

    Parameters
    ----------
    count
        Number of elements.
    dtype
        Their type.
    """
    size = count * np.dtype(dtype).itemsize
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size].view(dtype)


def offset_of(record: np.dtype[Any], field: str) -> int:
    """Return the offset of a field in bytes.

    Parameters
    ----------
    record
        A structured dtype.
    field
        Its name.
    """
    assert record.fields is not None
    return int(record.fields[field][1])


def write_word(memory: Array, offset: int, word: int) -> None:
    """Store an int64 in a block.

    Parameters
    ----------
    memory
        The block.
    offset
        Place of the word in it, in bytes.
    word
        The value.
    """
    memory.view(np.uint8)[offset : offset + 8].view(np.int64)[0] = word


def return_freed() -> None:
    """Return memory that was freed to the system, after something large was read and dropped.

    Only glibc keeps such memory for itself; elsewhere nothing is done.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
