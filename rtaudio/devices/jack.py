"""The period of a JACK server (or PipeWire in its place), which no block can be shorter than."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

HOST_API = "JACK"
"""Start of the name that PortAudio has for this interface."""

_NO_START_SERVER = 1
_NAMES = ("libjack.so.0", "libjack.0.dylib", "libjack64.dll", "libjack.dll")


def jack_period() -> int | None:
    """Return the frames of a period of the running server; None if it cannot be asked."""
    library = _library()
    if library is None:
        return None
    library.jack_client_open.restype = ctypes.c_void_p
    client = library.jack_client_open(b"rtaudio-period", _NO_START_SERVER, None)
    if not client:
        return None
    try:
        return int(library.jack_get_buffer_size(ctypes.c_void_p(client))) or None
    finally:
        library.jack_client_close(ctypes.c_void_p(client))


def _library() -> Any:
    """Load the library that PortAudio uses, too."""
    for name in (*_NAMES, ctypes.util.find_library("jack")):
        try:
            return ctypes.CDLL(name) if name else None
        except OSError:
            continue
    return None


def whole_periods(block: int, period: int) -> int:
    """Return the shortest block of whole periods that has at least the wanted frames.

    Parameters
    ----------
    block
        The wanted frames.
    period
        Frames of a period.

    Examples
    --------
    >>> whole_periods(32, 64), whole_periods(64, 64), whole_periods(96, 64)
    (64, 64, 128)
    """
    return -(-block // period) * period
