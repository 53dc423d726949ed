"""The ledger of a folder: which files were made from what, so that none is made twice.

For each new file there is a small JSON file in ``.rtaudio/`` beside it, written by the process that
made the file. It is there before the work begins, without ``target``, and again after the file is
complete. So whatever dies when, the next one knows whether a file may be replaced, and whether it
is done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rtaudio.atomic import replacing

FOLDER = ".rtaudio"
_MOST_BYTES = 4096


class Ledger:
    """The entry of one new file.

    Parameters
    ----------
    recipe
        What identifies settings, models and version, see `recipe_of`.
    source, target
        The file that is read, and the file or folder that is made of it.

    Attributes
    ----------
    done
        Whether the target stands there as it was made, from this source by this recipe.
    begun
        Whether somebody began to make it from this source by this recipe and has not ended: what
        stands at the target was not there before.
    """

    def __init__(self, recipe: str, source: Path, target: Path) -> None:
        self._path = target.parent / FOLDER / f"{target.name}.json"
        self._target = target
        self._entry = {"recipe": recipe, "source": digest_of(source)}
        found = self._read()
        same = self._entry.items() <= found.items()
        self.begun = same and found.get("target") is None
        self.done = same and not self.begun and found["target"] == digest_of(target)

    def begin(self) -> None:
        """Note that the work begins; the target does not exist, or may be replaced."""
        self._write(None)

    def forget(self) -> None:
        """Note that nothing was made."""
        self._path.unlink(missing_ok=True)

    def end(self) -> None:
        """Note that the target is complete."""
        self._write(digest_of(self._target))

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, target: str | None) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as temporary:
            temporary.write_text(json.dumps({**self._entry, "target": target}))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder; empty if there is none.

    Examples
    --------
    >>> digest_of(Path("no such file"))
    ''
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if _counts(file.relative_to(path)))
        whole = hashlib.sha256()
        for file in files:
            if file.is_file():
                whole.update(f"{file.relative_to(path)}\0{digest_of(file)}\n".encode())
        return whole.hexdigest()
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""


def _counts(file: Path) -> bool:
    return not any(part.startswith(".") for part in file.parts)


def recipe_of(version: str, work: bytes, needs: Iterable[Path]) -> str:
    """Return what identifies a work: the same recipe makes the same file of the same source.

    Parameters
    ----------
    version
        Of this package.
    work
        The function and its settings, in bytes.
    needs
        The presets and models that it reads; their content counts, not their names.
    """
    whole = hashlib.sha256(version.encode() + b"\0" + work)
    for path in needs:
        whole.update(digest_of(path).encode())
    return whole.hexdigest()
