"""The folder in which training keeps what it would otherwise compute again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rtaudio.runtime.folders import user_cache


def training_cache(kind: str) -> Path:
    """Return a folder of the user's cache, which may not exist.

    A user without a home directory, as in some containers, gets one among the temporary files.

    Parameters
    ----------
    kind
        What lies in it, such as ``"renders"``.
    """
    return (user_cache() or Path(tempfile.gettempdir())) / "rtaudio" / kind
