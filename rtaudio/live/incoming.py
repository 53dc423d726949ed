"""Incoming: packets from the network as sound, whatever the network does to them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from rtaudio.codec.drift import DriftControl, DriftResampler
from rtaudio.codec.frame_player import FramePlayer
from rtaudio.codec.jitter import FRAME_S, Frame
from rtaudio.codec.model import CodecModel
from rtaudio.codec.receiver import Receiver, ReceiverStats
from rtaudio.codec.rtp import MAX_DATAGRAM_BYTES
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import DeviceError
from rtaudio.live.host import Host
from rtaudio.live.outgoing import HEADER_BYTES, Address
from rtaudio.live.stats import Stats
from rtaudio.runtime.memory import Floats

Through = Callable[[int | None, Frame | None, Floats], Floats]
"""Makes of a frame (number, contents, decoded sound) what is heard."""

QUIET_DB = -55.0
"""A frame below this level may be left out to shorten the delay."""
_POLL_S = 0.2


@dataclass(frozen=True)
class IncomingStats:
    """What arrived, and what was made of it.

    Attributes
    ----------
    packets
        Datagrams that were taken.
    books
        Books of the last frame that was played.
    line_kbps
        Mean bitrate on the line since the first packet, headers included.
    frames, concealed_frames
        Frames of 20 ms that were played since the first packet, and those that were lost or waited
        for before the sender fell silent.
    delay_ms
        From the arrival of the fastest packet to the loudspeaker: jitter buffer, codec, and what
        waits for the sound card and in it.
    mouth_to_ear_ms
        From the microphone on: beyond the fastest packet of the last half second, and with the
        frames of a packet, which has to be complete. Not in it, as the receiver cannot know them:
        the way of that packet, and the delay of the sender's sound card and effects.
    drift_ppm
        How much faster the sender's clock runs, as far as it is followed.
    decode_ms
        Longest time that one frame took to decode.
    receiver
        Refused datagrams by the reason, and the jitter buffer.
    host
        Statistics of the audio.
    """

    packets: int
    books: int
    line_kbps: float
    frames: int
    concealed_frames: int
    delay_ms: float
    mouth_to_ear_ms: float
    drift_ppm: float
    decode_ms: float
    receiver: ReceiverStats
    host: Stats


class Playout:
    """Makes sound of the frames of a receiver: decoded, concealed, and at the rate of this card.

    Parameters
    ----------
    codec
        The codec.
    receiver
        Gives the frames; it is only used under ``lock``.
    lock
        Held by whoever uses the receiver.
    waiting
        Tells how many samples wait for the sound card.
    through
        What the decoded frames pass; None: nothing.
    """

    def __init__(
        self,
        codec: CodecModel,
        receiver: Receiver,
        lock: threading.Lock,
        waiting: Callable[[], int],
        through: Through | None = None,
    ) -> None:
        self._receiver, self._lock, self._through = receiver, lock, through
        self._waiting = waiting
        self._player = FramePlayer(codec)
        self._resampler, self._control = DriftResampler(), DriftControl()
        self._quiet = True
        self.books = self.frames = self.waited = 0
        self.slowest_s, self.rate = 0.0, 1.0

    def sound(self) -> Iterator[Floats]:
        """Yield float32 ``[samples]``, 20 ms each, for ever; silence before the first packet."""
        while True:
            with self._lock:
                frame = self._receiver.pop(time.monotonic(), self._quiet)
                stats, number = self._receiver.stats, self._receiver.number
            self.waited = self._waiting()
            start_s = time.perf_counter()
            sound = self._play(frame)
            if self._through is not None:
                sound = self._through(number, frame, sound)
            if stats.jitter.played:
                self.frames += 1
            if stats.jitter.delay_ms > 0.0:
                self.rate = self._control.step(stats.jitter.delay_ms, stats.jitter.target_ms)
            y = self._resampler.process(sound, self.rate)
            self.slowest_s = max(self.slowest_s, time.perf_counter() - start_s)
            yield y

    def _play(self, frame: Frame | None) -> Floats:
        """Return the sound of one frame; None is a lost one."""
        played = self._player.play(frame)
        self.books = self._player.books
        power = float(np.mean(np.square(played, dtype=np.float64)))
        self._quiet = power < 10.0 ** (QUIET_DB / 10.0)
        return played


class Incoming:
    """Plays what arrives at a port, in threads of its own.

    Parameters
    ----------
    codec
        The codec; the device runs at its rate.
    port
        UDP port; 0: any free one.
    bind
        Address to listen at; ``"127.0.0.1"`` hears this machine only, ``"0.0.0.0"`` every network.
    sender
        The only host to listen to; None: the first that sends.
    effect
        What the sound passes before it is played; None: nothing.
    through
        Makes of each frame (number, contents or None, decoded sound) what is heard; called every
        20 ms in the thread that decodes.
    **host
        Options of :class:`~rtaudio.Host`: ``device``, ``block``, ``out_channels``, ``record``.

    Raises
    ------
    DeviceError
        As :class:`~rtaudio.Host`; or the port is in use, or may not be opened.

    Examples
    --------
    >>> with Incoming(codec, port=5004, bind="0.0.0.0") as call:    # doctest: +SKIP
    ...     time.sleep(60.0)
    """

    def __init__(
        self,
        codec: CodecModel,
        port: int,
        *,
        bind: str = "127.0.0.1",
        sender: str | None = None,
        effect: Effect | None = None,
        through: Through | None = None,
        **host: Any,
    ) -> None:
        self._codec = codec
        self._receiver = Receiver(bytes.fromhex(codec.id)[:8], host=sender)
        self._lock = threading.Lock()
        self._playout = Playout(
            codec, self._receiver, self._lock, lambda: self._host.source_waiting, through
        )
        self._host = Host(
            Chain([]) if effect is None else effect,
            rate_hz=codec.rate_hz,
            source=self._playout.sound(),
            **host,
        )
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        """The socket; a call in both directions sends from it, too."""
        try:
            self.socket.bind((bind, port))
        except (OSError, OverflowError) as error:
            self.socket.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise DeviceError(
                f"{bind}:{port}: cannot listen there: {reason}; choose another --port or --bind"
            ) from None
        self.socket.settimeout(_POLL_S)
        self._packets = self._bytes = 0
        self._first_s = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="incoming", daemon=True)

    @property
    def address(self) -> Address:
        """Host and port that it listens at."""
        host, port = self.socket.getsockname()
        return str(host), int(port)

    @property
    def number(self) -> int | None:
        """Number of the frame that plays, by the sender's clock; None if nothing plays."""
        with self._lock:
            return self._receiver.number

    @property
    def host(self) -> Host:
        """The host that plays: its parameters can be changed."""
        return self._host

    @property
    def running(self) -> bool:
        """True until it is stopped or the device is lost."""
        return self._thread.is_alive() and not self._host.finished

    def start(self) -> Incoming:
        """Listen, and open the device."""
        self._thread.start()
        try:
            self._host.start()
        except BaseException:
            self._close()
            raise
        return self

    def stop(self) -> None:
        """Stop the device and close the socket."""
        try:
            self._host.stop()
        finally:
            self._close()

    def _close(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.socket.close()

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                datagram, address = self.socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except OSError:  # no packet for a while; or an answer that a former one was refused
                continue
            now_s = time.monotonic()
            with self._lock:
                if self._receiver.receive(datagram, address, now_s):
                    self._first_s = self._first_s or now_s
                    self._packets += 1
                    self._bytes += len(datagram) + HEADER_BYTES

    def stats(self) -> IncomingStats:
        """Return the statistics so far."""
        with self._lock:
            receiver, frames = self._receiver.stats, self._receiver.packet_frames
            packets, size_bytes, first_s = self._packets, self._bytes, self._first_s
        host = self._host.stats()
        rate_hz = self._host.rate_hz
        late = self._codec.latency_samples + DriftResampler.latency_samples
        waits = late + self._playout.waited + host.latency_samples
        delay_ms = receiver.jitter.delay_ms + 1000.0 * waits / rate_hz + host.device_latency_ms[1]
        seconds = max(0.02, time.monotonic() - first_s) if packets else 1.0
        return IncomingStats(
            packets=packets,
            books=self._playout.books,
            line_kbps=8 * size_bytes / seconds / 1000.0,
            frames=self._playout.frames,
            concealed_frames=receiver.jitter.concealed,
            delay_ms=delay_ms,
            mouth_to_ear_ms=delay_ms - receiver.jitter.slip_ms + 1000.0 * FRAME_S * frames,
            drift_ppm=1e6 * (self._playout.rate - 1.0),
            decode_ms=1000.0 * self._playout.slowest_s,
            receiver=receiver,
            host=host,
        )

    def __enter__(self) -> Incoming:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
