"""Saving what plays as a preset of the user."""

from __future__ import annotations

import re
from copy import copy
from pathlib import Path

from rtaudio.catalogue import user_presets, user_presets_folder
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import ParameterError
from rtaudio.preset.load import is_model, load_preset
from rtaudio.preset.save_copy import save_copy, save_over
from rtaudio.shipped import shipped_presets

_LONGEST = 80


def save_new(chain: Chain, switch: str, playing: Path | None) -> Path:
    """Write a chain as a new preset; no file is ever overwritten.

    It goes beside the preset that it was made of if that is the user's own, else into the folder of
    his presets.

    Parameters
    ----------
    chain
        What to write.
    switch
        The parameter that compares, which is written as off.
    playing
        The file that the chain was made of.
    """
    source = _source(playing)
    own = source is not None and source not in shipped_presets().values()
    folder = source.parent if own and source is not None else user_presets_folder()
    return save_copy(_audible(chain, switch), folder, source)


def save_as(
    chain: Chain, switch: str, playing: Path | None, name: str, replace: bool = False
) -> Path:
    """Write a chain as a preset of a name into the folder of the user's presets.

    Parameters
    ----------
    chain, switch, playing
        As for :func:`save_new`.
    name
        The name.
    replace
        Whether a preset of this name may be replaced.

    Raises
    ------
    FileExistsError
        The user has a preset of this name.
    ParameterError
        It cannot be the name of a preset.
    """
    path = _free(name, replace)
    named = _audible(chain, switch)
    named.name = path.stem
    save_over(named, path, _source(playing))
    return path


def rename(name: str, new: str) -> Path:
    """Give a preset of the user another name.

    Parameters
    ----------
    name, new
        The names.

    Raises
    ------
    FileNotFoundError
        The user has no such preset.
    FileExistsError
        The user has a preset of the new name.
    ParameterError
        It cannot be the name of a preset.
    """
    old = user_presets().get(name)
    if old is None:
        raise FileNotFoundError(f"no preset of yours is called {name!r}")
    path = _free(new, False)
    chain = load_preset(old)
    chain.name = path.stem
    save_over(chain, path, old)
    old.unlink()
    return path


def _free(name: str, replace: bool) -> Path:
    """Return the file for a name that a preset may have."""
    stem = re.sub(r"[^\w.+ -]", "-", name).strip(". ")[:_LONGEST].strip(". ")
    if not stem:
        raise ParameterError(f"{name!r} cannot be the name of a preset; use letters and digits")
    if stem in shipped_presets():
        raise ParameterError(f"{stem} is a preset that ships with rtaudio; choose another name")
    path = user_presets_folder() / f"{stem}.yaml"
    if (path.exists() and not replace) or path.is_symlink():
        raise FileExistsError(f"{path}: exists; choose another name")
    return path


def _source(playing: Path | None) -> Path | None:
    """Return the preset file whose comments are kept."""
    if playing is None or is_model(playing) or playing.suffix not in (".yaml", ".yml"):
        return None
    return playing


def _audible(chain: Chain, switch: str) -> Chain:
    """Return a chain without the comparison that may be on."""
    audible = copy(chain)
    owner, _, parameter = switch.rpartition(".")
    if owner in (chain.name, chain.kind):
        audible.bypass = False
        return audible

    def plain(effect: Effect) -> Effect:
        mine = owner in (effect.name, effect.kind) and parameter in type(effect).model_fields
        if not mine:
            return effect
        alone = copy(effect)
        alone.set_live(parameter, False)
        return alone

    audible.effects = [plain(effect) for effect in chain.effects]
    return audible
