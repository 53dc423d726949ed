"""The coded file ``.rtc``: a header, and blocks of bit-packed codes with a checksum each.

All numbers are big-endian, codes 10 bits each, frame by frame, in a frame channel by channel::

    header    0  4  89 52 54 43: 0x89, "RTC"
              4  1  version, 1
              5  1  channels, 1 .. 64
              6  1  books, 1 .. 24
              7  1  bits of a code
              8  8  model id: the first bytes of its SHA-256
             16  4  rate of the codec in Hz
             20  2  hop: samples of a frame
             22  2  delay in samples at that rate
             24  4  rate of the original in Hz
             28  4  frames, or ff ff ff ff: the trailer says it
             32  8  samples of the original, or ff ..: the trailer says it
             40  2c gain of each channel, signed, in dB / 256
                 4  CRC-32 of the header
    block     0  2  frames in it: 100, in the last one fewer
                 .. codes
                 4  CRC-32 of the block, started with that of the header plus the block's number
    trailer   0  2  0
              2  4  frames
              6  8  samples of the original
                 4  CRC-32, as that of a block

The trailer is there only if the header does not know the length, as in a pipe. All blocks but the
last have the same size, so a frame is found by arithmetic, without an index.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtaudio.atomic import replacing
from rtaudio.codec.codes import Codes, from_bits, to_bits
from rtaudio.codec.rtc_header import FIXED_BYTES, RtcHeader, header_length
from rtaudio.errors import CodecFileError, ParameterError

BLOCK_FRAMES = 100
"""Frames of a block: 2 s, the steps in which a reader seeks and damage is confined."""

_COUNT, _CRC, _TRAILER = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">HIQ")


def _block_bytes(header: RtcHeader, frames: int) -> int:
    """Return the bytes of the codes of a block."""
    return math.ceil(frames * header.frame_bits / 8)


class RtcWriter:
    """Writes a coded file piece by piece; nothing is sought, so the stream may be a pipe.

    Parameters
    ----------
    stream
        A binary stream.
    header
        The header. Without ``original_samples`` a trailer tells the length.

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> writer = RtcWriter(stream, RtcHeader("00" * 8, 48_000, 960, 3, 1, 480, 48_000))
    >>> writer.write(np.zeros((1, 3, 50), np.int64))
    >>> writer.close(original_samples=47_520)
    >>> len(stream.getvalue())
    258
    """

    def __init__(self, stream: BinaryIO, header: RtcHeader) -> None:
        self._stream, self._header = stream, header
        told = header.to_bytes()
        self._crc = _CRC.unpack(told[-_CRC.size :])[0]
        self._blocks = self._frames = 0
        self._waiting = np.zeros((0, header.channels, header.books), np.int64)
        stream.write(told)

    def write(self, codes: Codes) -> None:
        """Append codes.

        Parameters
        ----------
        codes
            int64 ``[channels, books, frames]``, all of them sent.

        Raises
        ------
        ParameterError
            They have another shape than the header says, or a code is out of range.
        """
        shape = (self._header.channels, self._header.books)
        if codes.ndim != 3 or codes.shape[:2] != shape:
            raise ParameterError(
                f"codes {list(codes.shape)}: the file has [{shape[0]}, {shape[1]}, frames]"
            )
        self._waiting = np.concatenate([self._waiting, codes.transpose(2, 0, 1)])
        while len(self._waiting) >= BLOCK_FRAMES:
            self._block(self._waiting[:BLOCK_FRAMES])
            self._waiting = self._waiting[BLOCK_FRAMES:]

    def close(self, original_samples: int | None = None) -> None:
        """Write what is left, and the trailer; the stream stays open.

        Parameters
        ----------
        original_samples
            Length of the original; needed if the header does not tell it.

        Raises
        ------
        ParameterError
            The frames that were written do not fit this length.
        """
        told = self._header.original_samples
        samples = original_samples if told is None else told
        if samples is None:
            raise ParameterError("original_samples is missing; the header does not tell it")
        if original_samples not in (None, samples):
            raise ParameterError(
                f"original_samples = {original_samples}, and the header has {samples}"
            )
        needed = replace(self._header, original_samples=samples).frames
        frames = self._frames + len(self._waiting)
        if needed != frames:
            raise ParameterError(
                f"original_samples = {samples}: needs {needed} frames, and {frames} were written"
            )
        if len(self._waiting):
            self._block(self._waiting)
        if told is None:
            self._sealed(_TRAILER.pack(0, frames, samples))

    def _block(self, codes: Codes) -> None:
        self._frames += len(codes)
        self._sealed(_COUNT.pack(len(codes)) + to_bits(codes))

    def _sealed(self, body: bytes) -> None:
        crc = zlib.crc32(body, (self._crc + self._blocks) & 0xFFFF_FFFF)
        self._stream.write(body + _CRC.pack(crc))
        self._blocks += 1


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
        self._stream, self._name, self._salvage = stream, name, salvage
        self._blocks = 0
        self.header = self._read_header()
        """The header; once the trailer was read, with the length it tells."""

    def blocks(self) -> Iterator[Codes]:
        """Yield int64 ``[channels, books, frames]``, up to 100 frames each.

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
        size = _COUNT.size + _block_bytes(self.header, BLOCK_FRAMES) + _CRC.size
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
        self._crc = _CRC.unpack(data[-_CRC.size :])[0]
        self._start = len(data)
        return header

    def _next(self) -> Codes | None:
        """Return the next block; None at the end."""
        header, frames = self.header, self.header.frames
        if frames is not None and self.frames_read >= frames:
            if self._stream.read(1):
                raise self._fault("has something behind its end; use another copy")
            return None
        prefix = self._read(_COUNT.size)
        count = _COUNT.unpack(prefix)[0]
        if frames is None and count == 0:
            self._end(prefix)
            return self._next()
        most = BLOCK_FRAMES if frames is None else min(BLOCK_FRAMES, frames - self.frames_read)
        least = 1 if frames is None else most
        if not least <= count <= most or self.frames_read % BLOCK_FRAMES:
            raise self._damaged()
        body = prefix + self._read(_block_bytes(header, count))
        self._check(body)
        flat = from_bits(body[_COUNT.size :], count * header.channels * header.books)
        self.frames_read += count
        return flat.reshape(count, header.channels, header.books).transpose(1, 2, 0)

    def _check(self, body: bytes) -> None:
        told = _CRC.unpack(self._read(_CRC.size))[0]
        if told != zlib.crc32(body, (self._crc + self._blocks) & 0xFFFF_FFFF):
            raise self._damaged()
        self._blocks += 1

    def _end(self, prefix: bytes) -> None:
        """Read the trailer."""
        body = prefix + self._read(_TRAILER.size - _COUNT.size)
        self._check(body)
        _, frames, samples = _TRAILER.unpack(body)
        told = f"tells {frames} frames and {samples} samples at its end"
        contradiction = self._fault(f"{told}, and {self.frames_read} frames came")
        try:
            header = replace(self.header, original_samples=samples)
        except ParameterError:
            raise contradiction from None
        if not frames == self.frames_read == header.frames:
            raise contradiction
        self.header = header


def write_rtc(path: str | Path, header: RtcHeader, codes: Codes) -> None:
    """Write a coded file; an existing one is replaced only once the new one is complete.

    Parameters
    ----------
    path
        The file.
    header
        Its header, with ``original_samples``.
    codes
        int64 ``[channels, books, frames]``.

    Raises
    ------
    ParameterError
        Codes and header do not fit each other.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> header = RtcHeader("00" * 8, 48_000, 960, 3, 1, 480, 44_100, original_samples=100)
    >>> write_rtc("short.rtc", header, np.ones((1, 3, 1), np.int64))
    >>> read_rtc("short.rtc")[1].shape
    (1, 3, 1)
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        writer = RtcWriter(stream, header)
        writer.write(codes)
        writer.close()


def read_rtc(
    path: str | Path, model_id: str | None = None, *, salvage: bool = False
) -> tuple[RtcHeader, Codes]:
    """Read a whole coded file.

    Parameters
    ----------
    path
        The file.
    model_id
        The model that will decode it; None: any.
    salvage
        Return everything up to the damage; the header then has the ``original_samples`` that are
        left.

    Returns
    -------
    header, codes
        The header, and int64 ``[channels, books, frames]``.

    Raises
    ------
    CodecFileError
        The file is foreign, cut, altered, or of another model.
    OSError
        The file cannot be read.
    """
    with Path(path).open("rb") as stream:
        reader = RtcReader(stream, str(path), salvage=salvage)
        check_model(reader.header, model_id, str(path))
        header = reader.header
        pieces = [np.zeros((header.channels, header.books, 0), np.int64), *reader.blocks()]
    codes = np.concatenate(pieces, axis=2)
    header = reader.header
    if reader.damage is not None:
        header = replace(header, original_samples=_samples_in(header, codes.shape[2]))
    return header, codes


def check_model(header: RtcHeader, model_id: str | None, name: str) -> None:
    """Refuse a file of another model.

    Parameters
    ----------
    header
        Header of the file.
    model_id
        The model that will decode it; None: any.
    name
        What the error calls the file.

    Raises
    ------
    CodecFileError
        It is of another model.
    """
    if model_id is not None and header.model_id != model_id:
        raise CodecFileError(
            f"{name}: was coded by the model {header.model_id}, and this one is {model_id}; "
            "give the other model"
        )


def _samples_in(header: RtcHeader, frames: int) -> int:
    """Return the length of the original that a number of frames holds, at most."""
    samples = max(0, frames * header.hop - header.delay_samples)
    length = samples * header.original_rate_hz // header.rate_hz
    return min(length, length if header.original_samples is None else header.original_samples)
