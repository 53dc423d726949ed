"""Tap: the output or the input of an engine as Python reads it, while it plays."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.memory import Array, Floats


class Tap:
    """A reader of a ring that the callback writes its output or its input into.

    The callback never waits for a reader, and does not know how many there are: a reader that falls
    behind by a whole ring loses frames, and counts them.

    Parameters
    ----------
    record
        The engine's record.
    counter
        Its field that counts the frames written.
    ring
        float32 ``[frames, channels]``.
    block
        The most frames that the callback may be writing at this moment.

    Attributes
    ----------
    lost
        Frames that were overwritten before they were read.
    """

    def __init__(self, record: Any, counter: str, ring: Array, block: int) -> None:
        self._record, self._counter, self._ring, self._block = record, counter, ring, block
        self._position = self._written
        self.lost = 0

    @property
    def _written(self) -> int:
        return int(self._record[self._counter])

    @property
    def waiting(self) -> int:
        """Frames that :meth:`read` would return now."""
        return self._written - self._position

    def read(self) -> Floats:
        """Take the frames since the last call.

        Returns
        -------
        numpy.ndarray
            float32 ``[frames, channels]``, a copy.
        """
        size = len(self._ring)
        write = self._written
        first = max(self._position, write - size)
        frames = self._ring[np.arange(first, write) % size]
        # The callback went on while this thread copied: drop what it may have overwritten.
        intact = self._written + self._block - size
        frames = frames[max(0, intact - first) :]
        self.lost += write - self._position - len(frames)
        self._position = write
        return frames
