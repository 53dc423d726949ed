"""Reading a coded file; `rtaudio.codec.container` draws its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from rtaudio.codec.codes import NOT_SENT, Codes, from_bits
from rtaudio.codec.rtc_header import (
    BLOCK_FRAMES,
    COUNT,
    CRC,
    FIXED_BYTES,
    TRAILER,
    RtcHeader,
    check_of,
    header_length,
)
from rtaudio.errors import CodecFileError, ParameterError


class RtcReader:
    """Reads a coded file block by block; the stream may be a pipe.

    Parameters
    ----------
    stream
        A binary stream at its start.
    name
        What errors call it.
    salvage
        Where the file is damaged, stop instead of raising; ``damage`` then says why.

    Raises
    ------
    CodecFileError
        It is no coded file of this version, or its header is damaged.
    """

    def __init__(self, stream: BinaryIO, name: str = "stream", *, salvage: bool = False) -> None:
        self.damage: str | None = None
        """Why reading stopped early, in salvage mode."""
        self.frames_read = 0
        """Frames that `blocks` has given, those skipped by `seek` included."""
        self.bytes_read = 0
        """Bytes that were read."""
        self._stream, self._name, self._salvage = stream, name, salvage
        self._blocks = 0
        self.header = self._read_header()
        """The header; once the trailer was read, with the length it tells."""

    def blocks(self) -> Iterator[Codes]:
        """Yield int64 ``[channels, books, frames]``, up to 100 frames each; -1 where a side ends.

        Raises
        ------
        CodecFileError
            The file is cut or altered, unless in salvage mode.
        """
        try:
            while (codes := self._next()) is not None:
                yield codes
        except CodecFileError as error:
            if not self._salvage:
                raise
            self.damage = str(error)

    def seek(self, frame: int) -> int:
        """Go to the block that has a frame; return the number of the block's first frame.

        Parameters
        ----------
        frame
            Number of the frame, 0 or more; behind the end of a file whose header tells its length,
            nothing is left to read.
        """
        block = frame // BLOCK_FRAMES
        if self.header.frames is not None:
            block = min(block, self.header.frames // BLOCK_FRAMES)
        size = COUNT.size + self.header.code_bytes(BLOCK_FRAMES) + CRC.size
        self._stream.seek(self._start + block * size)
        self._blocks, self.frames_read = block, block * BLOCK_FRAMES
        return self.frames_read

    def _fault(self, text: str) -> CodecFileError:
        return CodecFileError(f"{self._name}: {text}")

    def _damaged(self) -> CodecFileError:
        return self._fault(f"is damaged at frame {self.frames_read}; use another copy")

    def _read(self, size: int, place: str = "") -> bytes:
        """Read a number of bytes; a pipe may give them in pieces."""
        pieces, missing = [], size
        while missing and (piece := self._stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        self.bytes_read += size - missing
        if missing:
            text = f"is cut at {place or f'frame {self.frames_read}'}; use a complete copy"
            raise CodecFileError(text) if place else self._fault(text)
        return b"".join(pieces)

    def _read_header(self) -> RtcHeader:
        try:
            fixed = self._read(FIXED_BYTES, "its header")
            data = fixed + self._read(header_length(fixed) - FIXED_BYTES, "its header")
            header = RtcHeader.from_bytes(data)
        except CodecFileError as error:
            raise self._fault(str(error)) from None
        self._crc = CRC.unpack(data[-CRC.size :])[0]
        self._start = len(data)
        return header

    def _next(self) -> Codes | None:
        """Return the next block; None at the end."""
        header, frames = self.header, self.header.frames
        if frames is not None and self.frames_read >= frames:
            if self._stream.read(1):
                raise self._fault("has something behind its end; use another copy")
            return None
        prefix = self._read(COUNT.size)
        count = COUNT.unpack(prefix)[0]
        if frames is None and count == 0:
            self._end(prefix)
            return self._next()
        most = BLOCK_FRAMES if frames is None else min(BLOCK_FRAMES, frames - self.frames_read)
        least = 1 if frames is None else most
        if not least <= count <= most or self.frames_read % BLOCK_FRAMES:
            raise self._damaged()
        body = prefix + self._read(header.code_bytes(count))
        self._check(body)
        sent = header.sent
        flat = from_bits(body[COUNT.size :], count * np.count_nonzero(sent))
        self.frames_read += count
        codes = np.full((*sent.shape, count), NOT_SENT, np.int64)
        codes[sent] = flat.reshape(count, -1).T
        return codes

    def _check(self, body: bytes) -> None:
        told = CRC.unpack(self._read(CRC.size))[0]
        if told != check_of(body, self._crc, self._blocks):
            raise self._damaged()
        self._blocks += 1

    def _end(self, prefix: bytes) -> None:
        """Read the trailer."""
        body = prefix + self._read(TRAILER.size - COUNT.size)
        self._check(body)
        _, frames, samples = TRAILER.unpack(body)
        told = f"tells {frames} frames and {samples} samples at its end"
        contradiction = self._fault(f"{told}, and {self.frames_read} frames came")
        try:
            header = replace(self.header, original_samples=samples)
        except ParameterError:
            raise contradiction from None
        if not frames == self.frames_read == header.frames:
            raise contradiction
        self.header = header
