"""Media files through the program ``ffmpeg``, which may be installed where PyAV is not."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from rtaudio.audio.file import native_path
from rtaudio.audio.media_format import DEMUXERS, Target, ffmpeg_tags, no_audio, tags_of
from rtaudio.errors import AudioFileError

_QUIET = ("-hide_banner", "-nostdin", "-nostats")
_PLACED = "aresample=async=1:first_pts=0"
"""A late start and gaps become silence."""

_AU_HEADER = struct.Struct(">4sIIIII")
_AU_FLOAT = 6
_MAX_HEADER_BYTES = 1 << 20
_STEP_FRAMES = 1 << 16


def _input(path: Path) -> tuple[Any, ...]:
    """Return the words that open a file: by its content, and without following it elsewhere."""
    name = native_path(path.absolute())
    url = b"file:" + name if isinstance(name, bytes) else f"file:{name}"
    return ("-format_whitelist", DEMUXERS, "-protocol_whitelist", "file", "-i", url)


class ProgramSource:
    """The sound of a media file; see `rtaudio.audio.media_format.MediaSource`.

    Parameters
    ----------
    program
        Path of ``ffmpeg``.
    path
        The file.

    Raises
    ------
    AudioFileError
        It holds no sound that FFmpeg can decode.
    """

    def __init__(self, program: str, path: Path) -> None:
        self._program, self._path = program, path
        self.fault, self.missing = "", 0
        self.first_gap: int | None = None
        self.exact = False
        seen = self._look()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._start()
        try:
            self._read_header()
            self.frames = self._expected_frames(seen)
        except BaseException:
            self.close()
            raise
        codec = re.search(r"Stream #0.*: Audio: (\w+)", seen)
        self.subtype = codec[1].upper() if codec else "unknown"
        self.has_video = any(
            "attached pic" not in line for line in re.findall(r"Stream #0.*: Video: .*", seen)
        )

    def _look(self) -> str:
        """Return what ffmpeg says about the file."""
        words = [self._program, *_QUIET, *_input(self._path)]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        seen = done.stderr.decode("utf-8", "replace")
        if "Input #0" not in seen:
            raise no_audio(self._path)
        if ": Audio: " not in seen:
            raise AudioFileError(f"{self._path}: holds no sound; choose another file")
        return seen

    def _start(self) -> None:
        self.rate_hz = self.channels = 0
        self._process = subprocess.Popen(
            [self._program, *_QUIET, "-v", "error", *_input(self._path), "-map", "0:a:0",
             "-af", _PLACED, "-c:a", "pcm_f32be", "-f", "au", "pipe:1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._pipe = self._process.stdout

    def _read_header(self) -> None:
        """Read the head of the AU stream: rate, channels and tags."""
        head = self._pipe.read(_AU_HEADER.size)
        if len(head) < _AU_HEADER.size:
            raise AudioFileError(
                f"{self._path}: holds no sound that can be decoded{self._reason()}"
            )
        magic, offset, _, encoding, self.rate_hz, self.channels = _AU_HEADER.unpack(head)
        if magic != b".snd" or encoding != _AU_FLOAT or offset > _MAX_HEADER_BYTES:
            raise AudioFileError(f"{self._path}: ffmpeg answers in another format; update ffmpeg")
        notes = self._pipe.read(offset - _AU_HEADER.size).rstrip(b"\0").decode("utf-8", "replace")
        pairs = (line.partition("=") for line in notes.splitlines() if "=" in line)
        self.metadata = tags_of({key: value for key, _, value in pairs})

    def _expected_frames(self, seen: str) -> int:
        if found := re.search(r"Duration: (\d+):(\d\d):(\d\d\.\d+)", seen):
            hours, minutes, seconds = int(found[1]), int(found[2]), float(found[3])
            return max(1, int((3600 * hours + 60 * minutes + seconds) * self.rate_hz))
        frames = 0  # recorders that stream leave the length open: decode once to count
        step = np.empty((_STEP_FRAMES, self.channels), np.float32)
        while got := self.read_into(step):
            frames += got
        self._end()
        self._start()
        self._read_header()
        return max(1, frames)

    def read_into(self, buffer: Any) -> int:
        """Fill float32 ``[frames, channels]``; returns how many frames there were."""
        data = self._pipe.read(4 * buffer.size)
        values = np.frombuffer(data, ">f4", len(data) // (4 * self.channels) * self.channels)
        got: int = len(values) // self.channels
        buffer[:got] = values.reshape(got, self.channels)
        if got < len(buffer):
            self._process.wait()
            self.fault = self._said()
        return got

    def _said(self) -> str:
        """Return the last line of ffmpeg's complaints."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").split("\n")
        said = [re.sub(r"^\[[^]]*\] ", "", line).strip() for line in lines if line.strip()]
        return said[-1].rstrip(".") if said else ""

    def _reason(self) -> str:
        self._process.wait()
        said = self._said()
        return f" ({said})" if said else ""

    def _end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Stop ffmpeg."""
        self._end()
        self._log.close()


class ProgramTarget:
    """A media file while it is written; see `rtaudio.audio.media_format.MediaTarget`.

    Parameters
    ----------
    program
        Path of ``ffmpeg``.
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
    """

    def __init__(
        self, program: str, target: Target, path: Path, temporary: Path, rate_hz: int,
        channels: int, metadata: Mapping[str, str], video: Path | None,
    ) -> None:  # fmt: skip
        self._path, self._video = path, video
        coded_hz = target.coded_hz(rate_hz)
        film = (*_input(video), "-map", "0:a", "-map", "1:V", "-c:v", "copy") if video else ()
        tags = [f"{key}={value}" for key, value in ffmpeg_tags(metadata).items()]
        times = ("-movie_timescale", str(coded_hz)) if target.has_edit_lists else ()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [program, *_QUIET, "-v", "error", "-y", "-f", "f32le", "-ar", str(rate_hz),
             "-ac", str(channels), "-i", "pipe:0", *film, "-map_metadata", "-1",
             *(word for tag in tags for word in ("-metadata", tag)),
             "-c:a", target.encoder, "-b:a", str(target.bits_per_s * channels),
             "-ar", str(coded_hz), *times, "-f", target.muxer,
             b"file:" + os.fsencode(temporary.absolute())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log,
        )  # fmt: skip
        assert self._process.stdin is not None
        self._pipe = self._process.stdin

    def write(self, frames: Any) -> None:
        """Append float ``[frames, channels]``."""
        try:
            self._pipe.write(np.ascontiguousarray(frames, "<f4").tobytes())
        except BrokenPipeError:
            raise self._failure() from None

    def close(self) -> None:
        """Write what is left."""
        try:
            self._pipe.close()
        except BrokenPipeError:
            raise self._failure() from None
        if self._process.wait():
            raise self._failure()
        self._log.close()

    def _failure(self) -> Exception:
        """Return the error that ffmpeg's last words mean."""
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        first = re.sub(r"^\[[^]]*\] ", "", lines[0]) if lines else "ffmpeg ended"
        if self._video:
            return AudioFileError(
                f"{self._path}: cannot hold the video of {self._video} ({first}); use .mkv for "
                "video, .wav for sound"
            )
        return OSError(f"{self._path}: could not be written ({first}); is the disk full?")

    def discard(self) -> None:
        """Stop ffmpeg; its file will be removed."""
        self._process.kill()
        self._process.wait()
        self._log.close()
