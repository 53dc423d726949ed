"""Samples of a stem, for a page that plays several stems by one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

MOST_FRAMES = 1 << 21
_TOP = 32767


def read_samples(file: Path, first: int, frames: int) -> bytes:
    """Return a piece of a sound file as 16-bit little-endian samples, the channels interleaved.

    Parameters
    ----------
    file
        A sound file.
    first
        The first frame.
    frames
        Number of frames; beyond the end there are fewer.

    Examples
    --------
    >>> soundfile.write("x.wav", np.array([0.0, 0.5, -1.0]), 8000, "FLOAT")
    >>> read_samples(Path("x.wav"), 1, 9) == np.array([16384, -32767], "<i2").tobytes()
    True
    """
    with soundfile.SoundFile(file) as sound:
        sound.seek(min(first, sound.frames))
        piece = sound.read(min(frames, MOST_FRAMES), "float32", always_2d=True)
    steps = np.round(np.clip(np.nan_to_num(piece), -1.0, 1.0) * np.float32(_TOP))
    return bytes(steps.astype("<i2").tobytes())
