"""Opus as a yardstick, through PyAV: constant bitrate, no redundancy, libopus's own concealment."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtaudio.analysis.speech import at_rate
from rtaudio.audio.opus import LAYOUTS, RATE_HZ, OpusDecoder, OpusEncoder, load_av, set_up
from rtaudio.bench.coder import Coded, Decoded, Signal

TAIL_MS = 40
"""Silence behind the recording, so that its end leaves the codec."""


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
        return self.packet_ms + 1000.0 * self._late / RATE_HZ

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
        decoder = OpusDecoder(self.packet_ms, self.channels)
        pieces = [np.zeros((self.channels, 0))]
        decode_us = []
        for packet in packets:
            start = time.perf_counter()
            pieces.append(np.atleast_2d(decoder.decode(packet)).astype(np.float64))
            decode_us.append(1e6 * (time.perf_counter() - start))
        heard = np.concatenate(pieces, axis=1)[:, self._late :]
        rows = [at_rate(row, RATE_HZ, rate_hz)[:samples] for row in heard]
        sound = np.stack([np.pad(row, (0, samples - row.size)) for row in rows])
        return Decoded(sound if self.channels > 1 else sound[0], np.array(decode_us))

    @property
    def _late(self) -> int:
        """Samples of delay that the encoder states."""
        return OpusEncoder(self.kbps, self.packet_ms, self.application).lookahead_samples

    def _open(self, file: io.BytesIO) -> tuple[Any, Any]:
        """Return an Ogg container that writes to ``file``, and its stream."""
        container = load_av().open(file, "w", format="ogg")
        stream = container.add_stream("libopus", rate=RATE_HZ)
        set_up(stream.codec_context, self.kbps, self.packet_ms, self.application, self.channels)
        return container, stream

    def _frames(self, x: Signal) -> Iterator[Any]:
        """Yield the recording ``[channels, frames]`` and its tail, a packet in each frame."""
        size = round(RATE_HZ * self.packet_ms / 1000)
        length = x.shape[1]
        count = -(-(length + RATE_HZ * TAIL_MS // 1000) // size)
        padded = np.pad(x, ((0, 0), (0, count * size - length))).astype(np.float32)
        for number, part in enumerate(padded.T.reshape(count, 1, -1)):
            layout = LAYOUTS[self.channels]
            frame = load_av().AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = RATE_HZ, number * size
            yield frame


def _muxed(container: Any, packets: Sequence[Any]) -> list[bytes]:
    """Append packets to the file; return their payloads."""
    payloads = [bytes(packet) for packet in packets]
    container.mux(packets)
    return payloads
