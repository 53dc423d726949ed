"""A codec of rtaudio as it is measured: packets as in a call, and the file that `encode` writes."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rtaudio.analysis.speech import at_rate
from rtaudio.bench.coder import Coded, Decoded, Signal
from rtaudio.codec.codes import Codes
from rtaudio.codec.frame_player import FramePlayer
from rtaudio.codec.jitter import Frame
from rtaudio.codec.model import CodecModel, FrameDecoder, FrameEncoder, read_codec
from rtaudio.codec.packets import pack, unpack
from rtaudio.codec.rtc_header import RtcHeader
from rtaudio.codec.rtc_writer import RtcWriter


@dataclass(frozen=True)
class NeuralCoder:
    """A codec of two model files at one bitrate, frame by frame.

    Attributes
    ----------
    path
        One of its files, or their common start.
    kbps
        Bitrate of the codes in kbit/s. A packet has a byte more, which says how to read it.
    label
        Its name in tables; empty: that of its files.
    """

    path: str
    kbps: float
    label: str = ""

    @property
    def model(self) -> CodecModel:
        """The codec."""
        return _sides(self.path).model

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return self.label or self.model.name

    @property
    def rate_hz(self) -> int:
        """Sample rate at which it codes."""
        return self.model.rate_hz

    @property
    def packet_ms(self) -> float:
        """Duration of a packet: one frame."""
        return 1000.0 * self.model.hop / self.model.rate_hz

    @property
    def latency_ms(self) -> float:
        """Algorithmic latency: a frame, and what encoder and decoder state."""
        return self.packet_ms + 1000.0 * self.model.latency_samples / self.model.rate_hz

    def encode(self, x: Signal, rate_hz: int) -> Coded:
        """Encode a mono recording.

        Parameters
        ----------
        x
            ``[frames]``.
        rate_hz
            Its sample rate.
        """
        model, encoder, _ = _sides(self.path)
        encoder.clear()
        books = model.books_for(self.kbps)
        sound = at_rate(x, rate_hz, model.rate_hz).astype(np.float32)
        count = -(-(sound.size + model.latency_samples) // model.hop)
        padded = np.pad(sound, (0, count * model.hop - sound.size))
        columns, packets, encode_us = [], [], []
        for frame in padded.reshape(count, model.hop):
            start = time.perf_counter()
            codes = encoder.encode(frame, books)
            packets.append(pack(codes))
            encode_us.append(1e6 * (time.perf_counter() - start))
            columns.append(codes[:books])
        file = _file(model, np.concatenate(columns, axis=1), rate_hz, x.size)
        return Coded(packets, file, np.array(encode_us))

    def decode(self, packets: Sequence[bytes | None], rate_hz: int, samples: int) -> Decoded:
        """Decode packets; losses are concealed as in a call.

        Parameters
        ----------
        packets
            Payloads; None for a lost one.
        rate_hz, samples
            Sample rate and length of the result.
        """
        model, _, decoder = _sides(self.path)
        decoder.clear()
        player = FramePlayer(model, decoder)
        pieces, decode_us = [], []
        for number, packet in enumerate(packets):
            start = time.perf_counter()
            frame = None if packet is None else Frame(number, unpack(packet).codes[:, 0])
            pieces.append(player.play(frame))
            decode_us.append(1e6 * (time.perf_counter() - start))
        played = np.concatenate(pieces)[model.latency_samples :]
        sound = at_rate(played, model.rate_hz, rate_hz)[:samples]
        return Decoded(np.pad(sound, (0, samples - sound.size)), np.array(decode_us))


class _Sides(NamedTuple):
    model: CodecModel
    encoder: FrameEncoder
    decoder: FrameDecoder


@lru_cache(maxsize=4)
def _sides(path: str) -> _Sides:
    model = read_codec(path)
    return _Sides(model, FrameEncoder(model), FrameDecoder(model))


def _file(model: CodecModel, codes: Codes, rate_hz: int, samples: int) -> bytes:
    """Return a coded file in memory, with its header."""
    stream = io.BytesIO()
    header = RtcHeader(
        model_id=model.id[:16],
        rate_hz=model.rate_hz,
        hop=model.hop,
        books=len(codes),
        channels=1,
        delay_samples=model.latency_samples,
        original_rate_hz=rate_hz,
        original_samples=samples,
    )
    writer = RtcWriter(stream, header)
    writer.write(codes[None])
    writer.close()
    return stream.getvalue()
