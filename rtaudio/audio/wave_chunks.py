"""The chunks of a WAV file: data beside the sound, and headers for more than 4 GB."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rtaudio.audio.iff import Chunk, walk

_OWN = (b"fmt ", b"data", b"fact", b"ds64", b"JUNK", b"PAD ", b"FLLR", b"PEAK", b"LIST")
_MAX_BYTES = 64 << 20
_UNKNOWN = 0xFFFFFFFF


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a RIFF or RF64 file; none, if the file is something else.

    Parameters
    ----------
    file
        Open for reading, at any position.
    """
    file.seek(0)
    if file.read(4) != b"FORM":
        yield from walk(file)


def copy_chunks(source: Path, target: Path) -> list[str]:
    """Append the chunks beside the sound of one WAV file to another, in place.

    It copies every chunk that the target lacks and that does not describe the storage of samples:
    broadcast extension (``bext``), ``cart``, ``iXML``, markers (``cue ``), loops (``smpl``) ...

    Parameters
    ----------
    source, target
        The files; nothing happens unless both are WAV.

    Returns
    -------
    list of str
        Names of the copied chunks.
    """
    copied = []
    with source.open("rb") as old, target.open("r+b") as new:
        present = {chunk.name for chunk in chunks(new)}
        largest = 1 << 62 if b"ds64" in present else _UNKNOWN
        if not present:
            return []
        for name, at, size, _ in chunks(old):
            lists = name == b"LIST" and _kind(old, at) != b"INFO"
            if (name in _OWN or name in present) and not lists:
                continue
            if size > _MAX_BYTES or new.seek(0, 2) + size + 9 > largest:
                continue
            old.seek(at)
            content = old.read(size)
            new.seek(0, 2)
            new.write(b"\0" * (new.tell() % 2))
            new.write(struct.pack("<4sI", name, size) + content + b"\0" * (size % 2))
            copied.append(name.decode("ascii", "replace").strip())
        if copied:
            _state_size(new)
    return copied


def _kind(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.read(4)


def _state_size(file: BinaryIO) -> None:
    """Write the size of the whole file into its header."""
    file.seek(0, 2)
    size = file.tell() - 8
    file.seek(0)
    if file.read(4) == b"RF64":
        at = next(chunk.at for chunk in chunks(file) if chunk.name == b"ds64")
        file.seek(at)
        file.write(struct.pack("<Q", size))
    else:
        file.seek(4)
        file.write(struct.pack("<I", size))


def rf64_to_riff(path: Path) -> None:
    """Turn an RF64 file into a plain WAV file, in place, if it is small enough.

    Parameters
    ----------
    path
        The file, closed.
    """
    with path.open("r+b") as file:
        found = {chunk.name: chunk for chunk in chunks(file)}
        file.seek(0, 2)
        size = file.tell() - 8
        data, sizes = found.get(b"data"), found.get(b"ds64")
        if size >= _UNKNOWN or data is None or sizes is None:
            return
        file.seek(0)
        file.write(struct.pack("<4sI", b"RIFF", size))
        file.seek(sizes.at - 8)
        file.write(b"JUNK")
        file.seek(data.at - 4)
        file.write(struct.pack("<I", data.size))
