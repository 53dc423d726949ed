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

import os
from pathlib import Path
from typing import Any

import yaml

from rtaudio.atomic import replacing
from rtaudio.chain import Chain
from rtaudio.effects.base import Effect
from rtaudio.models.foreign import FOREIGN_SUFFIXES
from rtaudio.preset_reader import PresetError, PresetReader, closest
from rtaudio.registry import FILE, effect_item, field_word

__all__ = ["PresetError", "load_preset", "save_preset", "shipped_presets"]

MAX_BYTES = 1 << 20
MODEL_SUFFIXES = (".onnx", *FOREIGN_SUFFIXES)


def shipped_presets() -> dict[str, Path]:
    """Return the presets that come with rtaudio: name -> file."""
    here = Path(__file__).parent
    folder = next((f for f in (here / "presets", here.parent / "presets") if f.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))} if folder else {}


def shipped_cabinets() -> dict[str, Path]:
    """Return the loudspeakers that come with rtaudio: name -> impulse response."""
    presets = shipped_presets().values()
    folders = {file.parent / "cabinets" for file in presets}
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.wav"))}


def load_preset(preset: str | Path, *, cabinet: str | Path | None = None) -> Chain:
    """Read a preset.

    Parameters
    ----------
    preset
        A file, or the name of a shipped preset. A name with a suffix or a folder is a file. A model
        file plays as it is, behind a noise gate, brought to the usual loudness, into a limiter; a
        denoiser, or the folder with the files of one, plays alone.
    cabinet
        The loudspeaker behind a model file, for a capture of an amp alone: an impulse response, or
        the name of a shipped one (see `shipped_cabinets`). A preset names its own.

    Returns
    -------
    Chain
        The chain; its files are absolute paths.

    Raises
    ------
    PresetError
        The preset cannot be played: one line with the file, the line, the fault and the remedy.
    ContractError, CaptureError
        It is a model file, and cannot be played.
    FileNotFoundError
        No such preset.

    Examples
    --------
    >>> chain = load_preset("bypass")
    >>> chain.name, chain.effects
    ('bypass', [])
    """
    path = _find(preset)
    of_a_model = (
        any(path.glob("*.onnx")) if path.is_dir() else path.suffix.lower() in MODEL_SUFFIXES
    )
    if not of_a_model and not path.is_file():
        raise PresetError(f"{path}: not a file; give a preset file or one of {_names()}")
    if of_a_model:
        return _model_alone(path, cabinet)
    if cabinet is not None:
        raise PresetError(f"{path}: a preset names its own cabinet; --cabinet is for a model file")
    if path.stat().st_size > MAX_BYTES:
        raise PresetError(f"{path}: larger than {MAX_BYTES >> 20} MiB, so not a preset")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise PresetError(f"{path}: not a text file in UTF-8, so not a preset") from None
    return PresetReader(path).chain(text)


def _model_alone(path: Path, cabinet: str | Path | None) -> Chain:
    from rtaudio.effects.cabinet import Cabinet
    from rtaudio.effects.dc_block import DcBlock
    from rtaudio.effects.denoise import Denoise
    from rtaudio.effects.limiter import Limiter
    from rtaudio.effects.model import Model
    from rtaudio.effects.noise_gate import NoiseGate
    from rtaudio.models.loader import load_model

    if load_model(path).file.card.task == "denoise":
        if cabinet is not None:
            raise PresetError(f"{path}: is a denoiser, which plays without a cabinet")
        return Chain([Denoise(path, name="voice")], name=path.stem)
    effects: list[Effect] = [NoiseGate(), Model(path, name="amp", output="normalized"), DcBlock()]
    if cabinet is not None:
        effects.append(Cabinet(shipped_cabinets().get(str(cabinet), Path(cabinet))))
    return Chain([*effects, Limiter()], name=path.stem)


def save_preset(chain: Chain, path: str | Path, description: str = "") -> None:
    """Write a chain as a preset; settings that are at their default are left out.

    Parameters
    ----------
    chain
        What to write. ``load_preset`` gives an equal chain, with files as absolute paths.
    path
        The file. It is replaced in one step, or not at all.
    description
        One line for the reader of the file.
    """
    path = Path(path)
    settings = _settings(chain, path.absolute().parent)
    name = {"name": settings.pop("name")} if "name" in settings else {}
    about = {"description": description} if description else {}
    text = yaml.safe_dump(
        name | about | settings,
        sort_keys=False, allow_unicode=True, width=100, default_flow_style=None,
    )  # fmt: skip
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _names() -> str:
    return ", ".join(shipped_presets())


def _find(preset: str | Path) -> Path:
    path = Path(preset)
    shipped = shipped_presets()
    if str(preset) in shipped:
        return shipped[str(preset)]
    if path.exists():
        return path
    if path.suffix.lower() in MODEL_SUFFIXES:
        raise FileNotFoundError(f"{path}: no such model file")
    if path.suffix or path.parent != Path():
        raise FileNotFoundError(f"{path}: no such preset file; shipped presets: {_names()}")
    raise FileNotFoundError(f"no preset {str(preset)!r}; {closest(str(preset), shipped)}")


def _settings(effect: Effect, folder: Path) -> dict[str, Any]:
    """Return the fields of an effect that differ from their defaults, as plain data."""
    dumped = effect.model_dump(mode="json", exclude_defaults=True, exclude={"effects", "paths"})
    cls = type(effect)
    settings: dict[str, Any] = {}
    lists: dict[str, Any] = {}
    for key in cls.model_fields:
        value = getattr(effect, key)
        if item := effect_item(cls, key):
            write = _item if item is Effect else _settings
            lists[field_word(key)] = [write(inner, folder) for inner in value]
        elif key == FILE:
            if not value:
                raise PresetError(f"{effect.kind}: was not made from a file; save it as one first")
            settings[key] = _relative(Path(value), folder)
        elif key in dumped:
            settings[key] = dumped[key]
    return settings | lists


def _item(effect: Effect, folder: Path) -> Any:
    settings = _settings(effect, folder)
    if not settings:
        return effect.kind
    values = [*settings.values()]
    alone = len(values) == 1 and isinstance(values[0], list)
    return {effect.kind: values[0] if alone else settings}


def _relative(file: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # another drive
        return file.absolute().as_posix()
