"""Reading of media files through PyAV, FFmpeg's libraries in Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from rtaudio.audio.media_format import (
    DEMUXERS,
    GAP_S,
    MAX_GAP_S,
    no_audio,
    tags_of,
)
from rtaudio.errors import AudioFileError
from rtaudio.runtime.memory import Floats

MICROSECOND = Fraction(1, 1_000_000)
_EDIT_LIST_S = Fraction(1, 1000)
"""Edit lists count in this unit in most files."""

_SILENCE_FRAMES = 1 << 16


class LibrarySource:
    """The sound of a media file; see `rtaudio.audio.media_format.MediaSource`.

    Sound is placed by its time stamps, relative to the earliest stream: priming is skipped, as
    edit lists and codec delays demand; a late start, a gap and a lost packet become silence; the
    padding of the last packet is cut off.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    AudioFileError
        It holds no sound that FFmpeg can decode.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._opened = path, ExitStack()
        self.frames = 0
        self.fault, self.missing = "", 0
        self.first_gap: int | None = None
        try:
            self._container = self._open()
            self._stream: Any = self._container.streams.best("audio")
            if self._stream is None:
                raise AudioFileError(f"{path}: holds no sound; choose another file")
            self.exact = "mp4" in self._container.format.name
            self._start = Fraction(self._container.start_time or 0) * MICROSECOND
            self._position = self._offset = 0
            self._broken = False
            self._last: Any = None
            self._decoded = self._decode()
            self._rest = self._first()
            self.frames = self._expected_frames()
        except BaseException:
            self.close()
            raise
        self.subtype = str(self._stream.codec_context.name).upper()
        self.metadata = tags_of({**self._stream.metadata, **self._container.metadata})
        self.has_video = any(is_film(stream) for stream in self._container.streams.video)

    def _open(self) -> Any:
        file = self._opened.enter_context(self._path.open("rb"))
        try:
            return self._opened.enter_context(demuxer(file))
        except av.FFmpegError:
            raise no_audio(self._path) from None

    def _first(self) -> Floats:
        """Decode the first sound, which tells rate and channels better than the header does."""
        self.rate_hz, self.channels = 0, 0
        with suppress(StopIteration):
            return next(self._decoded)
        if not self.rate_hz:
            reason = f" ({self.fault})" if self.fault else ""
            raise AudioFileError(f"{self._path}: holds no sound that can be decoded{reason}")
        return np.zeros((0, self.channels), np.float32)

    def _expected_frames(self) -> int:
        """Return the length that the container states; recorders that stream leave it open."""
        stream, container = self._stream, self._container
        if self.exact and stream.duration:
            first = Fraction(stream.start_time or 0) * stream.time_base - self._start
            return int((stream.duration * stream.time_base + first) * self.rate_hz + 0.5)
        if container.duration:
            return max(1, int(container.duration * MICROSECOND * self.rate_hz))
        return self._counted_frames()

    def _counted_frames(self) -> int:
        """Return the time of the last packet, of a second look at the file."""
        end = Fraction(0)
        with ExitStack() as opened, suppress(av.FFmpegError):
            file = opened.enter_context(self._path.open("rb"))
            container: Any = opened.enter_context(demuxer(file))
            for packet in container.demux(container.streams[self._stream.index]):
                if packet.pts is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        return max(1, round((end - self._start) * self.rate_hz))

    def read_into(self, buffer: Any) -> int:
        """Fill float32 ``[frames, channels]``; returns how many frames there were."""
        at = 0
        while at < len(buffer):
            if not len(self._rest):
                following = next(self._decoded, None)
                if following is None:
                    break
                self._rest = following
            piece = self._rest[: len(buffer) - at]
            buffer[at : at + len(piece)] = piece
            self._rest = self._rest[len(piece) :]
            at += len(piece)
        return at

    def _decode(self) -> Iterator[Floats]:
        """Yield all sound, float32 ``[frames, channels]``, with silence where there is none."""
        held: Floats | None = None
        floats: _Floats | None = None
        for frame in self._frames():
            if floats is None:
                self.rate_hz, self.channels = frame.rate, frame.layout.nb_channels
                floats = _Floats(frame)
            silent = self._gap_before(frame)
            for piece in floats.of(frame):
                if held is not None:
                    yield held
                yield from self._silence(silent)
                silent, held = 0, piece
                self._position += len(piece)
        if held is not None:
            yield self._without_padding(held)

    def _silence(self, frames: int) -> Iterator[Floats]:
        self._position += frames
        while frames > 0:
            yield np.zeros((min(frames, _SILENCE_FRAMES), self.channels), np.float32)
            frames -= _SILENCE_FRAMES

    def _gap_before(self, frame: Any) -> int:
        """Return how many frames are missing before this one."""
        lost, self._broken = self._broken, False
        if frame.pts is None:
            return 0
        place = round((frame.pts * frame.time_base - self._start) * self.rate_hz)
        gap: int = place - self._offset - self._position
        if abs(gap) > MAX_GAP_S * self.rate_hz:
            self._offset += gap
            return 0
        exact = lost or self._position == 0
        if gap <= 0 or not (exact or gap >= GAP_S * self.rate_hz):
            return 0
        if lost:
            self.missing += gap
            if self.first_gap is None:
                self.first_gap = self._position
        return gap

    def _frames(self) -> Iterator[Any]:
        """Yield the frames that can be decoded; what cannot is noted in ``fault``."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except av.EOFError:
                return
            except av.FFmpegError as error:
                self.fault, self._broken = error.strerror or "it cannot be decoded", True
                if not isinstance(error, av.InvalidDataError):
                    return
                continue
            if packet.pts is not None:
                self._last = packet
            yield from frames

    def _without_padding(self, held: Floats) -> Floats:
        """Return the last piece up to its end: a whole packet is decoded even if less was meant."""
        packet, stream = self._last, self._stream
        if not self.exact or packet is None or not packet.duration:
            return held
        end = (packet.pts + packet.duration) * packet.time_base
        if stream.duration:
            stated = (stream.start_time or 0) + stream.duration
            end = min(end, stated * stream.time_base + _EDIT_LIST_S)
        extra = self._position + self._offset - round((end - self._start) * self.rate_hz)
        return held[: len(held) - extra] if 0 < extra < len(held) else held

    def close(self) -> None:
        """Close the file."""
        self._opened.close()


class _Floats:
    """Converts frames to floats with the rate and the channels of the first one."""

    def __init__(self, first: Any) -> None:
        self._layout, self._rate_hz = first.layout, first.rate
        self._kind: Any = None

    def of(self, frame: Any) -> Iterator[Floats]:
        """Yield float32 ``[frames, channels]``."""
        kind = (frame.format.name, frame.layout.name, frame.rate)
        if kind != self._kind:
            self._kind = kind
            self._resampler = av.AudioResampler("flt", self._layout, self._rate_hz)
        frame.pts = None
        for made in self._resampler.resample(frame):
            packed: Floats = np.asarray(made.to_ndarray(), np.float32)
            yield packed.reshape(-1, made.layout.nb_channels)


def demuxer(file: BinaryIO) -> Any:
    """Return a container, chosen by its content; it is not told the name, and follows none."""
    return av.open(file, options={"format_whitelist": DEMUXERS}, metadata_errors="replace")


def is_film(stream: Any) -> bool:
    """Return whether a video stream moves; the cover of an album does not."""
    return not stream.disposition & av.stream.Disposition.attached_pic
