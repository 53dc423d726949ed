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
from rtaudio.codec.codes import Codes, with_books
from rtaudio.codec.frame_player import FramePlayer
from rtaudio.codec.jitter import Frame
from rtaudio.codec.mid_side import left_right, mid_side
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
    side_kbps
        The part of the bitrate that the side of a stereo signal has; 0: the signal is mono.
    """

    path: str
    kbps: float
    label: str = ""
    side_kbps: float = 0.0

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
        """Encode a recording.

        Parameters
        ----------
        x
            ``[frames]``; with a side, ``[2, frames]``.
        rate_hz
            Its sample rate.
        """
        model, depths = self.model, self._depths()
        channels = [x] if len(depths) == 1 else list(mid_side(x))
        sounds = [at_rate(channel, rate_hz, model.rate_hz) for channel in channels]
        count = -(-(sounds[0].size + model.latency_samples) // model.hop)
        length = count * model.hop
        frames = np.stack([np.pad(sound, (0, length - sound.size)) for sound in sounds])
        frames = frames.reshape(len(sounds), count, model.hop).astype(np.float32)
        encoders = [_sides(self.path).encoder.twin() for _ in depths]
        columns, packets, encode_us = [], [], []
        for number in range(count):
            start = time.perf_counter()
            rows = [
                encoder.encode(frames[channel, number], depth)[:depth]
                for channel, (encoder, depth) in enumerate(zip(encoders, depths, strict=True))
            ]
            columns.append(np.concatenate(rows))
            packets.append(pack(columns[-1]))
            encode_us.append(1e6 * (time.perf_counter() - start))
        file = _file(model, np.concatenate(columns, axis=1), depths, rate_hz, x.shape[-1])
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
        depths = self._depths()
        players = [FramePlayer(model, decoder.twin()) for _ in depths]
        pieces, decode_us = [], []
        for number, packet in enumerate(packets):
            start = time.perf_counter()
            codes = None if packet is None else unpack(packet).codes[:, 0]
            rows = [None] * len(depths) if codes is None else np.split(codes, depths[:1])
            pieces.append([
                player.play(None if row is None else Frame(number, row))
                for player, row in zip(players, rows, strict=False)
            ])  # fmt: skip
            decode_us.append(1e6 * (time.perf_counter() - start))
        played = np.concatenate(pieces, axis=1)[:, model.latency_samples :]
        sound = played if len(depths) == 1 else left_right(played)
        found = np.stack([at_rate(row, model.rate_hz, rate_hz)[:samples] for row in sound])
        found = np.pad(found, ((0, 0), (0, samples - found.shape[1])))
        return Decoded(found[0] if len(depths) == 1 else found, np.array(decode_us))

    def _depths(self) -> list[int]:
        """Return the books of the signal, or of mid and side."""
        model = self.model
        if not self.side_kbps:
            return [model.books_for(self.kbps)]
        return [model.books_for(kbps) for kbps in (self.kbps - self.side_kbps, self.side_kbps)]


class _Sides(NamedTuple):
    model: CodecModel
    encoder: FrameEncoder
    decoder: FrameDecoder


@lru_cache(maxsize=4)
def _sides(path: str) -> _Sides:
    model = read_codec(path)
    return _Sides(model, FrameEncoder(model), FrameDecoder(model))


def _file(
    model: CodecModel, rows: Codes, depths: Sequence[int], rate_hz: int, samples: int
) -> bytes:
    """Return a coded file in memory, with its header, from the rows of all its channels."""
    stream = io.BytesIO()
    header = RtcHeader(
        model_id=model.id[:16],
        rate_hz=model.rate_hz,
        hop=model.hop,
        books=depths[0],
        channels=len(depths),
        delay_samples=model.latency_samples,
        original_rate_hz=rate_hz,
        original_samples=samples,
        side_books=depths[1] if len(depths) > 1 else None,
    )
    writer = RtcWriter(stream, header)
    channels = np.split(rows, depths[:1]) if len(depths) > 1 else [rows]
    writer.write(np.stack([with_books(channel, depths[0]) for channel in channels]))
    writer.close()
    return stream.getvalue()
