"""Outgoing: a microphone as packets on the network, encoded while it is spoken into."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from rtaudio.codec.dtx import PauseDetector
from rtaudio.codec.model import CodecModel, FrameEncoder
from rtaudio.codec.sender import Sender
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import AudioError
from rtaudio.live.host import Host
from rtaudio.live.stats import Stats
from rtaudio.runtime.memory import Floats

Address = tuple[str, int]

HEADER_BYTES = 28
"""IPv4 and UDP; the bitrate on the line counts them."""


@dataclass(frozen=True)
class OutgoingStats:
    """What was sent.

    Attributes
    ----------
    frames, pauses
        Frames of 20 ms so far, and those of them in which nothing but a noise was described.
    packets
        Datagrams.
    payload_kbps, line_kbps
        Mean bitrates: of the codes, and of whole datagrams with IPv4 and UDP.
    failed
        Datagrams that the system refused to send, and why the last one was.
    encode_ms
        Longest time that one frame took to encode.
    host
        Statistics of the audio.
    """

    frames: int
    pauses: int
    packets: int
    payload_kbps: float
    line_kbps: float
    failed: int
    failure: str
    encode_ms: float
    host: Stats


class Outgoing:
    """Sends what is played into a device, in a thread of its own.

    Parameters
    ----------
    codec
        The codec; the device runs at its rate.
    address
        Host and port to send to.
    effect
        What the sound passes before it is encoded: a denoiser, say; None: nothing.
    bitrate_kbps
        Bitrate of the codes; see :attr:`bitrate_kbps`.
    frames_per_packet
        Frames of 20 ms in one packet: fewer headers, more delay.
    copy_books, packets_back
        Redundancy: how many books of the packet before, or of the one ``packets_back`` before.
    pauses
        Send next to nothing in pauses.
    sock
        A UDP socket to send from; None: a new one.
    on_frame
        Called with number, sound and books of each frame before it is sent, in the thread that
        sends.
    **host
        Options of :class:`~rtaudio.Host`: ``device``, ``block``, ``in_channels``, ``source``.

    Raises
    ------
    DeviceError
        As :class:`~rtaudio.Host`.
    ParameterError
        The codec has no such bitrate, or a number is out of range.

    Examples
    --------
    >>> with Outgoing(codec, ("192.168.1.7", 5004)) as call:        # doctest: +SKIP
    ...     time.sleep(60.0)
    """

    def __init__(
        self,
        codec: CodecModel,
        address: Address,
        *,
        effect: Effect | None = None,
        bitrate_kbps: float = 6.0,
        frames_per_packet: int = 1,
        copy_books: int = 0,
        packets_back: int = 1,
        pauses: bool = True,
        sock: socket.socket | None = None,
        on_frame: Callable[[int, Floats, int], None] | None = None,
        **host: Any,
    ) -> None:
        self._codec, self._address = codec, address
        self._encoder = FrameEncoder(codec)
        self._sender = Sender(
            bytes.fromhex(codec.id)[:8],
            frames_per_packet=frames_per_packet,
            copy_books=copy_books,
            packets_back=packets_back,
        )
        self._books, self._on_frame = codec.books_for(bitrate_kbps), on_frame
        self._pauses = PauseDetector() if pauses else None
        self._host = Host(
            Chain([]) if effect is None else effect,
            rate_hz=codec.rate_hz,
            out_channels=[],
            **host,
        )
        self._output = self._host.output()
        self._own_socket = sock is None
        self._socket = sock or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._frames = self._silent = self._packets = self._bytes = self._payload_bits = 0
        self._failed, self._failure = 0, ""
        self._slowest_s = 0.0
        self._thread = threading.Thread(target=self._run, name="outgoing", daemon=True)
        self._fault: Exception | None = None

    @property
    def bitrate_kbps(self) -> float:
        """Bitrate of the codes; a change holds from the next frame on."""
        return self._codec.kbps(self._books)

    @bitrate_kbps.setter
    def bitrate_kbps(self, kbps: float) -> None:
        self._books = self._codec.books_for(kbps)

    @property
    def host(self) -> Host:
        """The host that plays: its parameters can be changed."""
        return self._host

    @property
    def running(self) -> bool:
        """True until it is stopped, its source ends, or the device is lost."""
        return self._thread.is_alive() and not self._host.finished

    def start(self) -> Outgoing:
        """Open the device and send."""
        self._host.start()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop the device, send what was heard, and close the socket unless it was given.

        Raises
        ------
        AudioError
            The encoder failed, or could not keep up.
        """
        try:
            self._host.stop()
        finally:
            if self._thread.ident is not None:
                self._thread.join()
            if self._own_socket:
                self._socket.close()
        if self._fault is not None:
            raise AudioError(f"sending ended: {self._fault}") from self._fault

    def _run(self) -> None:
        try:
            hop, rest = self._codec.hop, np.zeros(0, np.float32)
            for piece in self._output:
                rest = np.concatenate([rest, piece.mean(0)])
                while rest.size >= hop:
                    self._take(rest[:hop])
                    rest = rest[hop:]
        except Exception as error:  # told by `stop`: nobody else would hear of it
            self._fault = error

    def _take(self, frame: Floats) -> None:
        """Encode a frame and send what is due; after a pause the encoder begins anew."""
        start_s = time.perf_counter()
        books = self._books
        if self._on_frame is not None:
            self._on_frame(self._sender.number, frame, books)
        noise = None if self._pauses is None else self._pauses.step(frame)
        if noise is not None:
            self._encoder.clear()
            due = self._sender.pause(noise)
            self._silent += 1
        else:
            due = self._sender.frame(self._encoder.encode(frame, books)[:, 0])
            self._payload_bits += books * self._codec.bits
        self._frames += 1
        self._slowest_s = max(self._slowest_s, time.perf_counter() - start_s)
        for datagram in due:
            self._send(datagram)

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._address)
        except OSError as error:  # no route, or nobody listens: it may come back
            self._failed, self._failure = self._failed + 1, error.strerror or str(error)
            return
        self._packets += 1
        self._bytes += len(datagram) + HEADER_BYTES

    def stats(self) -> OutgoingStats:
        """Return the statistics so far."""
        seconds = max(1, self._frames) * self._codec.hop / self._codec.rate_hz
        return OutgoingStats(
            frames=self._frames,
            pauses=self._silent,
            packets=self._packets,
            payload_kbps=self._payload_bits / seconds / 1000.0,
            line_kbps=8 * self._bytes / seconds / 1000.0,
            failed=self._failed,
            failure=self._failure,
            encode_ms=1000.0 * self._slowest_s,
            host=self._host.stats(),
        )

    def __enter__(self) -> Outgoing:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
