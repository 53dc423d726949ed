"""RTP, the real-time transport protocol (RFC 3550): the header of a packet, and its counters."""

from __future__ import annotations

import struct
from typing import NamedTuple

from rtaudio.errors import PacketError, ParameterError, out_of_range

CLOCK_HZ = 48_000
"""Rate of the time stamps, whatever the rate of the codec is."""

FRAME_TICKS = 960
"""Time stamps of a frame of 20 ms."""

PAYLOAD_TYPE = 96
"""The default of the dynamic payload types 96 .. 127 (RFC 3551)."""

MAX_DATAGRAM_BYTES = 1472
"""What UDP over IPv4 carries in an Ethernet frame; a longer datagram is none of ours."""

_HEADER = struct.Struct(">BBHII")
_EXTENSION = struct.Struct(">HH")
_VERSION = 2


class Extension(NamedTuple):
    """A header extension: 16 bits that say what it is, and a multiple of 4 bytes."""

    profile: int
    data: bytes


class RtpPacket(NamedTuple):
    """One packet.

    Attributes
    ----------
    sequence
        Counts packets, 16 bits.
    timestamp
        Time of the first frame in steps of 1/48,000 s, 32 bits.
    ssrc
        The source, 32 random bits: a sender that starts again takes others.
    payload
        The payload.
    payload_type
        7 bits.
    marker
        True for the first packet after a pause.
    extension
        Header extension, if there is one.

    Examples
    --------
    >>> packet = RtpPacket(sequence=1, timestamp=960, ssrc=7, payload=b"codes", marker=True)
    >>> packet.to_bytes().hex()
    '80e00001000003c000000007636f646573'
    >>> RtpPacket.from_bytes(packet.to_bytes()) == packet
    True
    """

    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    payload_type: int = PAYLOAD_TYPE
    marker: bool = False
    extension: Extension | None = None

    def to_bytes(self) -> bytes:
        """Return the datagram; sequence, time stamp and source are taken modulo their width.

        Raises
        ------
        ParameterError
            The payload type is none, or the extension has no whole number of words.
        """
        if not 0 <= self.payload_type <= 127:
            raise ParameterError(out_of_range("payload_type", self.payload_type, 0, 127))
        first, extension = _VERSION << 6, b""
        if self.extension is not None:
            words, rest = divmod(len(self.extension.data), 4)
            if rest:
                raise ParameterError(f"RTP extension: {len(self.extension.data)} bytes; pad to 4")
            first |= 0x10
            extension = _EXTENSION.pack(self.extension.profile, words) + self.extension.data
        header = _HEADER.pack(
            first,
            self.marker << 7 | self.payload_type,
            self.sequence & 0xFFFF,
            self.timestamp & 0xFFFF_FFFF,
            self.ssrc & 0xFFFF_FFFF,
        )
        return header + extension + self.payload

    @classmethod
    def from_bytes(cls, data: bytes) -> RtpPacket:
        """Read a datagram; contributing sources and padding are skipped.

        Parameters
        ----------
        data
            The datagram.

        Raises
        ------
        PacketError
            It is not RTP. Nothing else is raised, whatever the bytes are.
        """
        if not _HEADER.size <= len(data) <= MAX_DATAGRAM_BYTES:
            raise PacketError(
                f"RTP: {len(data)} bytes; {_HEADER.size} .. {MAX_DATAGRAM_BYTES} are possible"
            )
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if first >> 6 != _VERSION:
            raise PacketError(f"RTP: version {first >> 6} instead of {_VERSION}")
        start, stop = _HEADER.size + 4 * (first & 15), len(data)
        extension = None
        if first & 0x10:
            if start + _EXTENSION.size > stop:
                raise PacketError("RTP: the header is cut")
            profile, words = _EXTENSION.unpack_from(data, start)
            start += _EXTENSION.size
            extension = Extension(profile, data[start : start + 4 * words])
            start += 4 * words
        if first & 0x20:
            padding = data[-1]
            if padding == 0:
                raise PacketError("RTP: padding of 0 bytes")
            stop -= padding
        if start > stop:
            raise PacketError("RTP: header and padding are longer than the datagram")
        return cls(
            sequence, timestamp, ssrc, data[start:stop], second & 127, second > 127, extension
        )


class Counter:
    """Extends a counter that wraps around: 16 bits of a sequence or 32 of a time stamp.

    A value is taken as the nearest possible one to the highest so far, so that late packets get
    the number they had.

    Parameters
    ----------
    bits
        Width of the counter.

    Examples
    --------
    >>> counter = Counter(16)
    >>> [counter.extend(value) for value in (65534, 65535, 1, 0, 2)]
    [65534, 65535, 65537, 65536, 65538]
    """

    def __init__(self, bits: int) -> None:
        self._wrap = 1 << bits
        self._highest: int | None = None

    def extend(self, value: int) -> int:
        """Return a value without the wraps.

        Parameters
        ----------
        value
            As it stands in the packet.
        """
        if self._highest is None:
            self._highest = value
            return value
        half = self._wrap // 2
        extended = self._highest + (value - self._highest + half) % self._wrap - half
        self._highest = max(self._highest, extended)
        return extended


class InterarrivalJitter:
    """The jitter of RFC 3550, 6.4.1: mean change of the transit time, over about 16 packets.

    Examples
    --------
    >>> jitter = InterarrivalJitter()
    >>> for transit_s in (0.100, 0.116, 0.100):
    ...     jitter.update(transit_s)
    >>> round(1000 * jitter.value_s, 4)
    1.9375
    """

    def __init__(self) -> None:
        self.value_s = 0.0
        self._transit_s: float | None = None

    def update(self, transit_s: float) -> None:
        """Take a packet into account.

        Parameters
        ----------
        transit_s
            Its arrival less its time stamp, in seconds; the two clocks need not agree.
        """
        if self._transit_s is not None:
            self.value_s += (abs(transit_s - self._transit_s) - self.value_s) / 16.0
        self._transit_s = transit_s
