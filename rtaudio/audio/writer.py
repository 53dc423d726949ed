"""Writing sound files, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtaudio.atomic import replacing
from rtaudio.audio.file import native_path
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
                native_path(temporary), "w", rate_hz, channels, subtype,
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
