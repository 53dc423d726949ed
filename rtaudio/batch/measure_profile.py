"""Measure what mastering needs to know of a file of any length, as it is or through effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.audio.file import STEREO
from rtaudio.audio.reader import Reader, open_audio
from rtaudio.batch.rendering import Rendering
from rtaudio.effects.base import Effect
from rtaudio.errors import AudioFileError
from rtaudio.mastering.profile import Profile, ProfileMeter
from rtaudio.runtime.memory import Floats

BLOCK = 512
_PIECE_FRAMES = 128 * BLOCK


def measure_profile(
    path: str | Path,
    effect: Effect | None = None,
    *,
    progress: Callable[[float], None] = lambda share: None,
    listen: Callable[[Any], None] = lambda piece: None,
) -> Profile:
    """Measure the profile of a file.

    Parameters
    ----------
    path
        A sound file, mono or stereo.
    effect
        What it is heard through, with its latency taken off; None: as it is.
    progress
        Called regularly with the share that is done, 0 .. 1.
    listen
        Called with every piece that is measured, ``[channels, frames]``.

    Raises
    ------
    AudioFileError
        It is no sound file, is damaged, has more than two channels, or holds NaN.
    FileNotFoundError
        There is no such file.

    Examples
    --------
    >>> from rtaudio.shipped import shipped_cabinets
    >>> measure_profile(shipped_cabinets()["british-4x12"]).channels
    1
    """
    with open_audio(path, STEREO) as file:
        meter = ProfileMeter(file.rate_hz, file.channels)
        for piece in _pieces(file) if effect is None else _through(effect, file):
            meter.add(piece)
            listen(piece)
            progress(min(1.0, file.position / file.frames))
        return meter.finish()


def _pieces(file: Reader) -> Iterator[Floats]:
    """Yield an intact file piece by piece."""
    ended = False
    while not ended:
        x = file.read(_PIECE_FRAMES)
        ended = x.shape[1] < _PIECE_FRAMES
        if not np.isfinite(x).all():
            raise AudioFileError(f"{file.path}: holds NaN or infinite samples; repair it")
        yield x
    if file.position == 0:
        raise AudioFileError(file.damage() or f"{file.path}: has no frames; record it again")
    if file.damage():
        raise AudioFileError(file.damage())


def _through(effect: Effect, file: Reader) -> Iterator[Floats]:
    program = effect.compile(file.rate_hz, BLOCK, in_channels=file.channels, offline=True)
    return (wet for _, wet in Rendering(program, file).pieces())
