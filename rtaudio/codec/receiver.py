"""The receiving end as plain logic: from datagrams to frames, one source at a time."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Hashable
from typing import NamedTuple

from rtaudio.codec.jitter import Frame, JitterBuffer, JitterStats
from rtaudio.codec.packets import unpack
from rtaudio.codec.rtp import FRAME_TICKS, PAYLOAD_TYPE, Counter, RtpPacket
from rtaudio.codec.sender import MODEL_PROFILE
from rtaudio.errors import PacketError

GONE_S = 2.0
"""A source that was silent for that long may be replaced by any other."""

MAX_DROPOUT, MAX_MISORDER = 3000, 100
"""Steps of the sequence that are a gap, or a late packet, and not a restart (RFC 3550, A.1)."""

REASONS = ("malformed", "foreign", "stranger", "model", "probation")


class ReceiverStats(NamedTuple):
    """Datagrams that were not taken, by the reason, and the statistics of the jitter buffer.

    Attributes
    ----------
    malformed
        No RTP, or no payload of this codec.
    foreign
        RTP of another payload type.
    stranger
        Of another address than that of the source.
    model
        Of a source that says it uses another model.
    probation
        The first packet after a restart: only the second one proves it.
    jitter
        Statistics of the jitter buffer.
    """

    malformed: int
    foreign: int
    stranger: int
    model: int
    probation: int
    jitter: JitterStats


class _Source:
    """One sender: where its packets come from, and its counters without wraps."""

    def __init__(self, address: Hashable, ssrc: int) -> None:
        self.address, self.ssrc = address, ssrc
        self.sequence, self.timestamp = Counter(16), Counter(32)
        self.last: int | None = None
        self.heard_s = 0.0

    def follows(self, packet: RtpPacket) -> bool:
        """Tell whether a packet continues the stream of this source."""
        if packet.ssrc != self.ssrc:
            return False
        if self.last is None:
            return True
        step = (packet.sequence - self.last + 0x8000) % 0x10000 - 0x8000
        return -MAX_MISORDER <= step < MAX_DROPOUT


class Receiver:
    """Takes datagrams from one source, and gives one frame every 20 ms.

    The first source whose packets can be read is the source. Packets from another address are
    those of strangers, until nothing was heard of the source for 2 s. A new SSRC from the same
    address, or an impossible sequence number, is a restart once two packets in a row say so.

    Parameters
    ----------
    model_id
        The 8 bytes that identify the model of the decoder; None: take any.
    payload_type
        RTP payload type of the session.
    host
        The only host to listen to; None: the first that sends. Addresses are then those of sockets.

    Examples
    --------
    >>> from rtaudio.codec.sender import Sender
    >>> sender, receiver = Sender(), Receiver()
    >>> [datagram] = sender.frame(np.arange(12))
    >>> receiver.receive(datagram, ("127.0.0.1", 5004), arrival_s=0.0)
    True
    >>> receiver.pop(0.0), receiver.pop(0.02).codes[:3]
    (None, array([0, 1, 2]))
    """

    def __init__(
        self,
        model_id: bytes | None = None,
        payload_type: int = PAYLOAD_TYPE,
        host: str | None = None,
    ) -> None:
        self.foreign_model: str | None = None
        """Hexadecimal id of the model of a source that was refused for it."""
        self.packet_frames = 1
        """Frames of the last packet that carried codes."""
        self._model_id, self._payload_type, self._host = model_id, payload_type, host
        self._buffer = JitterBuffer()
        self._counts: Counts[str] = Counts()
        self._source: _Source | None = None
        self._candidate: tuple[Hashable, int, int] | None = None

    def receive(self, datagram: bytes, address: Hashable, arrival_s: float) -> bool:
        """Take a datagram; return whether it came from the source. Nothing is raised.

        Parameters
        ----------
        datagram
            Any bytes.
        address
            Where they come from, as the socket tells it: ``(host, port)``.
        arrival_s
            When they arrived, by the clock that `pop` is told.
        """
        try:
            packet = RtpPacket.from_bytes(datagram)
            if packet.payload_type != self._payload_type:
                return self._refuse("foreign")
            payload = unpack(packet.payload)
        except PacketError:
            return self._refuse("malformed")
        if self._host is not None and (not isinstance(address, tuple) or address[0] != self._host):
            return self._refuse("stranger")
        if not self._known_model(packet):
            return self._refuse("model")
        source = self._source_of(packet, address, arrival_s)
        if source is None:
            return False
        source.heard_s = arrival_s
        sequence = source.sequence.extend(packet.sequence)
        source.last = max(sequence, source.last or 0)
        if payload.noise is None:
            self.packet_frames = payload.codes.shape[1]
        ticks = source.timestamp.extend(packet.timestamp)
        self._buffer.push(ticks // FRAME_TICKS, payload, arrival_s, begins=packet.marker)
        return True

    def _refuse(self, reason: str) -> bool:
        self._counts[reason] += 1
        return False

    def _known_model(self, packet: RtpPacket) -> bool:
        """Tell whether a packet is, as far as it says, of the model of the decoder."""
        told = packet.extension
        if self._model_id is None or told is None or told.profile != MODEL_PROFILE:
            return True
        if told.data == self._model_id:
            self.foreign_model = None
            return True
        self.foreign_model = told.data[:8].hex()
        return False

    def _source_of(self, packet: RtpPacket, address: Hashable, arrival_s: float) -> _Source | None:
        """Return the source if a packet is its own, be it after a restart; count it if not."""
        source = self._source
        if source is None or (arrival_s - source.heard_s > GONE_S and address != source.address):
            return self._start(address, packet.ssrc)
        if address != source.address:
            self._refuse("stranger")
            return None
        if source.follows(packet):
            self._candidate = None
            return source
        told = (address, packet.ssrc, packet.sequence)
        if self._candidate == told:
            return self._start(address, packet.ssrc)
        self._candidate = (address, packet.ssrc, packet.sequence + 1 & 0xFFFF)
        self._refuse("probation")
        return None

    def _start(self, address: Hashable, ssrc: int) -> _Source:
        if self._source is not None:
            self._buffer.restart()
        self._candidate = None
        self._source = _Source(address, ssrc)
        return self._source

    def pop(self, now_s: float, quiet: bool = False) -> Frame | None:
        """Return the frame that is to be played now; None if it is lost, or nothing plays.

        Parameters
        ----------
        now_s
            The time.
        quiet
            Whether what was played last was so quiet that a frame may be left out.
        """
        return self._buffer.pop(now_s, quiet)

    @property
    def number(self) -> int | None:
        """Number of the frame that the last `pop` was about; None if nothing plays."""
        return self._buffer.number

    @property
    def stats(self) -> ReceiverStats:
        """What happened so far."""
        return ReceiverStats(
            **{reason: self._counts[reason] for reason in REASONS}, jitter=self._buffer.stats
        )
