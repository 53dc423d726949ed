"""The catalogue: presets, models, codecs, cabinets, set lists and plugins by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rtaudio.errors import closest
from rtaudio.settings import settings_path
from rtaudio.shipped import shipped_cabinets, shipped_codecs, shipped_models, shipped_presets

Kind = Literal["preset", "model", "codec", "cabinet", "set", "plugin"]

_SHIPPED: dict[Kind, Callable[[], dict[str, Path]]] = {
    "preset": shipped_presets,
    "model": shipped_models,
    "codec": shipped_codecs,
    "cabinet": shipped_cabinets,
    "set": dict,
    "plugin": dict,
}


def user_presets_folder() -> Path:
    """Return the folder of the user's presets, beside the settings file; it may not exist."""
    return settings_path().parent / "presets"


def user_presets() -> dict[str, Path]:
    """Return the presets of the user: name -> file."""
    found = sorted(user_presets_folder().glob("*.yaml"), key=lambda file: file.stem)
    return {file.stem: file for file in found}


def user_sets() -> dict[str, Path]:
    """Return the set lists of the user, in the folder ``sets`` beside that of his presets."""
    found = sorted((settings_path().parent / "sets").glob("*.yaml"), key=lambda file: file.stem)
    return {file.stem: file for file in found}


def user_styles_folder() -> Path:
    """Return the folder of the styles that the user has learnt; it may not exist."""
    return settings_path().parent / "styles"


def user_styles() -> dict[str, Path]:
    """Return the styles of the user: name -> file."""
    found = sorted(user_styles_folder().glob("*.yaml"), key=lambda file: file.stem)
    return {file.stem: file for file in found}


def plugin_folders() -> list[Path]:
    """Return the folders of plugins: those that ``VST3_PATH`` names, the user's, the system's.

    A plugin is native code: nothing that comes with a preset is loaded from anywhere else.
    """
    named = [Path(part) for part in os.environ.get("VST3_PATH", "").split(os.pathsep) if part]
    if sys.platform == "win32":
        common = os.environ.get("COMMONPROGRAMFILES", r"C:\Program Files\Common Files")
        return [*named, Path(common) / "VST3"]
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        roots = [home / "Library/Audio/Plug-Ins", Path("/Library/Audio/Plug-Ins")]
        return [*named, *(root / kind for root in roots for kind in ("VST3", "Components"))]
    return [*named, home / ".vst3", Path("/usr/local/lib/vst3"), Path("/usr/lib/vst3")]


def plugins() -> dict[str, Path]:
    """Return the installed plugins: name -> file; the first folder that knows a name wins."""
    found: dict[str, Path] = {}
    for folder in plugin_folders():
        files = (f for suffix in (".vst3", ".component") for f in folder.glob(f"*{suffix}"))
        for file in sorted(files):
            found.setdefault(file.stem, file)
    return found


def catalogue(*kinds: Kind) -> dict[str, Path]:
    """Return what has a name: name -> file.

    Parameters
    ----------
    *kinds
        The kinds to list. Of two things with one name the earlier kind counts, and what ships
        counts before a preset of the user.

    Examples
    --------
    >>> list(catalogue("cabinet"))
    ['american-1x12', 'bass-4x10', 'british-4x12', 'british-4x12-edge']
    """
    found: dict[str, Path] = {}
    for kind in kinds:
        own = {"preset": user_presets, "set": user_sets, "plugin": plugins}.get(kind, dict)()
        for name, file in (*_SHIPPED[kind]().items(), *own.items()):
            found.setdefault(name, file)
    return found


def find_file(word: str | Path, *kinds: Kind) -> Path:
    """Return the file that a word means: a name, a path, or a part of a name that only one has.

    Parameters
    ----------
    word
        The word. A name counts before a file of the working folder that is called alike.
    *kinds
        What is looked for, as for :func:`catalogue`.

    Raises
    ------
    FileNotFoundError
        Nothing is called so: the line has the nearest name; or several things are.

    Examples
    --------
    >>> find_file("4x10", "cabinet").name
    'bass-4x10.wav'
    """
    text, path, known = str(word), Path(word), catalogue(*kinds)
    if text in known:
        return known[text]
    if text and path.exists():
        return path
    if path.suffix or path.parent != Path():
        names = ", ".join(catalogue(kinds[0]))
        raise FileNotFoundError(f"{path}: no such {kinds[0]} file; shipped {kinds[0]}s: {names}")
    parts = [name for name in known if text and text.lower() in name.lower()]
    if len(parts) == 1:
        return known[parts[0]]
    if parts:
        raise FileNotFoundError(f"{text!r} is a part of {', '.join(parts)}; give more of the name")
    raise FileNotFoundError(f"no {' or '.join(kinds)} {text!r}; {closest(text, known)}")
