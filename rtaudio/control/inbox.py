"""Inbox: files that arrive over the network, kept in one folder, and checked before they play."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from rtaudio.control.devices import SOUNDS
from rtaudio.errors import RtaudioError

MODELS = (".onnx", ".nam", ".aidax", ".json")
LIMITS_MIB = {"model": 64, "response": 16, "sound": 256}
"""The largest files of each use."""
MOST_MIB = 2048
"""Of all files that are kept."""

_LONGEST_NAME = 80


class Inbox:
    """A folder for files from outside: bounded in size, under harmless names.

    Parameters
    ----------
    folder
        The only folder that is written; it is made when the first file arrives.

    Examples
    --------
    >>> Inbox(Path("files")).place("../../etc/my amp?.nam").as_posix()
    'files/my amp.nam'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, name: str) -> Path:
        """Return where a file of a name goes, whatever folders the name pretends to have.

        Raises
        ------
        RtaudioError
            Nothing is left of the name, or its suffix is none that can be played.
        """
        last = re.split(r"[/\\]", name)[-1]
        stem, dot, suffix = last.rpartition(".")
        suffix = f"{dot}{suffix}".lower()
        if suffix not in (*SOUNDS, *MODELS):
            known = ", ".join([*MODELS, *SOUNDS])
            raise RtaudioError(f"{_shown(last)}: cannot be played; give one of {known}")
        stem = re.sub(r"[^\w+ -]", "-", stem).strip(" -")[:_LONGEST_NAME].strip()
        if not stem:
            raise RtaudioError(f"{_shown(last)}: has no name; rename it")
        return self.folder / f"{stem}{suffix}"

    @contextlib.asynccontextmanager
    async def receive(
        self, name: str, use: str, pieces: AsyncIterator[bytes]
    ) -> AsyncIterator[Path]:
        """Write a file that arrives in pieces; it is gone after the block unless it was kept.

        Parameters
        ----------
        name
            As the sender calls it.
        use
            A key of `LIMITS_MIB`.
        pieces
            Its bytes.

        Yields
        ------
        pathlib.Path
            The file, complete, in a folder of its own.

        Raises
        ------
        RtaudioError
            The name cannot be used, the file is empty or too large, or the folder is full.
        """
        wanted = self.place(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        if sum(file.stat().st_size for file in self.folder.iterdir()) > MOST_MIB << 20:
            raise RtaudioError(f"{wanted.name}: {MOST_MIB} MiB of files are kept already")
        with tempfile.TemporaryDirectory(prefix=".arriving-", dir=self.folder) as folder:
            path, size = Path(folder) / wanted.name, 0
            with path.open("wb") as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > LIMITS_MIB[use] << 20:
                        raise RtaudioError(
                            f"{wanted.name}: larger than {LIMITS_MIB[use]} MiB, which is the most "
                            f"for a {use}"
                        )
                    file.write(piece)
            if size == 0:
                raise RtaudioError(f"{wanted.name}: is empty")
            yield path

    def keep(self, arrived: Path) -> Path:
        """Keep a file that has arrived.

        Parameters
        ----------
        arrived
            From :meth:`receive`.

        Returns
        -------
        pathlib.Path
            Its place: the name, or the next one that is free (``amp-2.nam``); if the same bytes are
            there already, these.
        """
        number, path = 1, self.folder / arrived.name
        while True:
            try:
                os.link(arrived, path)
            except FileExistsError:
                if _alike(arrived, path):
                    return path
                number += 1
                path = path.with_name(f"{arrived.stem}-{number}{arrived.suffix}")
            else:
                return path


def _alike(one: Path, other: Path) -> bool:
    same_size = other.is_file() and one.stat().st_size == other.stat().st_size
    return same_size and one.read_bytes() == other.read_bytes()


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else " " for c in name)[:_LONGEST_NAME]
