"""Encoding of a file of any length, in little memory.

::

    pass 1: length, active level of each channel --> header
    pass 2: samples --> mid, side --> x gain --> resampler --> frames --> an encoder each --> blocks
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtaudio.analysis.active_level import ActiveLevel
from rtaudio.atomic import replacing
from rtaudio.audio.reader import Reader, open_audio
from rtaudio.audio.resampler import Resampler
from rtaudio.batch.coded import Coded
from rtaudio.codec.codes import BITS, NOT_SENT, Codes
from rtaudio.codec.find import model_id
from rtaudio.codec.mid_side import mid_side, side_share
from rtaudio.codec.model import CodecModel, FrameEncoder
from rtaudio.codec.rtc_header import MAX_CHANNELS, RtcHeader
from rtaudio.codec.rtc_writer import RtcWriter
from rtaudio.errors import AudioFileError, CodecError, ParameterError
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
    side_kbps: float | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Coded:
    """Encode a sound file.

    Parameters
    ----------
    codec
        The codec. Two channels are coded as mid and side, unless the side is nearly as strong; all
        others each on its own. What is coded is brought to the level of the codec's training; the
        header keeps the gains, so that decoding restores level and balance.
    source
        A sound file of up to 64 channels.
    target
        The new file, which appears when it is complete, or an open binary stream such as a pipe.
    bitrate_kbps
        Bitrate of one channel, or of a mid, in kbit/s, rounded to the nearest that the codec has.
    side_kbps
        Bitrate of the side of two channels, which are then always coded so; it is not sent if it is
        60 dB below the mid. None: half of ``bitrate_kbps``.
    progress
        Called regularly with the share that is done, 0 .. 1.

    Raises
    ------
    ParameterError
        The codec has no such bitrate, or the side has more than the mid.
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
        books = codec.books_for(bitrate_kbps)
        side_books = None if side_kbps is None else codec.books_for(side_kbps)
        if side_books is not None and side_books > books:
            raise ParameterError(f"side = {side_kbps:g}: is above the bitrate, {bitrate_kbps:g}")
        header = _measured(codec, source, books, side_books)
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
        time.perf_counter() - begin, "", header.side_books,
    )  # fmt: skip


def _measured(codec: CodecModel, source: Path, books: int, side_books: int | None) -> RtcHeader:
    """Read the file once, refuse it if it is not whole, and return its header."""
    with open_audio(source, MAX_CHANNELS) as file:
        meter, pair = ActiveLevel(file.rate_hz, file.channels), ActiveLevel(file.rate_hz, 2)
        for x in _pieces(file):
            if not np.isfinite(x).all():
                raise AudioFileError(f"{source}: holds NaN or infinite samples; repair it")
            meter.add(x)
            if file.channels == 2:
                pair.add(mid_side(x))
        if damage := file.damage():
            raise AudioFileError(f"{damage}; use another copy, or repair it")
        if file.position == 0:
            raise AudioFileError(f"{source}: has no frames; record it again")
    levels_db = meter.levels_db()
    if file.channels == 2:
        side_books = _side_books(codec, books, side_books, pair.levels_db())
        levels_db = levels_db if side_books is None else pair.levels_db()
    return RtcHeader(
        model_id(codec),
        codec.rate_hz,
        codec.hop,
        books,
        file.channels,
        codec.latency_samples,
        file.rate_hz,
        file.position,
        tuple(map(_gain_db, levels_db)),
        side_books if file.channels == 2 else None,
    )


def _side_books(
    codec: CodecModel, books: int, wanted: int | None, levels_db: Sequence[float]
) -> int | None:
    """Return the books of a side; None if both channels are coded on their own."""
    share = side_share(*levels_db)
    if share is None or (share and wanted is not None):
        return wanted
    return max(codec.least_books, round(share * books)) if share else 0


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
    depths = header.sent.sum(axis=1)
    encoders = [first if n == 0 else first.twin() for n in range(header.channels)]
    for audio in _frames(file, header):
        codes = np.full((*header.sent.shape, audio.shape[1] // header.hop), NOT_SENT, np.int64)
        for rows, encoder, sound, depth in zip(codes, encoders, audio, depths, strict=True):
            if depth:
                rows[:] = encoder.encode(sound, int(depth))[: header.books]
        yield codes


def _frames(file: Reader, header: RtcHeader) -> Iterator[Floats]:
    """Yield the frames of the header at the codec's rate, float32 ``[channels, samples]``."""
    assert header.frames is not None
    resampler = Resampler(header.original_rate_hz, header.rate_hz)
    gains = from_db(np.array(header.gains_db, np.float32))[:, None]
    waiting = nothing = np.zeros((header.channels, 0), np.float32)
    left = header.frames * header.hop
    for x in _pieces(file):
        parts = x if header.side_books is None else mid_side(x)
        waiting = np.concatenate([waiting, resampler.process(gains * parts)], axis=1)
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
