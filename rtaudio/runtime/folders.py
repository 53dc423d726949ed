"""The folders that a system keeps for its users' caches and settings."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def user_cache() -> Path | None:
    """Return the folder of the user's caches; None where the user has no home directory."""
    return _folder("XDG_CACHE_HOME", ".cache", "LOCALAPPDATA", "Local", "Caches")


def user_settings() -> Path | None:
    """Return the folder of the user's settings; None where the user has no home directory."""
    return _folder(
        "XDG_CONFIG_HOME", ".config", "APPDATA", "Roaming", "Application Support"
    )  # fmt: skip


def _folder(variable: str, usual: str, windows: str, app_data: str, library: str) -> Path | None:
    """Return where the system keeps one kind of file.

    A container may run as a number without a name, a home directory or ``HOME``.
    """
    if sys.platform in ("win32", "darwin"):
        chosen = os.environ.get(windows) if sys.platform == "win32" else None
        place = ("AppData", app_data) if sys.platform == "win32" else ("Library", library)
    else:
        chosen, place = os.environ.get(variable), (usual,)
    if chosen:
        return Path(chosen)
    try:
        return Path.home().joinpath(*place)
    except RuntimeError:
        return None
