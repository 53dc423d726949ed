"""Measure the loudness of a file of any length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtaudio.analysis.loudness_curve import LoudnessCurve
from rtaudio.audio.reader import open_audio
from rtaudio.errors import AudioFileError
from rtaudio.runtime.limits import MAX_LIVE_CHANNELS
from rtaudio.runtime.loudness import Loudness
from rtaudio.runtime.memory import Array

_PIECE_S = 10


class MeasuredFile(NamedTuple):
    """The loudness of a file.

    Attributes
    ----------
    path, frames, channels, rate_hz
        The file, its length, channels and sample rate in Hz.
    loudness
        Of the whole file.
    seconds
        Times, float64 ``[points]``.
    momentary_lufs, short_term_lufs
        Loudness of the 0.4 s and the 3 s before each of these times.
    damage
        Where and why the file could not be read; empty if it was intact.
    """

    path: Path
    frames: int
    channels: int
    rate_hz: int
    loudness: Loudness
    seconds: Array
    momentary_lufs: Array
    short_term_lufs: Array
    damage: str


def measure_loudness(
    path: str | Path, *, progress: Callable[[float], None] = lambda share: None
) -> MeasuredFile:
    """Measure loudness, loudness range, true peak, crest and correlation of a file.

    Parameters
    ----------
    path
        A sound file of at most 8 channels; a damaged one is measured as far as it can be read.
    progress
        Called regularly with the share that is done, 0 .. 1.

    Raises
    ------
    AudioFileError
        It is no sound file, has too many channels, or holds NaN or infinite samples.
    FileNotFoundError
        There is no such file.

    Examples
    --------
    >>> from rtaudio.shipped import shipped_cabinets
    >>> round(measure_loudness(shipped_cabinets()["british-4x12"]).loudness.crest_db, 1)
    24.8
    """
    with open_audio(path, MAX_LIVE_CHANNELS) as file:
        curve = LoudnessCurve(file.rate_hz, file.channels)
        ended = False
        while not ended:
            x = file.read(_PIECE_S * file.rate_hz)
            ended = x.shape[1] < _PIECE_S * file.rate_hz
            if not np.isfinite(x).all():
                raise AudioFileError(f"{path}: holds NaN or infinite samples; repair it")
            curve.add(x)
            progress(min(1.0, file.position / file.frames))
        if file.position == 0:
            raise AudioFileError(file.damage() or f"{path}: has no frames; record it again")
        loudness = curve.finish()
        return MeasuredFile(
            Path(path), file.position, file.channels, file.rate_hz, loudness, *curve.points(),
            file.damage(),
        )  # fmt: skip
