"""Audio files: read whole or in pieces, written whole or not at all, faults in one line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtaudio.atomic import replacing
from rtaudio.wave_chunks import copy_chunks, rf64_to_riff

Audio = np.ndarray[Any, np.dtype[np.float32]]

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 384_000
MAX_CHANNELS = 2
_KEPT = (
    "PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"
)  # fmt: skip
_LOSSY = {"OGG": ("VORBIS", "OPUS"), "MP3": ("MPEG_LAYER_III",)}
_TWINS = {"PCM_S8": "PCM_U8", "PCM_U8": "PCM_S8"}
_RF64 = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_SAMPLE_BYTES = {
    "PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4,
    "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
_STEP_FRAMES = 4096
_PIECE_FRAMES = 1 << 20
_RIFF_BYTES = (1 << 32) - (1 << 20)
_SYSTEM_ERROR = 2


class AudioFileError(ValueError):
    """A file that is not the audio it should be; one line: file, fault and remedy."""


class Reader:
    """A sound file while it is read from its start to its end; see :func:`opened`.

    Attributes
    ----------
    path, rate_hz, channels, subtype
        What is read; ``subtype`` is libsndfile's word for the storage of a sample.
    frames
        How many frames libsndfile expects; a damaged file has fewer.
    position
        How many frames have been read.
    metadata
        Title, artist and the like, as far as the file has them.
    fault
        Why something could not be read, if so.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile) -> None:
        self.path, self._file = path, file
        self.rate_hz, self.channels = int(file.samplerate), int(file.channels)
        self.subtype, self.frames = str(file.subtype), int(file.frames)
        self.metadata: dict[str, str] = file.copy_metadata()
        self.position = 0
        self.fault = ""
        self._ended = False
        self._gap = self._missing = 0
        self._first_gap: int | None = None

    def read(self, frames: int) -> Audio:
        """Read the next ``frames`` frames, planar; fewer only at the end of what can be read.

        Notes
        -----
        A FLAC file is read on behind a damaged part, with silence in its place; other compressed
        files are not, as nothing tells where the sound goes on.
        """
        piece = np.empty((frames, self.channels), np.float32)
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
            except soundfile.LibsndfileError as error:
                self.fault = error.error_string.rstrip(".") or "it cannot be decoded"
                self._gap = self._jump(self.position + at)
                self._ended = self._gap == 0
                continue
            at += got
            self._ended = got < wanted
        self.position += at
        return np.ascontiguousarray(piece[:at].T)

    def _jump(self, position: int) -> int:
        """Go on behind what cannot be decoded; returns the frames that are lost, 0 if all are."""
        lost = _STEP_FRAMES
        while self._file.format == "FLAC" and position + lost < self.frames:
            with suppress(soundfile.LibsndfileError):
                file = soundfile.SoundFile(_native(self.path))
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
        """Say, after the end, where and why a damaged file stopped; an empty text if it is whole.

        Notes
        -----
        A file whose header leaves its length open, as recorders do that write into a pipe, is
        whole. The length of an MP3 file without a header of its own is only an estimate.
        """
        stated = self._stated_frames()
        if not self.fault and stated <= self.position and not self._cut():
            return ""
        if self._first_gap is not None and self.position == self.frames:
            return (
                f"{self.path}: is damaged: {self._missing / self.rate_hz:.2f} s are missing, from "
                f"{self._first_gap / self.rate_hz:.2f} s on: silence in their place"
            )
        seconds = f"{self.position / self.rate_hz:.2f}"
        whole = f" of {stated / self.rate_hz:.2f}" if stated > self.position else ""
        reason = f" ({self.fault})" if self.fault else ""
        return f"{self.path}: is damaged: it can be read up to {seconds}{whole} s{reason}"

    def _stated_frames(self) -> int:
        """Return how many frames the header promises, if more than there are bytes for."""
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
        return "lacks an end-of-stream bit" in self._log

    @property
    def _log(self) -> str:
        return str(self._file.extra_info)


def _has_length(path: Path) -> bool:
    """Tell whether an MP3 file begins with the frame that states its length."""
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


def _native(path: Path) -> str | bytes:
    """Return a path as the system has it: on POSIX a name is bytes, in UTF-8 or not."""
    return str(path) if sys.platform == "win32" else os.fsencode(path)


@contextmanager
def opened(path: str | Path, max_channels: int = MAX_CHANNELS) -> Iterator[Reader]:
    """Open an audio file for reading, after checking that it can be played.

    Parameters
    ----------
    path
        A file in any format of libsndfile: wav, flac, aiff, ogg, mp3 ...
    max_channels
        How many channels are welcome.

    Raises
    ------
    AudioFileError
        Not an audio file, without frames, or with a rate or channels that cannot be played.
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
    try:
        file = soundfile.SoundFile(_native(path))
    except (soundfile.LibsndfileError, TypeError):
        raise AudioFileError(f"{path}: not an audio file; convert it to wav or flac") from None
    reader = Reader(path, file)
    try:
        if file.frames <= 0:
            raise AudioFileError(f"{path}: has no frames; record it again")
        if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
            raise AudioFileError(
                f"{path}: a sample rate of {file.samplerate} Hz; convert it to one of "
                f"{MIN_RATE_HZ} .. {MAX_RATE_HZ} Hz"
            )
        if file.channels > max_channels:
            raise AudioFileError(
                f"{path}: has {file.channels} channels; mix it down to {max_channels} or fewer"
            )
        yield reader
    finally:
        reader.close()


def read_audio(path: str | Path, max_channels: int = MAX_CHANNELS) -> tuple[Audio, int]:
    """Read a whole file.

    Returns
    -------
    tuple
        Planar float32 audio ``[channels, frames]``, and the sample rate in hertz.

    Raises
    ------
    AudioFileError, FileNotFoundError
        As :func:`opened`; also for NaN or infinite samples.
    """
    with opened(path, max_channels) as file:
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


def suited_subtype(path: str | Path, like: str = "FLOAT") -> str:
    """Return how a new file should store its samples: as ``like``, or else in 24 bit.

    Raises
    ------
    AudioFileError
        The suffix of ``path`` names no format that can be written.
    """
    kind = _format(path)
    if Path(path).suffix.lower() == ".opus":
        return "OPUS"
    kept = _LOSSY.get(kind, _KEPT)
    for subtype in (like, _TWINS.get(like, ""), "PCM_24"):
        if subtype in kept and soundfile.check_format(kind, subtype):
            return subtype
    return str(soundfile.default_subtype(kind))


def _format(path: str | Path) -> str:
    kind = Path(path).suffix[1:].upper()
    kind = {"AIF": "AIFF", "AIFC": "AIFF", "OGA": "OGG", "OPUS": "OGG"}.get(kind, kind)
    if kind not in soundfile.available_formats() or kind == "RAW":
        raise AudioFileError(
            f"{path}: {repr(Path(path).suffix) if kind else 'no suffix'} is not a format that can "
            "be written; use .wav, .flac, .ogg or .mp3"
        )
    return kind


def is_audio_name(path: str | Path) -> bool:
    """Tell whether the suffix of a path is that of a sound file that can be read and written."""
    try:
        return bool(_format(path))
    except AudioFileError:
        return False


class Writer:
    """A sound file while it is written; see :func:`created`.

    Attributes
    ----------
    path, subtype
        What is written, and libsndfile's word for the storage of a sample.
    kept
        What was taken over from another file beside the sound: title, artist ..., WAV chunks.
    """

    def __init__(self, path: Path, file: soundfile.SoundFile, metadata: Mapping[str, str]) -> None:
        self.path, self._file, self.subtype = path, file, str(file.subtype)
        self.kept: list[str] = []
        for name, value in metadata.items():
            with suppress(soundfile.LibsndfileError):
                setattr(file, name, value)
                self.kept.append(name)

    def write(self, frames: Any) -> None:
        """Append audio ``[frames, channels]``, rounded to the nearest step of the storage.

        Notes
        -----
        Nothing is dithered: silence stays silence, and what nothing has changed stays what it was.
        (libsndfile itself rounds down, which adds half a step of constant offset.)

        Raises
        ------
        OSError
            The file cannot grow, most often because the disk is full.
        """
        bits = _BITS.get(self.subtype)
        with _writing(self.path):
            self._file.write(frames if bits is None else _steps(frames, bits))


def _steps(frames: Any, bits: int) -> Any:
    """Return samples as integers of 32 bits that ``bits`` hold exactly."""
    top = 2.0 ** (bits - 1)
    rounded = np.clip(np.rint(np.asarray(frames, np.float64) * top), -top, top - 1.0)
    return rounded.astype(np.int32) << (32 - bits)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into an error that names the file which the user asked for."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".").lower()
        raise OSError(f"{path}: could not be written ({reason}); is the disk full?") from None


@contextmanager
def created(
    path: str | Path,
    rate_hz: int,
    channels: int,
    subtype: str = "FLOAT",
    *,
    frames: int | None = None,
    beside: Reader | None = None,
) -> Iterator[Writer]:
    """Open a new audio file for writing; it appears under its name when the block ends well.

    Parameters
    ----------
    path
        Where; the suffix chooses the format. A WAV file of more than 4 GB becomes one in RF64.
    rate_hz, channels
        What it holds.
    subtype
        libsndfile's word for the storage of a sample, see :func:`suited_subtype`.
    frames
        How many frames are expected; None: nobody knows.
    beside
        A file whose title, artist and the like, and from WAV to WAV all chunks beside the sound,
        are taken over, as far as the format has a place for them.

    Raises
    ------
    AudioFileError
        The format cannot hold this.
    OSError
        The place cannot be written, or is full.
    """
    path = Path(path)
    subtype, kind = suited_subtype(path, subtype), _format(path)
    size = (frames or 0) * channels * _SAMPLE_BYTES.get(subtype, 0)
    if kind == "AIFF" and size > _RIFF_BYTES:
        raise AudioFileError(f"{path}: AIFF ends at 4 GB; use .wav or .flac")
    large = kind == "WAV" and (frames is None or size > _RIFF_BYTES) and subtype in _RF64
    with replacing(path) as temporary:
        try:
            file = soundfile.SoundFile(
                _native(temporary), "w", rate_hz, channels, subtype,
                format="RF64" if large else kind,
            )  # fmt: skip
        except soundfile.LibsndfileError as error:
            if error.code == _SYSTEM_ERROR:
                raise OSError(f"{path}: could not be created; is the disk full?") from None
            raise AudioFileError(
                f"{path}: cannot hold {channels} channels at {rate_hz} Hz "
                f"({error.error_string.rstrip('.')}); use .wav"
            ) from None
        writer = Writer(path, file, beside.metadata if beside else {})
        with _writing(path), file:
            yield writer
        try:
            if large:
                rf64_to_riff(temporary)
            if beside:
                writer.kept += copy_chunks(beside.path, temporary)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None


def write_audio(path: str | Path, audio: Any, rate_hz: int, subtype: str = "FLOAT") -> None:
    """Write planar audio ``[channels, frames]`` or mono ``[frames]``; see :func:`created`."""
    planar = np.atleast_2d(audio)
    with created(path, rate_hz, planar.shape[0], subtype, frames=planar.shape[1]) as file:
        file.write(planar.T)


def clips(subtype: str) -> bool:
    """Tell whether samples above full scale are lost in a storage format."""
    return subtype not in ("FLOAT", "DOUBLE")
