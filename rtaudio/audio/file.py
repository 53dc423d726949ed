"""Names of audio files as the operating system has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STEREO = 2


def native_path(path: Path) -> str | bytes:
    """Return a path as the operating system has it: on POSIX a name is bytes, not always UTF-8."""
    return str(path) if sys.platform == "win32" else os.fsencode(path)
