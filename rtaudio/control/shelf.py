"""Shelf: what can be put into a chain, and the presets that can be opened, each with one line."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any

from rtaudio.catalogue import catalogue, user_presets_folder
from rtaudio.effects.registry import class_name, known_effect, known_kinds
from rtaudio.errors import RtaudioError
from rtaudio.preset.load import describe_preset

_HOLDERS = ("chain", "parallel", "split")
"""Effects that are nothing without others inside."""


@cache
def effects_to_add() -> list[dict[str, str]]:
    """Return what :meth:`Session.add` takes by name: word, kind, title and description of each.

    Kinds that need a file are there once for each file that ships.
    """
    found = [_entry(kind, kind) for kind in known_kinds() if _alone(kind)]
    for name, file in catalogue("cabinet").items():
        found.append(_entry("cabinet", str(file)) | {"title": f"Cabinet {name}"})
    for name, file in catalogue("model").items():
        kind = "denoise" if name.startswith("denoise") else "model"
        found.append(_entry(kind, str(file)) | {"title": f"{class_name(kind)} {name}"})
    return found


def _alone(kind: str) -> bool:
    """Say whether an effect of a kind can be made without any setting."""
    cls = known_effect(kind)
    if cls is None or kind in _HOLDERS:
        return False
    try:
        cls()
    except (RtaudioError, OSError, TypeError):
        return False
    return True


def _entry(kind: str, word: str) -> dict[str, str]:
    cls = known_effect(kind)
    text = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    title = " ".join(inspect.cleandoc(class_name(kind)).split())
    return {
        "word": word,
        "kind": kind,
        "title": _spaced(title),
        "description": " ".join(text.split()),
    }


def _spaced(name: str) -> str:
    """Return the name of a class as words: ``NoiseGate`` is ``Noise gate``."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    return words[:1].upper() + words[1:]


def presets_to_open() -> list[dict[str, Any]]:
    """Return the presets: name, description, and whether it is the user's own."""
    folder = user_presets_folder()
    return [
        {"name": name, "description": _described(file, _age(file)), "own": file.parent == folder}
        for name, file in catalogue("preset").items()
    ]


def _age(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


@cache
def _described(file: Path, age: int) -> str:
    """Return the description of a preset; of a damaged one the fault."""
    try:
        return describe_preset(file)
    except (RtaudioError, OSError) as error:
        return f"cannot be played: {error}"
