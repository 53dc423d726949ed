"""Encoding of a file of any length, in little memory.

::

    pass 1: length, active level of each channel --> header
    pass 2: samples --> x gain --> resampler --> frames --> one encoder per channel --> blocks
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtaudio.analysis.active_level import ActiveLevel
from rtaudio.atomic import replacing
from rtaudio.audio.reader import Reader, open_audio
from rtaudio.audio.resampler import Resampler
from rtaudio.batch.coded import Coded
from rtaudio.codec.codes import BITS, Codes
from rtaudio.codec.find import model_id
from rtaudio.codec.model import CodecModel, FrameEncoder
from rtaudio.codec.rtc_header import MAX_CHANNELS, RtcHeader
from rtaudio.codec.rtc_writer import RtcWriter
from rtaudio.errors import AudioFileError, CodecError
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats

LEVEL_DB = -26.0
"""Active level, in dBFS RMS, of the speech by which the codecs are trained."""

MAX_GAIN_DB = 60.0
"""A channel is raised and lowered by this much at most."""

_PIECE_SAMPLES = 1 << 17


def encode_file(
    codec: CodecModel,
    source: str | Path,
    target: str | Path | BinaryIO,
    *,
    bitrate_kbps: float = 6.0,
    progress: Callable[[float], None] = lambda share: None,
) -> Coded:
    """Encode a sound file.

    Parameters
    ----------
    codec
        The codec. Each channel is coded on its own, brought to the level of the codec's training;
        the header keeps the gains, so that decoding restores level and balance.
    source
        A sound file of up to 64 channels.
    target
        The new file, which appears when it is complete, or an open binary stream such as a pipe.
    bitrate_kbps
        Bitrate of one channel in kbit/s, rounded to the nearest that the codec has.
    progress
        Called regularly with the share that is done, 0 .. 1.

    Raises
    ------
    ParameterError
        The codec has no such bitrate.
    CodecError
        The codes of the codec do not fit into a coded file.
    AudioFileError
        ``source`` cannot be played, is damaged, or holds NaN.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> done = encode_file(find_codec("codec-voice"), "talk.wav", "talk.rtc")   # doctest: +SKIP
    >>> done.payload_kbps                                                       # doctest: +SKIP
    6.0
    """
    begin, source = time.perf_counter(), Path(source)
    if codec.bits > BITS:
        raise CodecError(f"{codec.encoder.path}: has codes of {codec.bits} bits; files have {BITS}")
    with _opened(target, source) as stream:
        header = _measured(codec, source, codec.books_for(bitrate_kbps))
        with open_audio(source, MAX_CHANNELS) as file:
            writer = RtcWriter(stream, header)
            for codes in _codes(codec, file, header):
                writer.write(codes)
                progress(min(1.0, file.position / file.frames))
            writer.close()
    assert header.frames is not None
    return Coded(
        file.position, header.channels, header.original_rate_hz, codec.name, header.books,
        header.code_bytes(header.frames), writer.bytes_written, header.gains_db, 0,
        time.perf_counter() - begin, "",
    )  # fmt: skip


def _measured(codec: CodecModel, source: Path, books: int) -> RtcHeader:
    """Read the file once, refuse it if it is not whole, and return its header."""
    with open_audio(source, MAX_CHANNELS) as file:
        meter = ActiveLevel(file.rate_hz, file.channels)
        for x in _pieces(file):
            if not np.isfinite(x).all():
                raise AudioFileError(f"{source}: holds NaN or infinite samples; repair it")
            meter.add(x)
        if damage := file.damage():
            raise AudioFileError(f"{damage}; use another copy, or repair it")
        if file.position == 0:
            raise AudioFileError(f"{source}: has no frames; record it again")
    return RtcHeader(
        model_id(codec),
        codec.rate_hz,
        codec.hop,
        books,
        file.channels,
        codec.latency_samples,
        file.rate_hz,
        file.position,
        tuple(map(_gain_db, meter.levels_db())),
    )


def _gain_db(level_db: float) -> float:
    """Return the gain to the level of the training; silence is left as it is."""
    if math.isinf(level_db):
        return 0.0
    return min(max(LEVEL_DB - level_db, -MAX_GAIN_DB), MAX_GAIN_DB)


def _pieces(file: Reader) -> Iterator[Floats]:
    """Yield all of a file; the last piece is shorter than the others, or empty."""
    size = max(1, _PIECE_SAMPLES // file.channels)
    while (x := file.read(size)).shape[1] == size:
        yield x
    yield x


def _codes(codec: CodecModel, file: Reader, header: RtcHeader) -> Iterator[Codes]:
    """Yield the codes of the file, int64 ``[channels, books, frames]``."""
    first = FrameEncoder(codec)
    encoders = [first, *(first.twin() for _ in range(header.channels - 1))]
    for audio in _frames(file, header):
        pairs = zip(encoders, audio, strict=True)
        yield np.stack([
            encoder.encode(row, header.books)[: header.books] for encoder, row in pairs
        ])  # fmt: skip


def _frames(file: Reader, header: RtcHeader) -> Iterator[Floats]:
    """Yield the frames of the header at the codec's rate, float32 ``[channels, samples]``."""
    assert header.frames is not None
    resampler = Resampler(header.original_rate_hz, header.rate_hz)
    gains = from_db(np.array(header.gains_db, np.float32))[:, None]
    waiting = nothing = np.zeros((header.channels, 0), np.float32)
    left = header.frames * header.hop
    for x in _pieces(file):
        waiting = np.concatenate([waiting, resampler.process(gains * x)], axis=1)
        whole = waiting.shape[1] // header.hop * header.hop
        yield waiting[:, :whole]
        waiting, left = waiting[:, whole:], left - whole
    if file.position != header.original_samples:
        raise AudioFileError(f"{file.path}: was changed while it was read; encode it again")
    waiting = np.concatenate([waiting, resampler.process(nothing, last=True)], axis=1)
    yield np.pad(waiting, ((0, 0), (0, left - waiting.shape[1])))


@contextmanager
def _opened(target: str | Path | BinaryIO, source: Path) -> Iterator[BinaryIO]:
    """Open the new file, which must not be the source, or pass the stream on."""
    if isinstance(target, (str, Path)):
        if source.exists() and Path(target).exists() and source.samefile(target):
            raise AudioFileError(f"{target}: is the file that is read; choose another name")
        with replacing(target) as temporary, temporary.open("wb") as stream:
            yield stream
    else:
        yield target
        target.flush()
