"""Discontinuous transmission (DTX): where a pause begins, so that nothing need be sent in it."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.codec.noise_floor import NoiseFloor
from rtaudio.codec.noise_shape import NoiseShape

ABOVE_FLOOR_DB = 8.0
"""What is this much above the background is speech."""

ALWAYS_DBFS = -45.0
"""What is louder is speech, however steady: a held note is no background."""

NEVER_DBFS = -72.0
"""What is quieter is a pause."""

HANGOVER_FRAMES = 12
"""A pause begins after 240 ms, so that soft ends of words are sent."""

MEASURED_FRAMES = 8
"""The background is measured anew every 160 ms of a pause."""


class PauseDetector:
    """Tells speech from pauses, frame by frame, by the level above the background.

    Examples
    --------
    >>> detector = PauseDetector()
    >>> rng = np.random.default_rng(0)
    >>> hiss = [0.001 * rng.standard_normal(960) for frame in range(20)]
    >>> [detector.step(frame) is None for frame in hiss].count(True)
    12
    >>> detector.step(hiss[0]).level_dbov
    -61
    >>> detector.step(0.1 * np.sin(0.05 * np.arange(960))) is None
    True
    """

    def __init__(self) -> None:
        self._floor = NoiseFloor()
        self._recent: deque[NDArray[np.floating[Any]]] = deque(maxlen=HANGOVER_FRAMES)
        self._quiet = 0
        self._noise = NoiseShape()

    def step(self, sound: NDArray[np.floating[Any]]) -> NoiseShape | None:
        """Return the background if a frame belongs to a pause; None if it is to be sent.

        Parameters
        ----------
        sound
            The next frame ``[frame_samples]``, full scale 1.
        """
        self._floor.update(sound)
        power = float(np.mean(np.square(sound, dtype=np.float64)))
        level_db = 10.0 * np.log10(power + 1e-13)
        background_db = min(self._floor.shape.level_dbov + ABOVE_FLOOR_DB, ALWAYS_DBFS)
        if level_db > max(background_db, NEVER_DBFS):
            self._quiet = 0
            return None
        self._quiet += 1
        self._recent.append(sound)
        pause = self._quiet - HANGOVER_FRAMES
        if pause <= 0:
            return None
        if pause % MEASURED_FRAMES == 1:
            self._noise = NoiseShape.of(np.concatenate(self._recent))
        return self._noise
