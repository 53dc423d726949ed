"""Sound files whose header was never finished, read as if it had been."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

from rtaudio.audio.iff import Chunk, walk

_RIFF_BYTES = 0xFFFFFFFF - 4096
_HEADER_BYTES = 1 << 20
_PLAIN = (b"NONE", b"twos", b"sowt", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64")
"""AIFC codes of samples that are not compressed."""


class _Mended(io.RawIOBase):
    """A new header, and the sound of a file behind it, as one file."""

    def __init__(self, file: BinaryIO, header: bytes, sound: Chunk) -> None:
        self._file, self._header, self._sound = file, header, sound
        self._at = 0
        self._end = len(header) + sound.size

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (0, self._at, self._end)[whence]
        self._at = max(0, min(self._end, start + offset))
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._end - self._at)
        head = self._header[self._at : self._at + wanted]
        view[: len(head)] = head
        got = len(head)
        if got < wanted:
            self._file.seek(self._sound.at + self._at + got - len(self._header))
            rest = self._file.read(wanted - got)
            view[got : got + len(rest)] = rest
            got += len(rest)
        self._at += got
        return got

    def close(self) -> None:
        self._file.close()
        super().close()


def mended(path: Path) -> io.RawIOBase | None:
    """Return a file with its header finished; None if nothing has to be mended.

    The file on disk stays as it is. What is mended: sizes of 0, or too small, of a WAV, RF64 or
    AIFF file with more sound behind them, and chunks of odd size without a pad byte.

    Parameters
    ----------
    path
        A file of any kind.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    file = path.open("rb")
    try:
        header, sound = _mended_header(file)
    except (struct.error, ValueError):
        header, sound = b"", None
    if sound is not None:
        return _Mended(file, header, sound)
    file.close()
    return None


def _mended_header(file: BinaryIO) -> tuple[bytes, Chunk | None]:
    """Return the header and the chunk of the sound; None: the file is as good as it can be."""
    before: list[Chunk] = []
    sound = None
    file.seek(0)
    form = file.read(12)
    for chunk in walk(file):
        if chunk.name in (b"data", b"SSND"):
            sound = chunk
            break
        if chunk.size > _HEADER_BYTES:
            return b"", None
        before.append(chunk)
    if sound is None or not sound.size:
        return b"", None
    unpadded = any(
        second.at - 8 - (first.at + first.size) != first.size % 2
        for first, second in zip(before, [*before[1:], sound], strict=True)
    )
    wave = sound.name == b"data"
    frames, stated = (0, 0) if wave else _aiff_frames(file, before, sound)
    unfinished = sound.size > sound.stated or frames > stated
    if not (unpadded or unfinished):
        return b"", None
    kept = [(c.name, _content(file, c)) for c in before if c.name not in (b"ds64", b"JUNK")]
    if not wave:
        kept = [(n, c[:2] + struct.pack(">I", frames) + c[6:] if n == b"COMM" else c)
                for n, c in kept]  # fmt: skip
    return _header(form, kept, sound.name, sound.size), sound


def _header(form: bytes, chunks: list[tuple[bytes, bytes]], name: bytes, size: int) -> bytes:
    """Return all of a file that stands in front of the sound."""
    order = ">" if form[:4] == b"FORM" else "<"
    large = order == "<" and size > _RIFF_BYTES
    if large:
        chunks = [(b"ds64", struct.pack("<QQQI", size + 4096, size, 0, 0)), *chunks]
    parts = [struct.pack(f"{order}4sI", n, len(c)) + c + b"\0" * (len(c) % 2) for n, c in chunks]
    shown = 0xFFFFFFFF if large else size
    parts.append(struct.pack(f"{order}4sI", name, shown))
    inner = b"".join(parts)
    whole = 0xFFFFFFFF if large else 4 + len(inner) + size
    first = b"FORM" if order == ">" else b"RF64" if large else b"RIFF"
    return first + struct.pack(f"{order}I", whole) + form[8:] + inner


def _content(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.at)
    return file.read(chunk.size)


def _aiff_frames(file: BinaryIO, chunks: list[Chunk], sound: Chunk) -> tuple[int, int]:
    """Return how many frames an AIFF file holds and states; (0, 0) if they are compressed."""
    common = next((_content(file, c) for c in chunks if c.name == b"COMM"), b"")
    channels, stated, bits = struct.unpack_from(">HIH", common)
    if len(common) >= 22 and common[18:22] not in _PLAIN:
        return 0, 0
    return max(0, sound.size - 8) // max(1, channels * -(-bits // 8)), int(stated)
