"""Bridge to pedalboard, both ways: its plugins as our effects, and ours on a board like its own.

pedalboard is GPL-3 and comes with the extra ``pedalboard`` alone; :mod:`rtaudio.bridge.library` is
the one place that imports it, on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtaudio.bridge.audio_file import AudioFile as AudioFile
    from rtaudio.bridge.board import Board as Board
    from rtaudio.bridge.pedal import Pedal as Pedal
    from rtaudio.bridge.plugin import Plugin as Plugin

_PLACES = {
    "AudioFile": "rtaudio.bridge.audio_file",
    "Board": "rtaudio.bridge.board",
    "Pedal": "rtaudio.bridge.pedal",
    "Plugin": "rtaudio.bridge.plugin",
}

if not TYPE_CHECKING:  # to a type checker, a misspelt name is an error

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module 'rtaudio.bridge' has no attribute {name!r}")
        return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(_PLACES)
