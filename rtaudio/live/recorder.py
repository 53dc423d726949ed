"""Recorder: the output of a run, into a sound file."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

from rtaudio.audio.writer import Writer, create_audio
from rtaudio.runtime.engine import Engine


class Recorder:
    """Drains the engine's tap into a sound file, which takes its name when it is complete.

    A file that cannot be written is refused at once; before the start nothing is left on the disk.
    """

    def __init__(self, engine: Engine, path: Path, rate_hz: int) -> None:
        self._path = path
        self._failure: str | None = None
        self._create = partial(create_audio, path, rate_hz, engine.out_channels)
        with suppress(InterruptedError), self._create():
            raise InterruptedError
        self._open: AbstractContextManager[Writer] | None = None
        self._tap = engine.tap()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drain, name="recorder", daemon=True)

    def _drain(self) -> None:
        while not self._ended.wait(0.1):
            self._write()

    def _write(self) -> None:
        if self._failure is None:
            try:
                self._file.write(self._tap.read())
            except (RuntimeError, OSError) as error:  # libsndfile's errors are RuntimeErrors
                self._failure = str(error).removeprefix(f"{self._path}: ")

    def start(self) -> None:
        """Open the file and begin to drain."""
        self._open = self._create()
        self._file = self._open.__enter__()
        self._thread.start()

    def finish(self) -> None:
        """Write the rest and give the file its name; raises OSError if that went wrong."""
        self._ended.set()
        self._thread.join()
        self._write()
        if self._failure is not None:
            self.discard()
            raise OSError(f"{self._path}: the record could not be written: {self._failure}")
        assert self._open is not None
        self._open.__exit__(None, None, None)
        if self._tap.lost:
            raise OSError(
                f"{self._path}: {self._tap.lost} frames are missing; the disk was too slow"
            )

    def discard(self) -> None:
        """Leave nothing behind."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._open is None:
            return
        with suppress(InterruptedError):
            self._open.__exit__(InterruptedError, InterruptedError(), None)
