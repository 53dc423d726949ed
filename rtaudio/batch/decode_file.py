"""Decoding of a coded file of any length, in little memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtaudio.audio.resampler import Resampler
from rtaudio.audio.writer import Writer, clips, create_audio
from rtaudio.batch.coded import Coded
from rtaudio.codec.codes import NOT_SENT, Codes, with_books
from rtaudio.codec.container import check_model
from rtaudio.codec.find import codec_of, model_id
from rtaudio.codec.mid_side import left_right
from rtaudio.codec.model import CodecModel, FrameDecoder
from rtaudio.codec.rtc_header import RtcHeader
from rtaudio.codec.rtc_reader import RtcReader
from rtaudio.errors import CodecError, CodecFileError
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.limits import MAX_RATE_HZ, MIN_RATE_HZ
from rtaudio.runtime.memory import Floats

_STEP_FRAMES = 10


def decode_file(
    codec: CodecModel | None,
    source: str | Path | BinaryIO,
    target: str | Path,
    *,
    salvage: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> Coded:
    """Decode a coded file.

    Parameters
    ----------
    codec
        The codec; None: the shipped one that the file names.
    source
        The coded file, or an open binary stream such as a pipe.
    target
        The new sound file, of the same length, rate, channels and levels as the original, and
        aligned with it. It appears when it is complete.
    salvage
        Decode everything up to the damage of a file, and describe it in ``damage``; otherwise such
        a file is refused.
    progress
        Called regularly with the share that is done, 0 .. 1, if the header tells the length.

    Raises
    ------
    CodecFileError
        ``source`` is no coded file, is damaged, or was written by another codec.
    AudioFileError
        The suffix of ``target`` is not that of a sound file.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> decode_file(None, "talk.rtc", "talk.wav").duration_s                    # doctest: +SKIP
    60.0
    """
    begin = time.perf_counter()
    with _opened(source) as (stream, name):
        reader = RtcReader(stream, name, salvage=salvage)
        header = reader.header
        codec = _suited(codec, header, name)
        with create_audio(
            target, header.original_rate_hz, header.channels, frames=header.original_samples
        ) as file:
            sound = _Sound(codec, header, file)
            for codes in reader.blocks():
                if codes.max() >= 1 << codec.bits:
                    raise CodecFileError(f"{name}: holds codes that {codec.name} does not have")
                for start in range(0, codes.shape[2], _STEP_FRAMES):
                    sound.write(codes[..., start : start + _STEP_FRAMES])
                progress(reader.frames_read / header.frames if header.frames else 0.0)
            samples = reader.header.original_samples
            if reader.damage is not None or samples is None:
                samples = header.samples_in(reader.frames_read)
            if samples == 0:
                raise CodecFileError(reader.damage or f"{name}: holds no sound")
            sound.end(samples)
    return Coded(
        samples, header.channels, header.original_rate_hz, codec.name, header.books,
        header.code_bytes(reader.frames_read), reader.bytes_read, header.gains_db, sound.clipped,
        time.perf_counter() - begin, reader.damage or "", header.side_books,
    )  # fmt: skip


@contextmanager
def _opened(source: str | Path | BinaryIO) -> Iterator[tuple[BinaryIO, str]]:
    """Open the file, or pass the stream on; with its name for messages."""
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as stream:
            yield stream, str(source)
    else:
        yield source, str(getattr(source, "name", "stream"))


def _suited(codec: CodecModel | None, header: RtcHeader, name: str) -> CodecModel:
    """Return the codec of the file; what its header says must be possible with it."""
    if codec is None:
        try:
            codec = codec_of(header.model_id)
        except CodecError as error:
            raise CodecFileError(f"{name}: {error}") from None
    check_model(header, model_id(codec), name)
    same = (header.rate_hz, header.hop) == (codec.rate_hz, codec.hop)
    least = min(header.books, header.side_books or header.books)
    if not same or not codec.least_books <= least <= header.books <= codec.books:
        raise CodecFileError(f"{name}: has a header that contradicts {codec.name}; code it again")
    if not MIN_RATE_HZ <= header.original_rate_hz <= MAX_RATE_HZ:
        raise CodecFileError(
            f"{name}: has an original at {header.original_rate_hz} Hz; rtaudio plays "
            f"{MIN_RATE_HZ} .. {MAX_RATE_HZ} Hz"
        )
    return codec


class _Sound:
    """What comes out of the codes: without the delay, at the original's rate and levels."""

    def __init__(self, codec: CodecModel, header: RtcHeader, file: Writer) -> None:
        first = FrameDecoder(codec)
        self._decoders = [first, *(first.twin() for _ in range(header.channels - 1))]
        self._codec, self._header, self._file = codec, header, file
        self._gains = from_db(-np.array(header.gains_db, np.float32))[:, None]
        self._skip = header.delay_samples
        self._resampler = Resampler(header.rate_hz, header.original_rate_hz)
        # Frames hold less than a hop behind the end of the original. It is cut off, but only the
        # end of a pipe tells where; so this much is kept back.
        self._margin = 2 + (header.hop + 1) * header.original_rate_hz // header.rate_hz
        self._waiting = np.zeros((header.channels, 0), np.float32)
        self._limit = 1.0 if clips(file.subtype) else np.inf
        self._written = self.clipped = 0

    def write(self, codes: Codes) -> None:
        """Decode the next frames, int64 ``[channels, books, frames]``."""
        hop, has_side = self._codec.hop, self._header.side_books is not None
        audio = np.zeros((len(codes), codes.shape[2] * hop), np.float32)
        for row, decoder, columns in zip(audio, self._decoders, codes, strict=True):
            if has_side and columns[0, 0] == NOT_SENT:
                continue  # the side is silent
            row[:] = decoder.decode(with_books(columns, self._codec.books))
        heard = audio[:, self._skip :]
        self._skip -= audio.shape[1] - heard.shape[1]
        heard = self._gains * heard
        self._take(self._resampler.process(left_right(heard) if has_side else heard))
        self._put(self._waiting.shape[1] - self._margin)

    def end(self, samples: int) -> None:
        """Write what is left of an original of this length."""
        nothing = np.zeros((len(self._waiting), 0), np.float32)
        self._take(self._resampler.process(nothing, last=True))
        self._put(samples - self._written)

    def _take(self, audio: Floats) -> None:
        self._waiting = np.concatenate([self._waiting, audio], axis=1)

    def _put(self, count: int) -> None:
        """Write the first samples of those that wait."""
        audio = self._waiting[:, : max(0, count)]
        self._waiting = self._waiting[:, audio.shape[1] :]
        self._file.write(audio.T)
        self._written += audio.shape[1]
        self.clipped += int(np.count_nonzero(np.abs(audio) > self._limit))
