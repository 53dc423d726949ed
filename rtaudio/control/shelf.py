"""Shelf: what can be put into a chain, and the presets that can be opened, each with one line."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any, cast

from rtaudio.catalogue import Kind, catalogue, user_presets_folder
from rtaudio.effects.registry import known_effect, known_kinds
from rtaudio.errors import RtaudioError
from rtaudio.preset.load import describe_preset

_HOLDERS = ("board", "chain", "parallel", "split")
"""Effects that are nothing without others inside."""


@cache
def effects_to_add() -> list[dict[str, str]]:
    """Return what :meth:`Session.add` takes by name: word, kind, title and description of each.

    A kind that needs a file is there once for each file that ships.
    """
    found = [_entry(kind) for kind in known_kinds() if _alone(kind)]
    words = {entry["word"] for entry in found}
    for kind, about in (
        ("cabinet", "A loudspeaker and its microphone."),
        ("model", "A neural net."),
    ):
        names = catalogue(cast(Kind, kind)).keys() - words
        found += [
            {"word": name, "kind": kind, "title": name, "description": about}
            for name in sorted(names)
        ]
    return found


def _alone(kind: str) -> bool:
    """Say whether an effect of a kind can be made without any setting."""
    cls = known_effect(kind)
    return cls is not None and kind not in _HOLDERS and cls.missing_argument({}) is None


def _entry(kind: str) -> dict[str, str]:
    """Return the line of a kind: its name in words, and the first lines of its docstring."""
    text = (inspect.getdoc(known_effect(kind)) or "").partition("\n\n")[0]
    title = kind.replace("_", " ").capitalize().replace("Dc ", "DC ")
    return {"word": kind, "kind": kind, "title": title, "description": " ".join(text.split())}


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
