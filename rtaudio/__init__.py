"""Neural audio models, played live: the public names.

Each name is imported when it is first used, so that ``import rtaudio`` costs nothing. Every module
of :mod:`rtaudio.effects` offers the class that it is called after: ``rtaudio.NoiseGate`` is
``rtaudio.effects.noise_gate.NoiseGate``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rtaudio.effects.registry import class_name, effect_kinds

if TYPE_CHECKING:
    from rtaudio.effects.cabinet import Cabinet
    from rtaudio.effects.chain import Chain
    from rtaudio.effects.compressor import Compressor
    from rtaudio.effects.dc_block import DcBlock
    from rtaudio.effects.delay import Delay
    from rtaudio.effects.denoise import Denoise
    from rtaudio.effects.dither import Dither
    from rtaudio.effects.dynamic_equalizer import DynamicEqualizer
    from rtaudio.effects.equalizer import Equalizer
    from rtaudio.effects.gain import Gain
    from rtaudio.effects.leveler import Leveler
    from rtaudio.effects.limiter import Limiter
    from rtaudio.effects.match import Match
    from rtaudio.effects.model import Model
    from rtaudio.effects.multiband_compressor import MultibandCompressor
    from rtaudio.effects.noise_gate import NoiseGate
    from rtaudio.effects.parallel import Branch, Parallel
    from rtaudio.effects.saturator import Saturator
    from rtaudio.effects.tilt import Tilt
    from rtaudio.effects.tone_stack import ToneStack
    from rtaudio.effects.true_peak_limiter import TruePeakLimiter
    from rtaudio.effects.width import Width
    from rtaudio.errors import RtaudioError
    from rtaudio.live.host import Host
    from rtaudio.preset.load import load_preset
    from rtaudio.preset.save import save_preset
    from rtaudio.shipped import shipped_presets

__version__ = "0.1.0"

_PLACES = {
    "Branch": "rtaudio.effects.parallel",
    "Host": "rtaudio.live.host",
    "RtaudioError": "rtaudio.errors",
    "load_preset": "rtaudio.preset.load",
    "save_preset": "rtaudio.preset.save",
    "shipped_presets": "rtaudio.shipped",
}


def _places() -> dict[str, str]:
    """Public name -> module; the effects are found by their file names."""
    return _PLACES | {class_name(kind): f"rtaudio.effects.{kind}" for kind in effect_kinds()}


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
