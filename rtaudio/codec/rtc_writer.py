"""Writing a coded file; `rtaudio.codec.container` draws its bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

import numpy as np

from rtaudio.codec.codes import Codes, to_bits
from rtaudio.codec.rtc_header import BLOCK_FRAMES, COUNT, CRC, TRAILER, RtcHeader, check_of
from rtaudio.errors import ParameterError


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
        self.bytes_written = 0
        """Bytes that were written."""
        self._stream, self._header = stream, header
        told = header.to_bytes()
        self._crc = CRC.unpack(told[-CRC.size :])[0]
        self._blocks = self._frames = 0
        self._sent = header.sent
        self._waiting = np.zeros((0, np.count_nonzero(self._sent)), np.int64)
        self._put(told)

    def write(self, codes: Codes) -> None:
        """Append codes.

        Parameters
        ----------
        codes
            int64 ``[channels, books, frames]``; of a side, only the first ``side_books`` are read.

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
        self._waiting = np.concatenate([self._waiting, codes[self._sent].T])
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
            self._sealed(TRAILER.pack(0, frames, samples))

    def _block(self, codes: Codes) -> None:
        self._frames += len(codes)
        self._sealed(COUNT.pack(len(codes)) + to_bits(codes))

    def _sealed(self, body: bytes) -> None:
        crc = check_of(body, self._crc, self._blocks)
        self._put(body + CRC.pack(crc))
        self._blocks += 1

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self.bytes_written += len(data)
