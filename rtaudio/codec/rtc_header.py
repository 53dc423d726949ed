"""The header of a coded file: its fields, their bytes, and the length that follows from them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtaudio.codec.codes import BITS
from rtaudio.errors import CodecFileError, ParameterError, out_of_range

MAGIC = b"\x89RTC"
VERSIONS = 1, 2
"""Version 1 has channels of up to 24 books, each on its own; version 2 has more, or mid and side.
A file has the older version if that can hold it."""

FIXED_BYTES = 40
"""Bytes from which `header_length` tells how many there are."""

BLOCK_FRAMES = 100
"""Frames of a block: 2 s, the steps in which a reader seeks, and to which damage is confined."""

COUNT, CRC, TRAILER = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">HIQ")
"""What leads a block, what ends it, and what stands in the trailer."""

MAX_CHANNELS, MAX_BOOKS = 64, 48
_MAX_BOOKS_1 = 24
_MAX_SAMPLES = 1 << 48

_FIXED = struct.Struct(">4sBBBB8sIHHIIQ")
_NO_FRAMES, _NO_SAMPLES = 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF
_GAIN_STEPS = 256
_NO_SIDE = 0xFF


@dataclass(frozen=True)
class RtcHeader:
    """What a coded file says about itself.

    Attributes
    ----------
    model_id
        The model by which it is decoded: 16 hexadecimal digits.
    rate_hz, hop
        Sample rate of the codec, and samples of a frame.
    books, channels
        Books of each channel (with a side: of the mid), and channels.
    delay_samples
        By how much the decoded signal is late, in samples of the codec's rate: so many samples at
        its start are not the original's.
    original_rate_hz
        Sample rate of the original.
    original_samples
        Its length in samples; None: not yet known.
    gains_db
        What each channel was multiplied with before it was coded, -128 .. 127 dB; kept in steps of
        1/256 dB.
    side_books
        Two channels are coded as their mid and their side, half their sum and difference, and the
        side has so many books, 0 .. ``books``; without any it is silent. None: each channel is
        coded on its own.

    Examples
    --------
    >>> header = RtcHeader("00" * 8, 48_000, 960, 12, 2, 480, 44_100, 44_100)
    >>> header.frames, len(header.to_bytes())
    (51, 48)
    >>> RtcHeader.from_bytes(header.to_bytes()) == header
    True
    """

    model_id: str
    rate_hz: int
    hop: int
    books: int
    channels: int
    delay_samples: int
    original_rate_hz: int
    original_samples: int | None = None
    gains_db: tuple[float, ...] = ()
    side_books: int | None = None

    def __post_init__(self) -> None:
        for key, low, high in (
            ("rate_hz", 8000, 384_000),
            ("hop", 1, 0xFFFF),
            ("books", 1, MAX_BOOKS),
            ("channels", 1, MAX_CHANNELS),
            ("delay_samples", 0, 0xFFFF),
            ("original_rate_hz", 1, 0xFFFF_FFFF),
            ("original_samples", 0, _MAX_SAMPLES),
            ("side_books", 0, self.books),
        ):
            value = getattr(self, key)
            if value is not None and not low <= value <= high:
                raise ParameterError(out_of_range(key, value, low, high))
        if self.side_books is not None and self.channels != 2:
            raise ParameterError(f"channels = {self.channels}: a side needs 2")
        if len(self.model_id) != 16 or set(self.model_id) - set("0123456789abcdef"):
            raise ParameterError(f"model_id = {self.model_id!r}: needs 16 hexadecimal digits")
        gains_db = self.gains_db or (0.0,) * self.channels
        if len(gains_db) != self.channels or not all(-128 <= gain < 128 for gain in gains_db):
            raise ParameterError(f"gains_db = {gains_db}: needs {self.channels} of -128 .. 127 dB")
        steps = (min(round(_GAIN_STEPS * gain), 0x7FFF) for gain in gains_db)
        object.__setattr__(self, "gains_db", tuple(step / _GAIN_STEPS for step in steps))
        if self.frames is not None and self.frames >= _NO_FRAMES:
            raise ParameterError(
                f"original_samples = {self.original_samples}: too long for one file; split it"
            )

    @property
    def version(self) -> int:
        """Version of the file."""
        return 2 if self.side_books is not None or self.books > _MAX_BOOKS_1 else 1

    @property
    def sent(self) -> NDArray[np.bool_]:
        """Which books of a frame are in the file, ``[channels, books]``."""
        sent = np.ones((self.channels, self.books), bool)
        if self.side_books is not None:
            sent[1, self.side_books :] = False
        return sent

    @property
    def frames(self) -> int | None:
        """Frames that code the original and the delay; None: not yet known.

        The original, resampled to ``ceil(samples * rate_hz / original_rate_hz)`` samples and
        followed by zeros, fills them. Decoding cuts ``delay_samples`` off the start, resamples
        the rest, and keeps ``original_samples``.
        """
        if self.original_samples is None:
            return None
        samples = -(-self.original_samples * self.rate_hz // self.original_rate_hz)
        return -(-(samples + self.delay_samples) // self.hop) if samples else 0

    def samples_in(self, frames: int) -> int:
        """Return how many samples of the original a number of frames holds, at most.

        Parameters
        ----------
        frames
            The first frames of the file.
        """
        samples = max(0, frames * self.hop - self.delay_samples)
        length = samples * self.original_rate_hz // self.rate_hz
        return length if self.original_samples is None else min(length, self.original_samples)

    def code_bytes(self, frames: int) -> int:
        """Return the bytes of the codes of a block.

        Parameters
        ----------
        frames
            Frames in it.
        """
        return -(-frames * int(self.sent.sum()) * BITS // 8)

    def to_bytes(self) -> bytes:
        """Return the header with its checksum, 46 bytes for one channel and 2 for each further one.

        Its last 4 bytes are the checksum.
        """
        side = _NO_SIDE if self.side_books is None else self.side_books
        fixed = _FIXED.pack(
            MAGIC,
            self.version,
            self.channels,
            self.books,
            BITS if self.version == 1 else side,
            bytes.fromhex(self.model_id),
            self.rate_hz,
            self.hop,
            self.delay_samples,
            self.original_rate_hz,
            _NO_FRAMES if self.frames is None else self.frames,
            _NO_SAMPLES if self.original_samples is None else self.original_samples,
        )
        gains = (round(_GAIN_STEPS * gain) for gain in self.gains_db)
        told = fixed + struct.pack(f">{self.channels}h", *gains)
        return told + CRC.pack(zlib.crc32(told))

    @classmethod
    def from_bytes(cls, data: bytes) -> RtcHeader:
        """Read a header.

        Parameters
        ----------
        data
            All of it: `header_length` bytes.

        Raises
        ------
        CodecFileError
            It is damaged, or contradicts itself.
        """
        told = data[: -CRC.size]
        if CRC.pack(zlib.crc32(told)) != data[-CRC.size :]:
            raise CodecFileError("has a damaged header; use another copy")
        _, version, channels, books, last, model, *numbers, _, samples = _FIXED.unpack_from(told)
        rate_hz, hop, delay_samples, original_rate_hz = numbers
        steps = struct.unpack_from(f">{channels}h", told, _FIXED.size)
        try:
            header = cls(
                model.hex(),
                rate_hz,
                hop,
                books,
                channels,
                delay_samples,
                original_rate_hz,
                None if samples == _NO_SAMPLES else samples,
                tuple(step / _GAIN_STEPS for step in steps),
                None if version == 1 or last == _NO_SIDE else last,
            )
        except ParameterError as error:
            raise CodecFileError(f"has a header with {error}") from None
        if header.to_bytes() != data:
            raise CodecFileError("has a header that contradicts itself; code the original again")
        return header


def header_length(fixed: bytes) -> int:
    """Return the bytes of a whole header.

    Parameters
    ----------
    fixed
        Its first 40 bytes.

    Raises
    ------
    CodecFileError
        They are not those of a coded file of this version.
    """
    magic, version, channels = struct.unpack_from(">4sBB", fixed)
    if magic != MAGIC:
        raise CodecFileError("is not a coded file of rtaudio; give a .rtc file")
    if version not in VERSIONS:
        raise CodecFileError(f"has version {version}; this rtaudio reads versions 1 and 2")
    if not 1 <= channels <= MAX_CHANNELS:
        raise CodecFileError(f"has a header with {out_of_range('channels', channels, 1, 64)}")
    return FIXED_BYTES + 2 * int(channels) + CRC.size


def check_of(body: bytes, header_crc: int, block: int) -> int:
    """Return the CRC-32 of a block or the trailer.

    It starts with a value of the file and of the place, so that a block elsewhere is noticed.

    Parameters
    ----------
    body
        All of the block but the checksum.
    header_crc
        Checksum of the header.
    block
        Number of the block.
    """
    return zlib.crc32(body, (header_crc + block) & 0xFFFF_FFFF)
