"""Feeder: sound that a program makes while it plays, into the engine's source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.audio.samples import samples
from rtaudio.errors import AudioError
from rtaudio.runtime.engine import Engine
from rtaudio.runtime.memory import Floats

FEED_MS = 20.0
"""Sound kept ready for the callback, or two blocks if they are longer."""
_RING_S = 1
_POLL_S = 0.001

Source = Iterator[ArrayLike] | Callable[[int], ArrayLike | None]
"""An iterator over sound, or a function of a number of frames, which returns None at its end."""


class Feeder:
    """Asks a source for sound in a thread of its own, so that some is always ready.

    Parameters
    ----------
    engine
        The engine that plays it.
    source
        Gives float32 ``[frames]`` or ``[in_channels, frames]`` of any length; must be faster than
        real time. While it is too late, silence plays.

    Attributes
    ----------
    failure
        The exception that ended the source, or None.
    frames
        Length of the whole source; None until it has ended.
    """

    def __init__(self, engine: Engine, source: Source) -> None:
        self._engine, self._source = engine, source
        self._ahead = max(2 * engine.block, round(FEED_MS / 1000 * engine.rate_hz))
        self._rest: Floats = np.zeros((engine.in_channels, 0), np.float32)
        self._written = 0
        self.failure: Exception | None = None
        self.frames: int | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        engine.open_source(_RING_S * engine.rate_hz)

    def start(self) -> None:
        """Ask for the first sound, and go on in a thread.

        Raises
        ------
        Exception
            Whatever the source raises at once.
        """
        self._fill()
        if self.failure is not None:
            raise self.failure
        self._thread.start()

    def stop(self) -> None:
        """Ask for no more, and return when the source has returned."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while self.frames is None and not self._stopped.wait(_POLL_S):
            self._fill()

    def _fill(self) -> None:
        """Write until enough waits, or the source ends or fails."""
        try:
            while self.frames is None and self._engine.source_waiting < self._ahead:
                if self._rest.shape[1] == 0 and not self._ask():
                    self._end()
                    return
                count = self._engine.write_source(self._rest)
                self._written += count
                self._rest = self._rest[:, count:]
        except Exception as error:  # it is the caller's code: any fault of it is reported by `stop`
            self.failure = error
            self._end()

    def _end(self) -> None:
        self._engine.end_source()
        self.frames = self._written

    def _ask(self) -> bool:
        """Ask the source for its next sound; False at its end."""
        piece: Any
        if callable(self._source):
            piece = self._source(self._engine.block)
        else:
            piece = next(self._source, None)
        if piece is None:
            return False
        sound = samples(piece, "a piece of the source")
        channels = self._engine.in_channels
        if sound.shape[0] not in (1, channels):
            raise AudioError(
                f"the source gave an array of shape {np.shape(piece)}; needed are [frames] or "
                f"[{channels}, frames]"
            )
        self._rest = np.broadcast_to(sound, (channels, sound.shape[1]))
        return True
