"""Files that are written completely or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME_BYTES = 255
"""The longest file name that common file systems take."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _is_full(error: OSError) -> bool:
    """Return whether the disk, the quota or the file is full; numpy says so in words of its own."""
    return error.errno in _FULL or " requested and " in str(error)


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
        raise OSError(f"{path}: cannot be written: no space is left there; make room") from None
    finally:
        temporary.unlink(missing_ok=True)
