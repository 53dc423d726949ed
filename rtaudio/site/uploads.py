"""Uploads: what a visitor sends is measured, decoded, and put into the queue, or refused."""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import HTTPException

from rtaudio.errors import RtaudioError, plain
from rtaudio.site.child import Child
from rtaudio.site.files import SONG, folder_bytes
from rtaudio.site.limits import HOUR_S, Limits, UploadRate
from rtaudio.site.store import Job, Store, new_token

DECODE_S = 300.0
"""A file that takes longer to decode is refused; of the processor it gets less, see `song`."""
ARRIVE_S = 3600.0
"""So is one that takes longer to arrive."""
FREE_BYTES = 1 << 30
"""What is left free on the disk, for everybody else."""
MOST_WAITING = 500

_STEMS = 4
_AT_ONCE = 2
_LONGEST_NAME = 120


class Uploads:
    """Takes songs in.

    Parameters
    ----------
    store
        Where the jobs go.
    folder
        Of the site; songs arrive in ``arriving`` and go to ``jobs``.
    limits
        What is taken.
    """

    def __init__(self, store: Store, folder: Path, limits: Limits) -> None:
        self._store, self._limits = store, limits
        self._folder, self._arriving = folder, folder / "arriving"
        self._jobs = folder / "jobs"
        self._rate = UploadRate(limits.uploads_per_hour)
        self._promised = 0
        self._decoding = asyncio.Semaphore(_AT_ONCE)

    async def receive(
        self,
        name: str,
        backend: str,
        visitor: str,
        address: str,
        length: int,
        pieces: AsyncIterator[bytes],
    ) -> Job:
        """Take a song, and put its job into the queue.

        Parameters
        ----------
        name
            As the visitor calls it.
        backend
            Name of the back end.
        visitor, address
            Who sends it, and from where.
        length
            Number of bytes that are announced.
        pieces
            The bytes.

        Raises
        ------
        fastapi.HTTPException
            It is refused: 413 too large, 415 no sound, 422 empty, 429 too many, 507 no space.
        """
        shown = shown_name(name)
        self._admit(shown, address, length)
        self._promised += length
        try:
            with tempfile.TemporaryDirectory(dir=self._arriving) as folder:
                arrived, song = Path(folder) / "upload", Path(folder) / "job" / SONG
                song.parent.mkdir()
                try:
                    async with asyncio.timeout(ARRIVE_S):
                        await _write(arrived, length, pieces)
                except TimeoutError:
                    raise HTTPException(408, f"{shown}: took too long to arrive") from None
                found = await self._decoded(shown, arrived, song)
                need = _STEMS * int(found["bytes"])
                self._check_space(shown, need)
                token = new_token()
                os.rename(song.parent, self._jobs / token)
                return self._store.add(
                    token, visitor, shown, backend, audio_s=float(found["seconds"]),
                    result_bytes=need, note=_named(str(found["damage"]), arrived, shown),
                )  # fmt: skip
        finally:
            self._promised -= length

    def _admit(self, shown: str, address: str, length: int) -> None:
        """Refuse an upload for what is known before it arrives."""
        if length == 0:
            raise HTTPException(422, f"{shown}: is empty")
        if length > self._limits.file_mib << 20:
            raise HTTPException(
                413, f"{shown}: is larger than {self._limits.file_mib} MiB, which is the most"
            )
        if len(self._store.unfinished()) >= MOST_WAITING:
            raise HTTPException(503, f"{MOST_WAITING} songs are waiting; come back later")
        if wait_s := self._rate.wait_s(address):
            raise HTTPException(
                429,
                f"{shown}: {self._limits.uploads_per_hour} songs an hour are the most; come back "
                f"in {math.ceil(wait_s / 60.0)} minutes",
                {"retry-after": str(math.ceil(wait_s))},
            )
        self._check_space(shown, length)

    def _check_space(self, shown: str, more: int) -> None:
        """Refuse what would not fit beside all that is there and all that is going to be made."""
        ahead = self._promised + sum(job.result_bytes for job in self._store.unfinished())
        most = self._limits.disk_gib * (1 << 30)
        if (
            folder_bytes(self._folder) + ahead + more > most
            or shutil.disk_usage(self._folder).free - ahead - more < FREE_BYTES
        ):
            hours = math.ceil(self._limits.keep_hours * HOUR_S / 3600.0)
            raise HTTPException(
                507, f"{shown}: there is no space left for it; songs are removed after {hours} h"
            )

    async def _decoded(self, shown: str, arrived: Path, song: Path) -> dict[str, Any]:
        """Decode a file in a process of its own, of which there are few at a time."""
        async with self._decoding:
            child = Child(
                "check", source=str(arrived), target=str(song), minutes=self._limits.minutes
            )
            try:
                found: dict[str, Any] = await asyncio.to_thread(child.result, DECODE_S)
            except RtaudioError as error:
                fault = _named(str(error), arrived, shown)
                text = fault if fault.startswith(shown) else f"{shown}: {fault}"
                raise HTTPException(415, text) from None
            except asyncio.CancelledError:
                child.kill()
                raise
        return found


async def _write(path: Path, length: int, pieces: AsyncIterator[bytes]) -> None:
    size = 0
    with path.open("wb") as file:
        async for piece in pieces:
            size += len(piece)
            if size > length:
                raise HTTPException(413, "sends more bytes than it announced")
            file.write(piece)
    if size < length:
        raise HTTPException(422, "sends fewer bytes than it announced")


def _named(text: str, path: Path, shown: str) -> str:
    """Return a message about a file with the visitor's name of it; ours is nobody's business."""
    return text.replace(str(path), shown)


def shown_name(name: str) -> str:
    r"""Return a name without folders and control characters, for people; never a path.

    Examples
    --------
    >>> shown_name("../../etc/my song\n.mp3"), shown_name("///")
    ('my song .mp3', 'song')
    """
    last = re.split(r"[/\\]", plain(name))[-1].strip()
    return last[:_LONGEST_NAME] or "song"
