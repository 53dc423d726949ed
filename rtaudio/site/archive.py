"""Archives that are sent while they are made, so that they need no space."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_PIECE_BYTES = 1 << 20


class _Pieces(io.RawIOBase):
    """A file for `zipfile` to write into, whose content is taken away piece by piece."""

    def __init__(self) -> None:
        self._content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._content += view
        return view.nbytes

    def take(self) -> bytes:
        content, self._content = bytes(self._content), bytearray()
        return content


def zip_pieces(files: Mapping[str, Path]) -> Iterator[bytes]:
    """Yield the bytes of a zip archive; sound is stored as it is, it hardly gets smaller.

    Parameters
    ----------
    files
        Name in the archive -> file.

    Examples
    --------
    >>> _ = Path("a.txt").write_text("sound")
    >>> archive = io.BytesIO(b"".join(zip_pieces({"b.txt": Path("a.txt")})))
    >>> zipfile.ZipFile(archive).read("b.txt")
    b'sound'
    """
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as archive:
        for name, path in files.items():
            entry = zipfile.ZipInfo(name, time.localtime(path.stat().st_mtime)[:6])
            entry.file_size = path.stat().st_size  # tells whether it needs the long form
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(entry, "w") as target:
                while piece := source.read(_PIECE_BYTES):
                    target.write(piece)
                    yield pieces.take()
    yield pieces.take()
