"""Opus as a yardstick, through PyAV: constant bitrate, no redundancy, libopus's own concealment."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.analysis.speech import at_rate, missing_package
from rtaudio.bench.coder import Coded, Decoded, Signal

RATE_HZ = 48000
TAIL_MS = 40
"""Silence behind the recording, so that its end leaves the codec."""

_ONE_FRAME = 0xFC
"""Of the first byte: mode, bandwidth, length and channels, and the count code of one frame."""

_PRE_SKIP = slice(10, 12)
"""Place of the encoder's delay in samples in the header (RFC 7845, 5.1)."""


@dataclass(frozen=True)
class OpusCoder:
    """Opus at one constant bitrate.

    Attributes
    ----------
    kbps
        Bitrate in kbit/s.
    packet_ms
        Duration of a packet.
    application
        ``"voip"``, ``"audio"``, or ``"lowdelay"`` (the restricted low-delay mode).
    channels
        1 or 2.
    """

    kbps: float
    packet_ms: float = 20.0
    application: str = "voip"
    channels: int = 1

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return f"Opus {self.packet_ms:g} ms"

    @property
    def rate_hz(self) -> int:
        """Sample rate at which it codes."""
        return RATE_HZ

    @property
    def latency_ms(self) -> float:
        """Algorithmic latency: a packet, and the delay that the encoder states."""
        _, stream = self._open(io.BytesIO())
        return self.packet_ms + 1000.0 * _pre_skip(stream.codec_context) / RATE_HZ

    def encode(self, x: Signal, rate_hz: int) -> Coded:
        """Encode a recording.

        Parameters
        ----------
        x
            ``[frames]``, or ``[2, frames]``.
        rate_hz
            Its sample rate.

        Raises
        ------
        MetricsError
            PyAV is not installed.
        """
        file = io.BytesIO()
        container, stream = self._open(file)
        packets: list[bytes] = []
        encode_us = []
        planar = np.stack([at_rate(row, rate_hz, RATE_HZ) for row in np.atleast_2d(x)])
        for frame in self._frames(planar):
            start = time.perf_counter()
            found = stream.encode(frame)
            encode_us.append(1e6 * (time.perf_counter() - start))
            packets += _muxed(container, found)
        packets += _muxed(container, stream.encode(None))
        container.close()
        return Coded(packets, file.getvalue(), np.array(encode_us))

    def decode(self, packets: Sequence[bytes | None], rate_hz: int, samples: int) -> Decoded:
        """Decode packets.

        Parameters
        ----------
        packets
            Payloads; None for a lost one.
        rate_hz, samples
            Sample rate and length of the result.
        """
        decoder = self._decoder()
        pieces = [np.zeros((self.channels, 0))]
        decode_us = []
        last = next((packet for packet in packets if packet), b"")
        for packet in packets:
            last = packet or last
            start = time.perf_counter()
            frames = decoder.decode(_packet(packet or _nothing_like(last))) if last else []
            decode_us.append(1e6 * (time.perf_counter() - start))
            pieces += [_samples(frame.to_ndarray(), self.channels) for frame in frames]
        rows = [at_rate(row, RATE_HZ, rate_hz)[:samples] for row in np.concatenate(pieces, axis=1)]
        sound = np.stack([np.pad(row, (0, samples - row.size)) for row in rows])
        return Decoded(sound if self.channels > 1 else sound[0], np.array(decode_us))

    def _open(self, file: io.BytesIO) -> tuple[Any, Any]:
        """Return an Ogg container that writes to ``file``, and its stream."""
        container = _av().open(file, "w", format="ogg")
        options = {
            "application": self.application,
            "vbr": "off",
            "frame_duration": f"{self.packet_ms:g}",
            "compression_level": "10",
        }
        stream = container.add_stream("libopus", rate=RATE_HZ, options=options)
        stream.layout, stream.format = self._layout, "flt"
        stream.bit_rate = round(1000 * self.kbps)
        stream.codec_context.open()
        return container, stream

    @property
    def _layout(self) -> str:
        return "mono" if self.channels == 1 else "stereo"

    def _decoder(self) -> Any:
        _, stream = self._open(io.BytesIO())
        decoder = _av().CodecContext.create("libopus", "r")
        decoder.sample_rate, decoder.layout = RATE_HZ, self._layout
        decoder.extradata = stream.codec_context.extradata  # names the delay, which it cuts off
        return decoder

    def _frames(self, x: Signal) -> Iterator[Any]:
        """Yield the recording ``[channels, frames]`` and its tail, a packet in each frame."""
        size = round(RATE_HZ * self.packet_ms / 1000)
        length = x.shape[1]
        count = -(-(length + RATE_HZ * TAIL_MS // 1000) // size)
        padded = np.pad(x, ((0, 0), (0, count * size - length))).astype(np.float32)
        interleaved = padded.T.reshape(count, 1, self.channels * size)
        for number, part in enumerate(interleaved):
            frame = _av().AudioFrame.from_ndarray(part, format="flt", layout=self._layout)
            frame.sample_rate, frame.pts = RATE_HZ, number * size
            yield frame


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise missing_package("av") from None
    return av


def _packet(data: bytes) -> Any:
    return _av().Packet(data)


def _nothing_like(packet: bytes) -> bytes:
    """Return a packet of one frame without data, of the same mode as another one.

    libopus conceals it like a packet that did not arrive (RFC 6716, 3.2.1, and opus_decode_frame);
    PyAV has no other way to say that one is lost.
    """
    return bytes([packet[0] & _ONE_FRAME])


def _pre_skip(context: Any) -> int:
    return int.from_bytes(context.extradata[_PRE_SKIP], "little")


def _muxed(container: Any, packets: Sequence[Any]) -> list[bytes]:
    """Append packets to the file; return their payloads."""
    payloads = [bytes(packet) for packet in packets]
    container.mux(packets)
    return payloads


def _samples(block: NDArray[Any], channels: int) -> Signal:
    """Return a decoded frame as ``[channels, samples]``; PyAV has it planar, or in one row."""
    full_scale = 32768.0 if block.dtype == np.int16 else 1.0
    planar = block if len(block) == channels else block.reshape(-1, channels).T
    return np.asarray(planar, np.float64) / full_scale
