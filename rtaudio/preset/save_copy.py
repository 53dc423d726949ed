"""Saving what was dialled in: a new preset file beside the others."""

from __future__ import annotations

import re
from copy import copy
from pathlib import Path

from rtaudio.atomic import replacing
from rtaudio.effects.chain import Chain
from rtaudio.errors import PresetError
from rtaudio.preset.reader import PresetReader
from rtaudio.preset.rewrite import rewritten
from rtaudio.preset.save import save_preset


def save_copy(chain: Chain, folder: Path, source: Path | None = None) -> Path:
    """Write a chain as a new preset file; no file is ever overwritten.

    Parameters
    ----------
    chain
        What to write.
    folder
        Where; it is created if needed. The file is called after the chain, with a number.
    source
        The preset that the chain was made of: its comments and layout are kept.

    Returns
    -------
    pathlib.Path
        The new file.

    Raises
    ------
    OSError
        The file cannot be written.
    PresetError
        An effect was not made from a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = _claim(folder, chain.name or "preset")
    try:
        named = copy(chain)
        named.name = path.stem
        save_over(named, path, source)
    except BaseException:
        path.unlink()
        raise
    return path


def save_over(chain: Chain, path: Path, source: Path | None = None) -> None:
    """Write a chain as a preset file, which is replaced if it exists.

    Parameters
    ----------
    chain
        What to write.
    path
        The file; its folder is created if needed.
    source
        The preset that the chain was made of: its comments and layout are kept.

    Raises
    ------
    OSError
        The file cannot be written.
    PresetError
        An effect was not made from a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _of_source(chain, path, source)
    if text is None:
        save_preset(chain, path)
        return
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _claim(folder: Path, name: str) -> Path:
    """Create an empty file under the first name that is free: ``amp-2``, ``amp-3`` ..."""
    stem = re.sub(r"-\d+$", "", re.sub(r"[^\w.+ -]", "-", name)).strip(". ") or "preset"
    number = 2
    while True:
        path = folder / f"{stem}-{number}.yaml"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


def _of_source(chain: Chain, path: Path, source: Path | None) -> str | None:
    """Return the text of the source with the settings of the chain; None if that fails."""
    if source is None:
        return None
    try:
        text = rewritten(source.read_text("utf-8"), chain, path.absolute().parent)
        same = text is not None and PresetReader(path).chain(text) == chain
    except (OSError, UnicodeDecodeError, PresetError):
        return None
    return text if same else None
