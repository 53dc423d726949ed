"""Audio files: read whole or in pieces, written whole or not at all, faults in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

Audio = np.ndarray[Any, np.dtype[np.float32]]

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 384_000
MAX_CHANNELS = 2


def native_path(path: Path) -> str | bytes:
    """Return a path as the system has it: on POSIX a name is bytes, in UTF-8 or not."""
    return str(path) if sys.platform == "win32" else os.fsencode(path)
