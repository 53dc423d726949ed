"""The loudest passage of a file, from its profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtaudio.audio.reader import open_audio
from rtaudio.errors import AudioFileError
from rtaudio.mastering.profile import Profile
from rtaudio.runtime.memory import Floats

__all__ = ["loudest_start_s", "read_passage"]

_PIECE_FRAMES = 1 << 16


def loudest_start_s(profile: Profile, seconds: float) -> float:
    """Return where the loudest passage of a song begins, in seconds.

    Parameters
    ----------
    profile
        Of the song.
    seconds
        Length of the passage.
    """
    power = 10.0 ** (profile.momentary_lufs / 10.0)
    count = max(1, min(len(power), round(seconds * len(power) / profile.duration_s)))
    sums = np.cumsum(np.concatenate([[0.0], power]))
    start = int(np.argmax(sums[count:] - sums[:-count]))
    return float(
        max(0.0, min(start * profile.duration_s / len(power), profile.duration_s - seconds))
    )


def read_passage(path: Path, start: int, frames: int) -> Floats:
    """Return a passage of a file; what stands before it is read in small pieces.

    Parameters
    ----------
    path
        The file.
    start, frames
        First frame and length.

    Raises
    ------
    AudioFileError
        The file ends before the passage.
    """
    with open_audio(path) as file:
        while file.position < start:
            if not file.read(min(_PIECE_FRAMES, start - file.position)).size:
                raise AudioFileError(f"{path}: has become shorter while it was read; try again")
        return file.read(frames)
