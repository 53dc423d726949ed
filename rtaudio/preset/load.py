"""Presets: a chain as a YAML file that a person can read, write and share.

::

    name: crunch
    description: A pushed British combo.
    chain:
      - noise_gate: {threshold_db: -60}
      - model: {name: amp, file: models/crunch.onnx}     # relative to this file
      - parallel:
          - {pan: -1, chain: [{cabinet: {file: cabinets/open.wav}}]}
          - {pan: 1, gain_db: -3, chain: [{cabinet: {file: cabinets/closed.wav}}]}
      - limiter                                          # all defaults

An item of ``chain`` is the kind of an effect and its settings, which are the fields of its class:
there is no second list of them. A list in place of the settings is the effect's only list
(``effects``, ``paths``, ``bands`` ...), and ``chain`` is another word for ``effects``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtaudio.catalogue import find_file
from rtaudio.effects.base import Effect
from rtaudio.effects.cabinet import Cabinet
from rtaudio.effects.chain import Chain
from rtaudio.effects.dc_block import DcBlock
from rtaudio.effects.denoise import Denoise
from rtaudio.effects.gain import Gain
from rtaudio.effects.limiter import Limiter
from rtaudio.effects.model import Model
from rtaudio.effects.noise_gate import NoiseGate
from rtaudio.effects.tone_stack import ToneStack
from rtaudio.errors import PresetError
from rtaudio.models.loader import MODEL_SUFFIXES, load_model
from rtaudio.preset.reader import PresetReader
from rtaudio.preset.save import save_preset
from rtaudio.shipped import shipped_presets

__all__ = ["PresetError", "load_preset", "save_preset", "shipped_presets"]

MAX_BYTES = 1 << 20


def load_preset(
    preset: str | Path, *, cabinet: str | Path | None = None, slim: float | None = None
) -> Chain:
    """Read a preset.

    Parameters
    ----------
    preset
        A file; the name of a preset, shipped or the user's, or of a shipped model; or a part of
        the name that no other has. A model file gets knobs: a noise gate, an input gain, the model,
        normalized in loudness, a tone stack, an output gain and a limiter. They start neutral. A
        denoiser, or the folder with the files of one, plays alone.
    cabinet
        The loudspeaker after a model file, for a model of an amp alone: an impulse response, or
        the name of a shipped one (see `shipped_cabinets`). A preset names its own.
    slim
        Which size to play, of a ``.nam`` file that holds several: 0 is the smallest, 1 (also None)
        the whole. A preset names its own.

    Returns
    -------
    Chain
        The chain; its files are absolute paths.

    Raises
    ------
    PresetError
        The preset cannot be played: one line with the file, the line, the fault and the remedy.
    ContractError, FormatError
        It is a model file, and cannot be played.
    FileNotFoundError
        No such preset.

    Examples
    --------
    >>> chain = load_preset("bypass")
    >>> chain.name, chain.effects
    ('bypass', [])
    """
    path = find_preset(preset)
    if is_model(path):
        return _model_alone(path, cabinet, slim)
    if not path.is_file():
        names = ", ".join(shipped_presets())
        raise PresetError(f"{path}: not a file; give a preset file or one of {names}")
    for option, value in (("cabinet", cabinet), ("slim", slim)):
        if value is not None:
            raise PresetError(
                f"{path}: a preset names its own {option}; --{option} is for a model file"
            )
    return PresetReader(path).chain(_read_text(path))


def describe_preset(path: Path) -> str:
    """Return the description that a preset file has; empty if it has none.

    Its effects are not made, so it may have faults that only :func:`load_preset` finds.

    Raises
    ------
    PresetError
        It is no preset.
    """
    return PresetReader(path).description(_read_text(path))


def preset_midi(path: Path) -> list[Any]:
    """Return the mappings of MIDI controls in a preset file, as plain data that is not checked.

    Raises
    ------
    PresetError
        It is not a preset.
    """
    if is_model(path) or path.suffix.lower() not in (".yaml", ".yml"):
        return []
    return PresetReader(path).midi(_read_text(path)) or []


def _read_text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise PresetError(f"{path}: larger than {MAX_BYTES >> 20} MiB, so not a preset")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise PresetError(f"{path}: not a text file in UTF-8, so not a preset") from None


def find_preset(preset: str | Path) -> Path:
    """Return the file of a preset or model, as :func:`load_preset` finds it.

    Raises
    ------
    FileNotFoundError
        Nothing is called so.
    """
    path = Path(preset)
    if path.suffix.lower() in MODEL_SUFFIXES and not path.exists():
        raise FileNotFoundError(f"{path}: no such model file")
    return find_file(preset, "preset", "model")


def is_model(path: Path) -> bool:
    """Say whether a path is a model file, or a folder with the files of a denoiser."""
    if path.is_dir():
        return any(path.glob("*.onnx"))
    return path.suffix.lower() in MODEL_SUFFIXES


def _model_alone(path: Path, cabinet: str | Path | None, slim: float | None) -> Chain:
    """Return the chain that plays a model file."""
    size = 1.0 if slim is None else slim
    if load_model(path, slim=size).file.card.task == "denoise":
        if cabinet is not None:
            raise PresetError(f"{path}: is a denoiser, which plays without a cabinet")
        return Chain([Denoise(path, name="voice")], name=path.stem)
    effects: list[Effect] = [
        NoiseGate(),
        Gain(name="input"),
        Model(path, name="amp", slim=size, output="normalized"),
        DcBlock(),
        ToneStack(name="tone"),
    ]
    if cabinet is not None:
        effects.append(Cabinet(find_file(cabinet, "cabinet"), name="cab"))
    return Chain([*effects, Gain(name="output"), Limiter()], name=path.stem)
