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

from rtaudio.effects.base import Effect
from rtaudio.effects.cabinet import Cabinet
from rtaudio.effects.chain import Chain
from rtaudio.effects.dc_block import DcBlock
from rtaudio.effects.denoise import Denoise
from rtaudio.effects.limiter import Limiter
from rtaudio.effects.model import Model
from rtaudio.effects.noise_gate import NoiseGate
from rtaudio.errors import PresetError, closest
from rtaudio.models.loader import MODEL_SUFFIXES, load_model
from rtaudio.preset.reader import PresetReader
from rtaudio.preset.save import save_preset
from rtaudio.shipped import shipped_cabinets, shipped_presets

__all__ = ["PresetError", "load_preset", "save_preset", "shipped_presets"]

MAX_BYTES = 1 << 20


def load_preset(preset: str | Path, *, cabinet: str | Path | None = None) -> Chain:
    """Read a preset.

    Parameters
    ----------
    preset
        A file, or the name of a shipped preset. A name with a suffix or a folder is a file. A model
        file plays after a noise gate, normalized in loudness, into a limiter; a denoiser, or the
        folder with the files of one, plays alone.
    cabinet
        The loudspeaker after a model file, for a model of an amp alone: an impulse response, or
        the name of a shipped one (see `shipped_cabinets`). A preset names its own.

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
    if load_model(path).file.card.task == "denoise":
        if cabinet is not None:
            raise PresetError(f"{path}: is a denoiser, which plays without a cabinet")
        return Chain([Denoise(path, name="voice")], name=path.stem)
    effects: list[Effect] = [NoiseGate(), Model(path, name="amp", output="normalized"), DcBlock()]
    if cabinet is not None:
        effects.append(Cabinet(shipped_cabinets().get(str(cabinet), Path(cabinet))))
    return Chain([*effects, Limiter()], name=path.stem)


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
