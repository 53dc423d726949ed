"""Denormal numbers as zero, for a while: they are inaudible, and make nets many times slower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rtaudio.runtime.jit import jit
from rtaudio.runtime.words import flush_denormals, restore_denormals


@jit
def _flush():
    return flush_denormals()


@jit
def _restore(former):
    restore_denormals(former)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """While the block runs, this thread treats denormal numbers as zero.

    Examples
    --------
    >>> with flushed_denormals():
    ...     product = np.float64(1e-200) * np.float64(1e-120)
    >>> float(product), float(np.float64(1e-200) * np.float64(1e-120))
    (0.0, 1e-320)
    """
    former = _flush()
    try:
        yield
    finally:
        _restore(former)
