"""Writing sound files; a file appears complete or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtaudio.atomic import DiskFullError, replacing
from rtaudio.audio.file import native_path
from rtaudio.audio.media import create_media
from rtaudio.audio.media_format import MediaTarget, is_media_name, keeps_video, target_of
from rtaudio.audio.reader import Reader
from rtaudio.audio.wave_chunks import copy_chunks, rf64_to_riff
from rtaudio.errors import AudioFileError

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
_RIFF_BYTES = (1 << 32) - (1 << 20)
_SYSTEM_ERROR = 2


def suited_subtype(path: str | Path, like: str = "FLOAT") -> str:
    """Return the sample format of a new file: ``like`` if the file can have it, else 24 bit.

    Parameters
    ----------
    path
        The file; its suffix chooses the file format.
    like
        libsndfile's name of the preferred sample format.

    Raises
    ------
    AudioFileError
        The suffix of ``path`` is not that of a format that can be written.

    Examples
    --------
    >>> suited_subtype("wet.wav"), suited_subtype("wet.flac"), suited_subtype("wet.ogg")
    ('FLOAT', 'PCM_24', 'VORBIS')
    """
    if target := target_of(path):
        return target.subtype
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
        suffix = Path(path).suffix
        fault = f"{suffix!r} is not a format that can be written" if suffix else "has no suffix"
        raise AudioFileError(f"{path}: {fault}; use .wav, .flac, .ogg, .mp3 or .m4a")
    return kind


def is_audio_name(path: str | Path) -> bool:
    """Return whether a path has the suffix of a file with sound that can be read."""
    return is_media_name(path) or _is_written(path)


def audio_name_like(path: Path) -> Path:
    """Return the path of a new file for the sound of a file: .wav if its suffix is only read.

    Examples
    --------
    >>> [str(audio_name_like(Path(name))) for name in ("a.flac", "a.m4a", "a.amr")]
    ['a.flac', 'a.m4a', 'a.wav']
    """
    return path if _is_written(path) else path.with_suffix(".wav")


def _is_written(path: str | Path) -> bool:
    with suppress(AudioFileError):
        return bool(target_of(path) or _format(path))
    return False


class Writer:
    """A sound file while it is written; see :func:`create_audio`.

    Parameters
    ----------
    path
        The file, for messages.
    file
        The same, open for writing.
    subtype
        Name of its sample format.
    metadata
        Title, artist and the like; those that the format has no place for are dropped.

    Attributes
    ----------
    path, subtype
        The file, and libsndfile's name of its sample format, or that of a media file's codec.
    kept
        Names of the metadata and WAV chunks that were copied from another file, and ``video``.
    """

    def __init__(
        self,
        path: Path,
        file: soundfile.SoundFile | MediaTarget,
        subtype: str,
        metadata: Mapping[str, str],
    ) -> None:
        self.path, self.subtype = path, subtype
        self._file: Any = file
        self.kept: list[str] = []
        if not isinstance(file, soundfile.SoundFile):
            self.kept += metadata
            return
        for name, value in metadata.items():
            with suppress(soundfile.LibsndfileError):
                setattr(file, name, value)
                self.kept.append(name)

    def write(self, frames: Any) -> None:
        """Append audio ``[frames, channels]``, rounded to the nearest value of the sample format.

        Notes
        -----
        There is no dither: silence stays silent, and unchanged samples stay equal. (libsndfile
        itself rounds down, which adds an offset of half a step.)

        Raises
        ------
        OSError
            The file cannot grow, most often because the disk is full.
        """
        bits = _BITS.get(self.subtype)
        with _writing(self.path):
            self._file.write(frames if bits is None else _steps(frames, bits))


def _steps(frames: Any, bits: int) -> Any:
    """Return samples as 32-bit integers that ``bits`` bits can hold exactly."""
    top = 2.0 ** (bits - 1)
    rounded = np.clip(np.rint(np.asarray(frames, np.float64) * top), -top, top - 1.0)
    return rounded.astype(np.int32) << (32 - bits)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn a failure to write into an error with the name of the user's file."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise DiskFullError(f"{path}: could not be written; is the disk full?") from error


@contextmanager
def create_audio(
    path: str | Path,
    rate_hz: int,
    channels: int,
    subtype: str = "FLOAT",
    *,
    frames: int | None = None,
    beside: Reader | None = None,
) -> Iterator[Writer]:
    """Open a new audio file for writing; it gets its name when the block ends without an error.

    Parameters
    ----------
    path
        The file; its suffix chooses the format. A WAV file of more than 4 GB is written as RF64.
        A media file (.m4a, .mp4, .webm ...) needs FFmpeg.
    rate_hz, channels
        Sample rate and number of channels.
    subtype
        libsndfile's name of the preferred sample format, see :func:`suited_subtype`.
    frames
        Expected number of frames; None: unknown.
    beside
        A file to copy metadata from: title, artist and the like, and from WAV to WAV all chunks
        beside the sound, as far as the format has a place for them; the video of a media file, if
        the new one is a video file, too.

    Yields
    ------
    Writer
        The open file.

    Raises
    ------
    AudioFileError
        The format does not support this sample rate, number of channels or size.
    OSError
        The file cannot be written, or the disk is full.
    """
    path = Path(path)
    if target_of(path):
        with _create_media(path, rate_hz, channels, beside) as writer:
            yield writer
        return
    subtype, kind = suited_subtype(path, subtype), _format(path)
    size = (frames or 0) * channels * _SAMPLE_BYTES.get(subtype, 0)
    if kind == "AIFF" and size > _RIFF_BYTES:
        raise AudioFileError(f"{path}: AIFF ends at 4 GB; use .wav or .flac")
    large = kind == "WAV" and (frames is None or size > _RIFF_BYTES) and subtype in _RF64
    with replacing(path) as temporary:
        try:
            file = soundfile.SoundFile(
                native_path(temporary), "w", rate_hz, channels, subtype,
                format="RF64" if large else kind,
            )  # fmt: skip
        except soundfile.LibsndfileError as error:
            if error.code == _SYSTEM_ERROR:
                raise OSError(f"{path}: could not be created; is the disk full?") from None
            number = f"{channels} channel{'s' * (channels > 1)}"
            raise AudioFileError(
                f"{path}: cannot hold {number} at {rate_hz} Hz; use .wav"
            ) from None
        writer = Writer(path, file, str(file.subtype), beside.metadata if beside else {})
        with _writing(path), file:
            yield writer
        try:
            if large:
                rf64_to_riff(temporary)
            if beside:
                writer.kept += copy_chunks(beside.path, temporary)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def _create_media(
    path: Path, rate_hz: int, channels: int, beside: Reader | None
) -> Iterator[Writer]:
    """Open a new media file; it has the video of the file beside it, if it can."""
    film = beside.path if beside and beside.has_video and keeps_video(path) else None
    metadata = beside.metadata if beside else {}
    with replacing(path) as temporary:
        file = create_media(path, temporary, rate_hz, channels, metadata, film)
        writer = Writer(path, file, suited_subtype(path), metadata)
        try:
            yield writer
            file.close()
        except BaseException:
            file.discard()
            raise
        writer.kept += ["video"] if film else []


def write_audio(path: str | Path, audio: Any, rate_hz: int, subtype: str = "FLOAT") -> None:
    """Write a whole audio file.

    Parameters
    ----------
    path
        The file; its suffix chooses the format.
    audio
        Planar ``[channels, frames]`` or mono ``[frames]``; 1 is full scale.
    rate_hz
        Sample rate.
    subtype
        As for :func:`create_audio`.

    Raises
    ------
    AudioFileError, OSError
        As for :func:`create_audio`.
    """
    planar = np.atleast_2d(audio)
    with create_audio(path, rate_hz, planar.shape[0], subtype, frames=planar.shape[1]) as file:
        file.write(planar.T)


def clips(subtype: str) -> bool:
    """Return whether a sample format clips samples above full scale."""
    return subtype not in ("FLOAT", "DOUBLE")
