"""Saving a chain as a preset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from rtaudio.atomic import replacing
from rtaudio.catalogue import catalogue
from rtaudio.effects.base import FILE, Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.registry import known_effect
from rtaudio.errors import PresetError
from rtaudio.preset.reader import NAMED, word_of


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


def _settings(effect: Effect, folder: Path) -> dict[str, Any]:
    """Return the fields of an effect that differ from their defaults, as plain data."""
    changed = effect.changed()
    cls = type(effect)
    settings: dict[str, Any] = {}
    lists: dict[str, Any] = {}
    for key in cls.model_fields:
        value = getattr(effect, key)
        if item := cls.effect_item(key):
            write = item_of if item is Effect else _settings
            lists[word_of(key)] = [write(inner, folder) for inner in value]
        elif key == FILE:
            if not value:
                raise PresetError(f"{effect.kind}: was not made from a file; save it as one first")
            settings[key] = file_word(effect.kind, Path(value), folder)
        elif key in changed:
            path = isinstance(value, Path)
            settings[key] = file_word("", value, folder) if path else to_jsonable_python(value)
    return settings | lists


def item_of(effect: Effect, folder: Path) -> Any:
    """Return an effect as plain data: its kind, or its kind and its settings.

    Parameters
    ----------
    effect
        The effect.
    folder
        The folder of the preset, for the files that it names.

    Raises
    ------
    PresetError
        It was not made from a file, or presets know another effect by its kind.
    """
    if known_effect(effect.kind) is not type(effect):
        raise PresetError(
            f"{effect!r}: presets know another effect as {effect.kind!r}; rename the class"
        )
    settings = _settings(effect, folder)
    if not settings:
        return effect.kind
    values = [*settings.values()]
    alone = len(values) == 1 and isinstance(values[0], list)
    return {effect.kind: values[0] if alone else settings}


def file_word(kind: str, file: Path, folder: Path) -> str:
    """Return what a preset calls a file: the name of one that ships, else the relative path.

    Parameters
    ----------
    kind
        The kind of effect that plays it.
    file
        The file.
    folder
        The folder of the preset.
    """
    known = catalogue(NAMED[kind]) if kind in NAMED else {}
    name = next((name for name, shipped in known.items() if shipped == file), None)
    if name is not None and folder not in file.parents:
        return name
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # another drive
        return file.absolute().as_posix()
