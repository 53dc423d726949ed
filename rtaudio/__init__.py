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
    from rtaudio.bridge.board import Board as Board
    from rtaudio.bridge.pedal import Pedal as Pedal
    from rtaudio.bridge.plugin import Plugin as Plugin
    from rtaudio.effects.base import Effect as Effect
    from rtaudio.effects.cabinet import Cabinet as Cabinet
    from rtaudio.effects.chain import Chain as Chain
    from rtaudio.effects.codec import Codec as Codec
    from rtaudio.effects.compressor import Compressor as Compressor
    from rtaudio.effects.dc_block import DcBlock as DcBlock
    from rtaudio.effects.delay import Delay as Delay
    from rtaudio.effects.denoise import Denoise as Denoise
    from rtaudio.effects.dither import Dither as Dither
    from rtaudio.effects.dynamic_equalizer import DynamicEqualizer as DynamicEqualizer
    from rtaudio.effects.equalizer import Equalizer as Equalizer
    from rtaudio.effects.gain import Gain as Gain
    from rtaudio.effects.leveler import Leveler as Leveler
    from rtaudio.effects.limiter import Limiter as Limiter
    from rtaudio.effects.match import Match as Match
    from rtaudio.effects.model import Model as Model
    from rtaudio.effects.multiband_compressor import MultibandCompressor as MultibandCompressor
    from rtaudio.effects.noise_gate import NoiseGate as NoiseGate
    from rtaudio.effects.parallel import Branch as Branch
    from rtaudio.effects.parallel import Parallel as Parallel
    from rtaudio.effects.saturator import Saturator as Saturator
    from rtaudio.effects.separate import Separate as Separate
    from rtaudio.effects.stream import Stream as Stream
    from rtaudio.effects.tilt import Tilt as Tilt
    from rtaudio.effects.tone_stack import ToneStack as ToneStack
    from rtaudio.effects.true_peak_limiter import TruePeakLimiter as TruePeakLimiter
    from rtaudio.effects.width import Width as Width
    from rtaudio.errors import AudioError as AudioError
    from rtaudio.errors import AudioFileError as AudioFileError
    from rtaudio.errors import CaptureError as CaptureError
    from rtaudio.errors import ClusterError as ClusterError
    from rtaudio.errors import CodecError as CodecError
    from rtaudio.errors import CodecFileError as CodecFileError
    from rtaudio.errors import ContractError as ContractError
    from rtaudio.errors import DeviceError as DeviceError
    from rtaudio.errors import FormatError as FormatError
    from rtaudio.errors import MetricsError as MetricsError
    from rtaudio.errors import ModelError as ModelError
    from rtaudio.errors import PacketError as PacketError
    from rtaudio.errors import ParameterError as ParameterError
    from rtaudio.errors import PluginError as PluginError
    from rtaudio.errors import PresetError as PresetError
    from rtaudio.errors import RtaudioError as RtaudioError
    from rtaudio.errors import SettingsError as SettingsError
    from rtaudio.errors import UsageError as UsageError
    from rtaudio.live.host import Host as Host
    from rtaudio.preset.load import load_preset as load_preset
    from rtaudio.preset.save import save_preset as save_preset
    from rtaudio.shipped import shipped_cabinets as shipped_cabinets
    from rtaudio.shipped import shipped_models as shipped_models
    from rtaudio.shipped import shipped_presets as shipped_presets

__version__ = "0.1.0"

_PLACES = {
    "Board": "rtaudio.bridge.board",
    "Branch": "rtaudio.effects.parallel",
    "Effect": "rtaudio.effects.base",
    "Host": "rtaudio.live.host",
    "Pedal": "rtaudio.bridge.pedal",
    "Plugin": "rtaudio.bridge.plugin",
    "Stream": "rtaudio.effects.stream",
    "load_preset": "rtaudio.preset.load",
    "save_preset": "rtaudio.preset.save",
    "shipped_cabinets": "rtaudio.shipped",
    "shipped_models": "rtaudio.shipped",
    "shipped_presets": "rtaudio.shipped",
}
_ERRORS = (
    *("Audio", "AudioFile", "Capture", "Cluster", "Codec", "CodecFile", "Contract", "Device"),
    *("Format", "Metrics", "Model", "Packet", "Parameter", "Plugin", "Preset", "Rtaudio"),
    *("Settings", "Usage"),
)


def _places() -> dict[str, str]:
    """Public name -> module; the effects are found by their file names."""
    errors = {f"{name}Error": "rtaudio.errors" for name in _ERRORS}
    effects = {class_name(kind): f"rtaudio.effects.{kind}" for kind in effect_kinds()}
    return _PLACES | errors | effects


if not TYPE_CHECKING:  # to a type checker, a misspelt name is an error

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
    return sorted([*_places(), "__version__"])
