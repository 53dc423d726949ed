"""The tasks that run in processes of their own: `serve` is the first that such a process does."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from rtaudio.errors import explain

_NICE = 10
"""Songs can wait; the page cannot."""


def serve() -> None:
    """Read an order from standard input, do it, and write messages to standard output."""
    order = json.loads(_line())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICE)
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what libraries print is no message

    def tell(**message: Any) -> None:
        messages.write(json.dumps(message) + "\n")

    try:
        tell(done=_do(order.pop("task"), lambda share: tell(share=share), **order))
    except Exception as error:
        tell(fault=explain(error)[0])
    sys.stderr.flush()
    os._exit(0)  # the other thread waits for standard input


def _do(task: str, progress: Any, **order: Any) -> Any:
    if task == "check":
        from rtaudio.site.song import check_song

        return check_song(**order)
    from rtaudio.site.stems import make_stems

    return make_stems(**order, progress=progress)


def _line() -> bytes:
    """Read a line without a buffer, which would keep what follows from the other thread."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            os._exit(0)
        line += piece
    return line


def _end_with_parent() -> None:
    """End the whole group when nobody holds the other end of standard input any more."""
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)
