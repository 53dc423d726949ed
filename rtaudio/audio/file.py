"""Audio files: read whole or in pieces, written whole or not at all, faults in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STEREO = 2


def native_path(path: Path) -> str | bytes:
    """Return a path as the system has it: on POSIX a name is bytes, in UTF-8 or not."""
    return str(path) if sys.platform == "win32" else os.fsencode(path)
