"""Child: a task in a process of its own, which can be watched, and killed with all it started.

::

    this process                                  its own, the head of a new group
    {"task": ..., ...}      -> stdin  ->          rtaudio.site.task.serve()
    {"share": 0.5} ...      <- stdout <-
    {"done": ...} or {"fault": "..."}

Its standard input stays open as long as this process lives. When it closes, as after ``kill -9``,
the child ends its whole group, so that no work goes on that nobody waits for.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from rtaudio.errors import RtaudioError

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from rtaudio.site.task import serve; serve()"
)
_MOST_BYTES = 1 << 16
"""Of a message; a child that decodes what comes from outside is not trusted."""


class Child:
    """A task that runs.

    Parameters
    ----------
    task
        Name of the task, see `rtaudio.site.task`.
    **order
        Its settings.
    """

    def __init__(self, task: str, **order: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._reaped = False
        with contextlib.suppress(BrokenPipeError):
            self._pipe("stdin").write(json.dumps({"task": task, **order}).encode() + b"\n")
            self._pipe("stdin").flush()

    def _pipe(self, name: str) -> Any:
        return getattr(self._process, name)

    def result(
        self, patience_s: float, progress: Callable[[float], None] = lambda share: None
    ) -> Any:
        """Wait for the end, and return what the task returned.

        Parameters
        ----------
        patience_s
            Longest time; after it, the child is killed.
        progress
            Called with the share that is done, 0 .. 1.

        Raises
        ------
        RtaudioError
            The task failed, took too long or too much memory, or was killed.
        """
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            self.kill()

        timer = threading.Timer(patience_s, end)
        timer.daemon = True
        timer.start()
        try:
            message = self._last_message(progress)
        finally:
            timer.cancel()
            self.close()
        if "done" in message:
            return message["done"]
        if overdue.is_set():
            raise RtaudioError(f"took longer than {patience_s:.0f} s, and was ended")
        raise RtaudioError(str(message.get("fault") or "its process died; perhaps of its limits"))

    def _last_message(self, progress: Callable[[float], None]) -> dict[str, Any]:
        last: dict[str, Any] = {}
        while line := self._pipe("stdout").readline(_MOST_BYTES):
            try:
                message = json.loads(line)
                if "share" in message:
                    progress(min(1.0, max(0.0, float(message["share"]))))
                else:
                    last = message
            except (ValueError, TypeError, RecursionError):
                return {}
        return last

    def kill(self) -> None:
        """Kill the process and all that it started; may be called from any thread."""
        with self._lock:
            if not self._reaped:  # afterwards, the number may be that of another group
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill what is left, and take leave of it."""
        self.kill()
        with self._lock:
            self._process.wait()
            self._reaped = True
        for name in ("stdin", "stdout"):
            with contextlib.suppress(OSError):
                self._pipe(name).close()
