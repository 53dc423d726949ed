"""Audio files: read whole or in pieces, written whole or not at all, faults in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rtaudio.atomic import replacing

Audio = np.ndarray[Any, np.dtype[np.float32]]

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 384_000
MAX_CHANNELS = 2
_EXACT = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


class AudioFileError(ValueError):
    """A file that is not the audio it should be; one line: file, fault and remedy."""


@contextmanager
def opened(path: str | Path, max_channels: int = MAX_CHANNELS) -> Iterator[soundfile.SoundFile]:
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
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError):
        raise AudioFileError(f"{path}: not an audio file; convert it to wav or flac") from None
    with file:
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
        try:
            yield file
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{path}: cannot be decoded: {error.error_string}") from None


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
        audio = np.ascontiguousarray(file.read(dtype="float32", always_2d=True).T)
        if audio.shape[1] == 0:
            raise AudioFileError(f"{path}: has no frames; record it again")
        if not np.isfinite(audio).all():
            raise AudioFileError(f"{path}: holds NaN or infinite samples; repair it first")
        return audio, int(file.samplerate)


def suited_subtype(path: str | Path, like: str = "FLOAT") -> str:
    """Return how a new file should store its samples: as ``like``, if that is exact and possible.

    Raises
    ------
    AudioFileError
        The suffix of ``path`` names no format that can be written.
    """
    kind = _format(path)
    wanted = like if like in _EXACT else "PCM_24"
    for subtype in (wanted, "PCM_24"):
        if soundfile.check_format(kind, subtype):
            return subtype
    return str(soundfile.default_subtype(kind))


def _format(path: str | Path) -> str:
    kind = Path(path).suffix[1:].upper()
    kind = {"AIF": "AIFF", "OGA": "OGG"}.get(kind, kind)
    if kind not in soundfile.available_formats() or kind == "RAW":
        raise AudioFileError(
            f"{path}: {Path(path).suffix or 'no suffix'!r} is not a format that can be written; "
            "use .wav or .flac"
        )
    return kind


@contextmanager
def created(
    path: str | Path, rate_hz: int, channels: int, subtype: str = "FLOAT"
) -> Iterator[soundfile.SoundFile]:
    """Open a new audio file for writing; it appears under its name when the block ends well.

    Parameters
    ----------
    path
        Where; the suffix chooses the format.
    rate_hz, channels
        What it holds.
    subtype
        libsndfile's word for the storage of a sample, see :func:`suited_subtype`.

    Raises
    ------
    AudioFileError
        The format cannot hold this.
    OSError
        The place cannot be written.
    """
    subtype = suited_subtype(path, subtype)
    with replacing(path) as temporary:
        try:
            file = soundfile.SoundFile(
                temporary, "w", rate_hz, channels, subtype, format=_format(path)
            )
        except soundfile.LibsndfileError as error:
            raise AudioFileError(
                f"{path}: cannot hold {channels} channels at {rate_hz} Hz "
                f"({error.error_string.rstrip('.')}); use .wav"
            ) from None
        with file:
            yield file


def write_audio(path: str | Path, audio: Any, rate_hz: int, subtype: str = "FLOAT") -> None:
    """Write planar audio ``[channels, frames]`` or mono ``[frames]``; see :func:`created`."""
    planar = np.atleast_2d(audio)
    with created(path, rate_hz, planar.shape[0], subtype) as file:
        file.write(planar.T)


def clips(subtype: str) -> bool:
    """Tell whether samples above full scale are lost in a storage format."""
    return subtype not in ("FLOAT", "DOUBLE")
