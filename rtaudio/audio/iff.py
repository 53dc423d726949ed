"""The chunks of WAV and AIFF files, found as well where the header was never finished.

A recorder that lost power leaves sizes of 0, or those of its last update; old writers forget the
pad byte after a chunk of odd size. Both are seen by what lies behind a chunk: another chunk, or the
end of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_MAX_CHUNKS = 1000
_UNKNOWN = 0xFFFFFFFF
_TAIL_BYTES = 1 << 20
"""Chunks behind sound whose size is unknown are looked for so near to the end."""

_BEHIND = (b"LIST", b"bext", b"iXML", b"id3 ", b"ID3 ", b"cue ", b"smpl", b"cart", b"PEAK", b"axml",
           b"_PMX", b"afsp", b"inst", b"MARK", b"INST", b"NAME", b"AUTH", b"ANNO")  # fmt: skip
_TAGS = (b"TAG", b"ID3", b"APETAGEX")
"""Starts of tags that stand behind a whole file and are no chunks."""


class Chunk(NamedTuple):
    """A chunk.

    Attributes
    ----------
    name
        Its four letters.
    at, size
        Place and size of its content in the file, in bytes.
    stated
        The size in its header.
    """

    name: bytes
    at: int
    size: int
    stated: int


def walk(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a RIFF, RF64 or FORM file; none, if the file is something else.

    Parameters
    ----------
    file
        Open for reading, at any position.
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
        order, sound = "<", b"data"
    elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        order, sound = ">", b"SSND"
    else:
        return
    at, long_size = 12, 0
    for _ in range(_MAX_CHUNKS):
        if at + 8 > end:
            return
        name, stated = _header(file, at, order)
        if name == b"ds64" and stated >= 24:
            long_size = struct.unpack("<Q", file.read(16)[8:])[0]
        elif name == sound and stated == _UNKNOWN and head[:4] == b"RF64":
            stated = long_size
        at += 8
        size = min(stated, end - at)
        if name == sound:
            size = _sound_size(file, at, size, end, order)
        yield Chunk(name, at, size, stated)
        at = _after(file, at + size, size, end, order)


def _header(file: BinaryIO, at: int, order: str) -> tuple[bytes, int]:
    file.seek(at)
    name, size = struct.unpack(f"{order}4sI", file.read(8))
    return name, size


def _is_chunk(file: BinaryIO, at: int, end: int, order: str) -> bool:
    """Return whether a chunk may begin here: four letters, and a size that fits or is the last."""
    if at + 8 > end:
        return False
    name, size = _header(file, at, order)
    known = name in (b"data", b"SSND")
    return all(32 <= letter < 127 for letter in name) and (known or at + 8 + size <= end)


def _after(file: BinaryIO, at: int, size: int, end: int, order: str) -> int:
    """Return where the next chunk begins: at an even distance, unless the pad byte is missing."""
    if size % 2 and not _is_chunk(file, at + 1, end, order) and _is_chunk(file, at, end, order):
        return at
    return at + size % 2


def _is_chain(file: BinaryIO, at: int, end: int, order: str) -> bool:
    """Return whether chunks, tags, or nothing fill the file from here to its end."""
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        if end - at <= 1 or file.read(8).startswith(_TAGS):
            return True
        if not _is_chunk(file, at, end, order):
            return False
        size = _header(file, at, order)[1]
        at = _after(file, at + 8 + size, size, end, order)
    return False


def _sound_size(file: BinaryIO, at: int, size: int, end: int, order: str) -> int:
    """Return the size of the sound: as stated, unless more sound lies behind it."""
    behind = _after(file, at + size, size, end, order)
    if _is_chain(file, behind, end, order):
        return size
    start = max(at + size, end - _TAIL_BYTES)
    file.seek(start)
    tail = file.read()
    places = sorted({place for name in _BEHIND for place in _places(tail, name)})
    found = next((p for p in places if _is_chain(file, start + p, end, order)), None)
    return (end if found is None else start + found) - at


def _places(text: bytes, name: bytes) -> Iterator[int]:
    at = text.find(name)
    while at >= 0:
        yield at
        at = text.find(name, at + 1)
