"""The payload of a packet: codes of 1 .. 16 frames, most significant first, or a comfort noise.

::

    byte 0    1 version  2 bits, 01
              R copy     1 bit: byte 1 and an earlier frame's coarse copy are there
              N noise    1 bit: an RFC 3389 description follows, and no codes
              frames - 1 4 bits
    byte 1    (if R) packets back - 1, 2 bits; books of the copy, 6 bits
    codes     10 bits each, without gaps, book by book:
              books 1 .. r of all frames, books 1 .. r of the copy, books r + 1 .. of all frames

The number of books is not written: it follows from the length. So anyone on the way may cut a
packet behind any byte; what is lost are the least significant books of all its frames.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rtaudio.codec.codes import BITS, MAX_BOOKS, NOT_SENT, Codes, from_bits, to_bits
from rtaudio.codec.noise_shape import NoiseShape
from rtaudio.errors import PacketError, ParameterError, out_of_range

VERSION = 1
MAX_FRAMES = 16
"""Frames of a packet."""

MAX_PACKETS_BACK = 4
"""How far back a copy may reach, in packets of the same number of frames."""

_COPY, _NOISE = 0x20, 0x10


class Copy(NamedTuple):
    """Redundancy: the first books of frames that an earlier packet carried (as in RFC 2198).

    Attributes
    ----------
    codes
        int64 ``[books, frames]``, as many frames as the packet has.
    packets_back
        1 .. 4. The copied frames start ``packets_back * frames`` before those of the packet.
    """

    codes: Codes
    packets_back: int = 1


class Payload(NamedTuple):
    """The contents of a packet.

    Attributes
    ----------
    codes
        int64 ``[books, frames]``; -1 for what was cut off. ``[0, 1]`` if it is a comfort noise.
    copy
        Redundancy, if any came.
    noise
        From the packet's time on there is nothing but this noise, until codes come again.
    """

    codes: Codes
    copy: Copy | None = None
    noise: NoiseShape | None = None


def pack(codes: Codes, copy: Copy | None = None) -> bytes:
    """Return the payload for some frames.

    Parameters
    ----------
    codes
        int64 ``[books, frames]``: 0 .. 48 books, 1 .. 16 frames. All frames have the same books,
        or, as after a cut, the first ones have one more; the rest is -1.
    copy
        Redundancy, with no more books than ``codes``.

    Raises
    ------
    ParameterError
        The arrays do not have this form.

    Examples
    --------
    >>> codes = np.array([[7, 8], [9, 10], [11, 12]])
    >>> data = pack(codes)
    >>> len(data), unpack(data).codes.tolist()
    (9, [[7, 8], [9, 10], [11, 12]])
    >>> unpack(data[:5]).codes.tolist()
    [[7, 8], [9, -1]]
    """
    books, frames = codes.shape
    if not 1 <= frames <= MAX_FRAMES:
        raise ParameterError(out_of_range("frames of a packet", frames, 1, MAX_FRAMES))
    if books > MAX_BOOKS:
        raise ParameterError(out_of_range("books of a packet", books, 0, MAX_BOOKS))
    header = VERSION << 6 | frames - 1
    flat = _sent(codes)
    if copy is None:
        return bytes([header]) + to_bits(flat)
    copied = _sent(copy.codes)
    if copy.codes.shape[1] != frames or not 0 < copied.size <= flat.size or copied.size % frames:
        raise ParameterError(
            f"copy {list(copy.codes.shape)}: needs whole books of {frames} frames, and no more "
            f"than the packet {list(codes.shape)} has"
        )
    if not 1 <= copy.packets_back <= MAX_PACKETS_BACK:
        raise ParameterError(out_of_range("packets_back", copy.packets_back, 1, MAX_PACKETS_BACK))
    second = copy.packets_back - 1 << 6 | copied.size // frames
    first, rest = np.split(flat, [copied.size])
    return bytes([header | _COPY, second]) + to_bits(np.concatenate([first, copied, rest]))


def _sent(codes: Codes) -> Codes:
    """Return the codes that are there, book by book, ``[count]``."""
    flat = codes.reshape(-1)
    count = int(np.count_nonzero(flat != NOT_SENT))
    if np.any(flat[:count] == NOT_SENT):
        raise ParameterError(
            f"codes {list(codes.shape)}: -1 before a code; frames of one packet have equal books"
        )
    return flat[:count]


def pack_noise(noise: NoiseShape) -> bytes:
    """Return the payload that starts or refreshes a pause (DTX), 2 .. 18 bytes.

    Examples
    --------
    >>> pack_noise(NoiseShape(-70)).hex()
    '5046'
    """
    return bytes([VERSION << 6 | _NOISE]) + noise.to_bytes()


def unpack(data: bytes) -> Payload:
    """Read a payload, whole or cut behind any byte but the first.

    Parameters
    ----------
    data
        The payload.

    Returns
    -------
    Payload
        With ``codes.shape[0]`` the books that some frame has; 0 if none is left.

    Raises
    ------
    PacketError
        It is no payload of this version. Nothing else is raised, whatever the bytes are.
    """
    if not data:
        raise PacketError("packet: it is empty")
    header = data[0]
    if header >> 6 != VERSION:
        raise PacketError(f"packet: version {header >> 6}; this rtaudio reads version {VERSION}")
    frames = (header & 15) + 1
    if header & _NOISE:
        if header & (_COPY | 15):
            raise PacketError("packet: a comfort noise has neither a copy nor frames")
        return Payload(np.zeros((0, 1), np.int64), noise=NoiseShape.from_bytes(data[1:]))
    if not header & _COPY:
        return Payload(_books(_codes(data, 1, MAX_BOOKS * frames), frames))
    if len(data) == 1:
        return Payload(np.zeros((0, frames), np.int64))
    copied = (data[1] & 63) * frames
    if not 0 < copied <= MAX_BOOKS * frames:
        raise PacketError(f"packet: a copy of {data[1] & 63} books; 1 .. {MAX_BOOKS} are possible")
    flat = _codes(data, 2, MAX_BOOKS * frames + copied)
    own = np.concatenate([flat[:copied], flat[2 * copied :]])
    copy = flat[copied : 2 * copied]
    return Payload(
        _books(own, frames),
        Copy(_books(copy, frames), (data[1] >> 6) + 1) if copy.size else None,
    )


def _codes(data: bytes, start: int, most: int) -> Codes:
    """Return all whole codes from a byte on, ``[count]``."""
    count = 8 * (len(data) - start) // BITS
    if count > most:
        raise PacketError(f"packet: {count} codes; {most} are possible with its header")
    return from_bits(data[start:], count)


def _books(flat: Codes, frames: int) -> Codes:
    """Return codes as ``[books, frames]``; what is missing of the last book is -1."""
    books, rest = divmod(flat.size, frames)
    if not rest:
        return flat.reshape(books, frames)
    books += 1
    codes = np.full(books * frames, NOT_SENT, np.int64)
    codes[: flat.size] = flat
    return codes.reshape(books, frames)
