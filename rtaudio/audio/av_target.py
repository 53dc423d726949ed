"""Writing of media files through PyAV, FFmpeg's libraries in Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from rtaudio.audio.av_source import MICROSECOND, demuxer, is_film
from rtaudio.audio.media_format import LAYOUTS, Target, ffmpeg_tags
from rtaudio.errors import AudioFileError


class LibraryTarget:
    """A media file while it is written; see `rtaudio.audio.media_format.MediaTarget`.

    Parameters
    ----------
    target
        Container and codec.
    path, temporary
        The file, for messages, and the file that is written.
    rate_hz, channels
        Sample rate and channels of the sound.
    metadata
        Title, artist and the like.
    video
        A file whose video is copied; None: there is none.

    Raises
    ------
    AudioFileError
        The container cannot hold this sound or this video.
    """

    def __init__(
        self, target: Target, path: Path, temporary: Path, rate_hz: int, channels: int,
        metadata: Mapping[str, str], video: Path | None,
    ) -> None:  # fmt: skip
        self._path, self._opened = path, ExitStack()
        self._layout, self._rate_hz, self._position = LAYOUTS[channels - 1], rate_hz, 0
        try:
            coded_hz = target.coded_hz(rate_hz)
            file = self._opened.enter_context(temporary.open("wb"))
            container = av.open(
                file, "w", format=target.muxer, options=_exact_times(target, coded_hz)
            )
            self._container = container
            container.metadata.update(ffmpeg_tags(metadata))
            stream: Any = container.add_stream(target.encoder, coded_hz, layout=self._layout)
            stream.bit_rate = target.bits_per_s * channels
            self._stream = stream
            self._film = _Film(video, self._opened, container) if video else None
            container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            self._opened.close()
            reason = getattr(error, "strerror", None) or error
            what = f"the video of {video}" if video else f"{channels} channels at {rate_hz} Hz"
            raise AudioFileError(
                f"{path}: cannot hold {what} ({reason}); use .mkv for video, .wav for sound"
            ) from None

    def write(self, frames: Any) -> None:
        """Append float ``[frames, channels]``."""
        if not len(frames):
            return
        packed = np.ascontiguousarray(frames, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, "flt", self._layout)
        frame.rate, frame.pts = self._rate_hz, self._position
        frame.time_base = Fraction(1, self._rate_hz)
        self._encode(frame)
        self._position += len(frames)
        if self._film:
            self._film.copy_until(Fraction(self._position, self._rate_hz))

    def _encode(self, frame: Any) -> None:
        with _written(self._path):
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    def close(self) -> None:
        """Write what is left."""
        self._encode(None)
        if self._film:
            self._film.copy_until(None)
        with _written(self._path):
            self._container.close()
        self._opened.close()

    def discard(self) -> None:
        """Close the file, which will be removed."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()
        self._opened.close()


class _Film:
    """The video packets of another file, untouched, in step with the new sound."""

    def __init__(self, path: Path, opened: ExitStack, container: Any) -> None:
        self._container = container
        file = opened.enter_context(path.open("rb"))
        self._source = opened.enter_context(demuxer(file))
        streams = [stream for stream in self._source.streams.video if is_film(stream)]
        self._copies = {
            stream.index: container.add_stream_from_template(stream) for stream in streams
        }
        self._start = Fraction(self._source.start_time or 0) * MICROSECOND
        self._packets = self._source.demux(streams)
        self._next = self._read()

    def _read(self) -> Any:
        """Return the next packet; None at the end, or where the file is damaged."""
        with suppress(av.FFmpegError):
            for packet in self._packets:
                if packet.dts is not None:
                    return packet
        return None

    def copy_until(self, seconds: Fraction | None) -> None:
        """Copy the packets up to a time; None: all that are left."""
        while (packet := self._next) is not None:
            if seconds is not None and packet.dts * packet.time_base - self._start > seconds:
                return
            shift = round(self._start / packet.time_base)
            packet.dts -= shift
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.stream = self._copies[packet.stream.index]
            self._container.mux(packet)
            self._next = self._read()


def _exact_times(target: Target, coded_hz: int) -> dict[str, str]:
    """Return the options by which edit lists count samples, not milliseconds."""
    return {"movie_timescale": str(coded_hz)} if target.has_edit_lists else {}


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Turn a failure to write into an error with the name of the user's file."""
    try:
        yield
    except av.FFmpegError as error:
        reason = (error.strerror or "unknown").lower()
        raise OSError(f"{path}: could not be written ({reason}); is the disk full?") from None
