"""Reading sound files, whole or in pieces; damage is reported in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtaudio.audio.file import STEREO, native_path
from rtaudio.audio.media import open_media
from rtaudio.audio.media_format import MediaSource
from rtaudio.audio.unfinished import mended
from rtaudio.errors import AudioFileError
from rtaudio.runtime.limits import MAX_RATE_HZ, MIN_RATE_HZ
from rtaudio.runtime.memory import Floats

_STEP_FRAMES = 4096
_PIECE_FRAMES = 1 << 20
_ROUNDED_S = 0.1
"""A media file may be shorter by this than its container states."""


class Reader:
    """A sound file while it is read from its start to its end; see :func:`open_audio`.

    Parameters
    ----------
    path
        The file, for messages.
    file
        The same, open for reading.

    Attributes
    ----------
    path, rate_hz, channels
        The file, its sample rate, and its number of channels.
    subtype
        libsndfile's name of the sample format, or that of a media file's codec.
    frames
        Expected number of frames; a damaged file has fewer.
    has_video
        Whether there is video beside the sound.
    position
        Number of frames read so far.
    metadata
        Title, artist and the like, as far as the file has them.
    fault
        Why a part of the file could not be read; empty if all could.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile | MediaSource) -> None:
        self.path = path
        self._file: Any = file
        self._media: MediaSource | None = None
        if isinstance(file, soundfile.SoundFile):
            self.rate_hz, self.channels = int(file.samplerate), int(file.channels)
            self.metadata: dict[str, str] = file.copy_metadata()
        else:
            self._media = file
            self.rate_hz, self.channels, self.metadata = file.rate_hz, file.channels, file.metadata
        self.subtype, self.frames = str(file.subtype), int(file.frames)
        self.position = 0
        self.fault = ""
        self._ended = False
        self._gap = self._missing = 0
        self._first_gap: int | None = None

    def read(self, frames: int) -> Floats:
        """Read the next frames, float32 planar ``[channels, frames]``; fewer only at the end.

        Notes
        -----
        In FLAC and media files a damaged part is replaced by silence, and reading goes on after it.
        Other compressed files end at the damage, as they do not show where the sound goes on.
        """
        piece = np.empty((frames, self.channels), np.float32)
        if self._media is not None:
            return self._read_media(self._media, piece)
        at = 0
        while at < frames and not self._ended:
            wanted = min(_STEP_FRAMES, frames - at)
            if self._gap:
                silent = min(wanted, self._gap)
                piece[at : at + silent] = 0.0
                self._gap -= silent
                at += silent
                continue
            try:
                got = self._file.buffer_read_into(piece[at : at + wanted], "float32")
            except soundfile.LibsndfileError:
                self.fault = "what follows cannot be decoded"
                self._gap = self._jump(self.position + at)
                self._ended = self._gap == 0
                continue
            at += got
            self._ended = got < wanted
        self.position += at
        return np.ascontiguousarray(piece[:at].T)

    def _read_media(self, media: MediaSource, piece: Floats) -> Floats:
        got = 0 if self._ended else media.read_into(piece)
        self._ended = got < len(piece)
        self.position += got
        self.fault = media.fault
        self._first_gap, self._missing = media.first_gap, media.missing
        return np.ascontiguousarray(piece[:got].T)

    @property
    def has_video(self) -> bool:
        """Whether there is video beside the sound."""
        return self._media is not None and self._media.has_video

    def _jump(self, position: int) -> int:
        """Go on after a damaged part; returns the number of lost frames, 0 if none can be read."""
        lost = _STEP_FRAMES
        while self._file.format == "FLAC" and position + lost < self.frames:
            with suppress(soundfile.LibsndfileError):
                file = soundfile.SoundFile(native_path(self.path))
                self.close()
                self._file = file
                file.seek(position + lost)
                file.read(min(_STEP_FRAMES, self.frames - position - lost))
                file.seek(position + lost)
                if self._first_gap is None:
                    self._first_gap = position
                self._missing += lost
                return lost
            lost *= 2
        return 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def damage(self) -> str:
        """Return, at the end, where and why the file is damaged; an empty text if it is not.

        Notes
        -----
        A header may leave the length open, as recorders do that write into a pipe; such a file is
        not damaged. The length of an MP3 file without a header is only an estimate.
        """
        stated = self._stated_frames()
        if not self.fault and stated <= self.position and not self._cut():
            return ""
        if self._first_gap is not None and self.position >= stated:
            return (
                f"{self.path}: is damaged: {self._missing / self.rate_hz:.2f} s are missing, from "
                f"{self._first_gap / self.rate_hz:.2f} s on; silence replaces them"
            )
        seconds = f"{self.position / self.rate_hz:.2f}"
        whole = f" of {stated / self.rate_hz:.2f}" if stated > self.position else ""
        reason = f" ({self.fault})" if self.fault else ""
        return f"{self.path}: is damaged: it can be read up to {seconds}{whole} s{reason}"

    def _stated_frames(self) -> int:
        """Return the number of frames that the header states, even if the file is cut short."""
        if self._media is not None:
            short = self.frames - self.position
            return self.frames if self._media.exact and short > _ROUNDED_S * self.rate_hz else 0
        if self._file.format == "MP3" and not _has_length(self.path):
            return 0
        for stated, present in re.findall(
            r"(?:data|Data Size|SSND|riff)\s*: (\d+) \(should be (\d+)\)", self._log
        ):
            missing = int(stated) - int(present)
            if missing >= self.channels and int(stated) < 0x7FFFF000:
                return round(self.frames * int(stated) / max(1, int(present)))
        if found := re.search(r"does not match value from 'ds64' chunk of (\d+)", self._log):
            return int(found[1])
        return self.frames

    def _cut(self) -> bool:
        return self._media is None and "lacks an end-of-stream bit" in self._log

    @property
    def _log(self) -> str:
        return str(self._file.extra_info)


def _has_length(path: Path) -> bool:
    """Return whether an MP3 file begins with a frame that states its length."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3" and len(head) == 10:
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 0x7F
            file.seek(10 + size)
        else:
            file.seek(0)
        start = file.read(256)
    return b"Xing" in start or b"Info" in start


@contextmanager
def open_audio(path: str | Path, max_channels: int = STEREO) -> Iterator[Reader]:
    """Open an audio file for reading, after checking that it can be played.

    Parameters
    ----------
    path
        A file in any format of libsndfile: wav, flac, aiff, ogg, mp3 ...; or with FFmpeg the sound
        of a media file: m4a, mp4, mov, webm, wma ...
    max_channels
        Most channels that are accepted.

    Yields
    ------
    Reader
        The open file.

    Raises
    ------
    AudioFileError
        Not an audio file, one without frames, or one with an unsupported sample rate or number of
        channels.
    FileNotFoundError
        No such file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise AudioFileError(f"{path}: not a file; give an audio file")
    with path.open("rb"):  # an unreadable file raises here, with the reason
        pass
    reader = Reader(path, _opened(path))
    try:
        if reader.frames <= 0:
            raise AudioFileError(f"{path}: has no frames; record it again")
        if not MIN_RATE_HZ <= reader.rate_hz <= MAX_RATE_HZ:
            raise AudioFileError(
                f"{path}: has a sample rate of {reader.rate_hz} Hz; convert it to one of "
                f"{MIN_RATE_HZ} .. {MAX_RATE_HZ} Hz"
            )
        if reader.channels > max_channels:
            raise AudioFileError(
                f"{path}: has {reader.channels} channels; mix it down to {max_channels} or fewer"
            )
        yield reader
    finally:
        reader.close()


def _opened(path: Path) -> soundfile.SoundFile | MediaSource:
    """Open a file by its content; media files only where libsndfile knows nothing about it."""
    if not _is_raw_aac(path):
        with suppress(soundfile.LibsndfileError, TypeError):
            return soundfile.SoundFile(mended(path) or native_path(path))
    return open_media(path)


def _is_raw_aac(path: Path) -> bool:
    """Return whether a file begins as ADTS does, which libsndfile takes for MP3."""
    with path.open("rb") as file:
        head = file.read(2)
    return len(head) == 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def read_audio(path: str | Path, max_channels: int = STEREO) -> tuple[Floats, int]:
    """Read a whole file.

    Parameters
    ----------
    path
        As for :func:`open_audio`.
    max_channels
        Most channels that are accepted.

    Returns
    -------
    audio, rate_hz
        float32 planar ``[channels, frames]``, and the sample rate in hertz.

    Raises
    ------
    AudioFileError, FileNotFoundError
        As for :func:`open_audio`; also for a damaged file, and for NaN or infinite samples.

    Examples
    --------
    >>> from rtaudio.shipped import shipped_cabinets
    >>> response, rate_hz = read_audio(shipped_cabinets()["british-4x12"])
    >>> response.dtype, response.shape[0], rate_hz
    (dtype('float32'), 1, 48000)
    """
    with open_audio(path, max_channels) as file:
        pieces = [file.read(_PIECE_FRAMES)]
        while pieces[-1].shape[1] == _PIECE_FRAMES:
            pieces.append(file.read(_PIECE_FRAMES))
        audio = np.concatenate(pieces, axis=1)
        if file.fault:
            raise AudioFileError(file.damage())
        if audio.shape[1] == 0:
            raise AudioFileError(f"{path}: has no frames; record it again")
        if not np.isfinite(audio).all():
            raise AudioFileError(f"{path}: holds NaN or infinite samples; repair it first")
        return audio, file.rate_hz
