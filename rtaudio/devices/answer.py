"""Calls into sound drivers that may never return."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtaudio.errors import DeviceError

_LIBRARIES = {
    "libjack": "JACK",
    "libpulse": "PulseAudio",
    "libpipewire": "PipeWire",
    "libasound": "ALSA",
}
_STACK_BYTES = 1 << 16


def answered(call: Callable[[], Any], limit_s: float) -> Any:
    """Return the result of a call, or the exception that it raised, within a time limit.

    A call that does not return is left behind in a thread that ends with the process.

    Parameters
    ----------
    call
        The call; it must release the interpreter lock while it waits.
    limit_s
        The time limit, in seconds.

    Raises
    ------
    DeviceError
        The time is over; the message names the sound server that does not answer, on Linux.

    Examples
    --------
    >>> answered(lambda: 2 + 2, limit_s=1.0)
    4
    """
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, name="ask for devices", daemon=True)
    thread.start()
    thread.join(limit_s)
    if results:
        return results[0]
    name = _waits_for(thread.native_id) or "a sound server or driver"
    raise DeviceError(f"{name} does not answer ({limit_s:g} s); restart it, or try: --device clock")


def _waits_for(thread: int | None) -> str:
    """Return the sound server whose library a thread waits in; empty if that is not seen.

    The innermost return address on the thread's stack that lies in such a library tells it.
    """
    try:
        places = [
            (int(low, 16), int(high, 16), name)
            for line in Path("/proc/self/maps").read_text().splitlines()
            for low, _, high in [line.partition(" ")[0].partition("-")]
            for key, name in _LIBRARIES.items()
            if key in line and " r-xp " in line
        ]
        stack = int(Path(f"/proc/self/task/{thread}/syscall").read_text().split()[-2], 16)
        with Path("/proc/self/mem").open("rb", buffering=0) as memory:
            memory.seek(stack)
            content = memory.read(_STACK_BYTES)
    except (OSError, ValueError, IndexError):
        return ""
    for (word,) in struct.iter_unpack("<Q", content[: len(content) // 8 * 8]):
        for low, high, name in places:
            if low <= word < high:
                return name
    return ""
