"""Watch: the worker of a rack, and a thread that notices a plugin that hangs or has crashed."""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol

from rtaudio.runtime.slots import Slot
from rtaudio.runtime.worker import Worker

HANG_S = 2.0
"""A plugin that computes one chunk for longer hangs."""
SWITCH_S = 0.0005
"""While a rack plays, Python's threads hand the interpreter over after this long: by default a busy
one keeps it for 5 ms, and a rack needs it twice or more per chunk."""
_LOOK_S = 0.1


class _Switching:
    """Lets the interpreter be handed over sooner while anyone needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._former_s = sys.getswitchinterval()

    def begin(self) -> None:
        with self._lock:
            if self._users == 0:
                self._former_s = sys.getswitchinterval()
                sys.setswitchinterval(min(self._former_s, SWITCH_S))
            self._users += 1

    def end(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._former_s)


_switching = _Switching()


class _Watched(Protocol):
    entered_s: float

    @property
    def ailment(self) -> str: ...

    def close(self) -> None: ...


class Watch:
    """The worker of a rack, watched: while a plugin hangs, the rack is bypassed.

    Parameters
    ----------
    worker
        The thread that plays.
    rack
        The plugins.
    bypass
        The slot by which the audio thread passes the dry signal, equally late.
    """

    def __init__(self, worker: Worker, rack: _Watched, bypass: Slot) -> None:
        self._worker, self._rack, self._bypass = worker, rack, bypass
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._hangs = False

    @property
    def late_chunks(self) -> int:
        """Chunks that were not ready in time."""
        return self._worker.late_chunks

    @property
    def faults(self) -> int:
        """Chunks in which a plugin raised, or made NaN, Inf or a runaway level."""
        return self._worker.faults

    @property
    def ailment(self) -> str:
        """``"hangs"`` or ``"crashed"``; empty if all is well."""
        return "hangs" if self._hangs else self._rack.ailment

    def start(self) -> None:
        """Start the worker, and the thread that watches it."""
        self._worker.start()
        if self._thread is None:
            _switching.begin()
            self._stop.clear()
            self._thread = threading.Thread(target=self._look, name="plugin watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop both; a worker whose plugin hangs is left behind."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            _switching.end()
        self._worker.stop()
        self._rack.close()

    def _look(self) -> None:
        wanted = self._bypass.value
        while not self._stop.wait(_LOOK_S):
            entered_s = self._rack.entered_s
            hangs = entered_s > 0.0 and time.monotonic() - entered_s > HANG_S
            if hangs:
                wanted = wanted if self._hangs else self._bypass.value
                self._bypass.store(1.0)
            elif self._hangs:
                self._bypass.store(wanted)
            self._hangs = hangs
