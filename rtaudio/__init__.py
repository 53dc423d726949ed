"""Neural audio models, played live: the public names.

Each name is imported when it is first used, so that ``import rtaudio`` costs nothing. Every module
of :mod:`rtaudio.effects` offers the class that it is called after: ``rtaudio.NoiseGate`` is
``rtaudio.effects.noise_gate.NoiseGate``.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtaudio.chain import Chain, Parallel, Path
    from rtaudio.effects.cabinet import Cabinet
    from rtaudio.effects.compressor import Compressor
    from rtaudio.effects.dc_block import DcBlock
    from rtaudio.effects.delay import Delay
    from rtaudio.effects.denoise import Denoise
    from rtaudio.effects.equalizer import Equalizer
    from rtaudio.effects.gain import Gain
    from rtaudio.effects.limiter import Limiter
    from rtaudio.effects.model import Model
    from rtaudio.effects.noise_gate import NoiseGate
    from rtaudio.effects.tone_stack import ToneStack
    from rtaudio.host import Host
    from rtaudio.preset import load_preset, save_preset, shipped_presets

__version__ = "0.1.0"

_PLACES = {
    "Chain": "rtaudio.chain",
    "Parallel": "rtaudio.chain",
    "Path": "rtaudio.chain",
    "Host": "rtaudio.host",
    "load_preset": "rtaudio.preset",
    "save_preset": "rtaudio.preset",
    "shipped_presets": "rtaudio.preset",
}


def _places() -> dict[str, str]:
    """Public name -> module; the effects are found by their file names."""
    effects = importlib.import_module("rtaudio.effects")
    names = [m.name for m in pkgutil.iter_modules(effects.__path__) if m.name != "base"]
    return _PLACES | {name.title().replace("_", ""): f"rtaudio.effects.{name}" for name in names}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return sorted(_places())
    place = _PLACES.get(name) or (_places().get(name) if name[:1].isupper() else None)
    if place is None:
        raise AttributeError(f"module 'rtaudio' has no attribute {name!r}")
    value = getattr(importlib.import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_places()})
