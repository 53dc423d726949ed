"""Control of a playing host: by hand, by MIDI, from a page in the browser, and from programs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtaudio.control.client import Client as Client
    from rtaudio.control.desk import Desk as Desk
    from rtaudio.control.osc import Osc as Osc
    from rtaudio.control.server import Server as Server
    from rtaudio.control.session import Session as Session

_PLACES = {name: f"rtaudio.control.{name.lower()}" for name in
           ("Client", "Desk", "Osc", "Server", "Session")}  # fmt: skip

if not TYPE_CHECKING:  # to a type checker, a misspelt name is an error

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module 'rtaudio.control' has no attribute {name!r}")
        return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(_PLACES)
