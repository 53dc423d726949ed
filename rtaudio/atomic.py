"""Files that are written completely or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME_BYTES = 255
"""The longest file name that common file systems take."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(OSError):
    """A file could not be written, as no space is left."""


def _is_full(error: OSError) -> bool:
    """Return whether the disk, the quota or the file is full; numpy says so in words of its own."""
    return error.errno in _FULL or " requested and " in str(error)


def new_file(source: Path, target: Path, force: bool, suffix: str | None = None) -> Path:
    """Return the file to write, by the rule of all verbs: as ``cp`` does, but it never overwrites.

    Parameters
    ----------
    source
        The file that is read, or ``-``.
    target
        The new file, or a folder for a file of the same name.
    force
        Whether an existing file may be replaced.
    suffix
        Of a file in a folder; None: that of ``source``.

    Raises
    ------
    FileExistsError
        There is such a file, or it is the one that is read.
    IsADirectoryError
        ``target`` is a folder, and ``source`` has no name.

    Examples
    --------
    >>> new_file(Path("a.wav"), Path("b.wav"), force=False).name
    'b.wav'
    """
    if target.is_dir():
        if not source.name or source == Path("-"):
            raise IsADirectoryError(f"{target}: is a folder; name the new file in it")
        target = target / source.name
        if suffix is not None:
            target = target.with_suffix(suffix)
    if target.exists() and source.exists() and source.samefile(target):
        raise FileExistsError(f"{target}: is the file that is read; choose another name")
    may_write(target, force)
    return target


def may_write(target: Path, force: bool) -> None:
    """Refuse to replace what exists, unless the user says so.

    Parameters
    ----------
    target
        The file or folder to write.
    force
        Whether it may be replaced.

    Raises
    ------
    FileExistsError
        It exists.
    """
    if target.exists() and not force:
        raise FileExistsError(f"{target}: exists; choose another name, or replace it: --force")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield the name of a temporary file, which replaces ``path`` when the block succeeds.

    If the block raises or is interrupted, the temporary file is removed and ``path`` stays as it
    was. Both are in the same folder, so the replacement is atomic.

    Parameters
    ----------
    path
        The file to write; its folder must exist.

    Yields
    ------
    pathlib.Path
        The temporary file, with the suffix of ``path``.

    Raises
    ------
    OSError
        ``path`` cannot be written.

    Examples
    --------
    >>> with replacing("wet.txt") as temporary:      # doctest: +SKIP
    ...     temporary.write_text("complete")
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise OSError(f"{path}: exists and is not a file; choose another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise PermissionError(
            f"{path}: not writable; choose another place, or change its permissions"
        )
    end = f".{os.getpid()}.part{path.suffix}"
    room = max(0, _NAME_BYTES - len(os.fsencode(end)) - 1)
    temporary = path.with_name(f".{os.fsdecode(os.fsencode(path.stem)[:room])}{end}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None or not _is_full(error):
            raise
        raise DiskFullError(
            f"{path}: cannot be written: no space is left there; make room"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(path: Path) -> list[Path]:
    """Return the temporary files of `replacing` whose process was killed.

    Parameters
    ----------
    path
        The file that was to be replaced, or a folder of such files.

    Examples
    --------
    >>> leftovers(Path("no such folder") / "a.wav")
    []
    """
    folder = path if path.is_dir() else path.parent
    found = []
    for file in folder.glob(".*.part*") if folder.is_dir() else ():
        match = re.fullmatch(r"\.(.*)\.\d+\.part(\..*)?", file.name, re.DOTALL)
        if match is None:
            continue
        stem, suffix = match[1], match[2] or ""
        cut = len(os.fsencode(file.name)) >= _NAME_BYTES - 3 and path.stem.startswith(stem)
        if path.is_dir() or ((path.stem == stem or cut) and path.suffix == suffix):
            found.append(file)
    return found
