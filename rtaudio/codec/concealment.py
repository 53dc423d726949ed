"""What is heard where frames are lost: the decoder runs on, then fades to comfort noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HOLD_FRAMES = 4
"""For 80 ms the decoder is fed with columns of -1, and what it makes of its state is heard."""

FADE_FRAMES = 2
"""Then it fades to comfort noise within 40 ms."""

FADE_IN_FRAMES = 1
"""Within 20 ms it is back."""


class Gains(NamedTuple):
    """Gains for every sample of a frame, float32 ``[frame_samples]``; their squares add up to 1."""

    programme: NDArray[np.float32]
    noise: NDArray[np.float32]


class Concealment:
    """Gives the gains of the decoded programme and of the comfort noise, frame by frame.

    The decoder is fed for every frame: with a column of -1 for a lost one, and in a pause. So its
    state runs on, and no frame has to be decoded twice. The gains are a cosine and a sine of one
    phase that never jumps: nothing clicks, and the sum is never louder than the louder of the two.

    Parameters
    ----------
    frame_samples
        Samples of a frame.

    Examples
    --------
    >>> concealment = Concealment(960)
    >>> [round(float(concealment.step(True, False).programme[-1]), 2) for frame in range(7)]
    [1.0, 1.0, 1.0, 1.0, 0.71, 0.0, 0.0]
    >>> float(concealment.step(False, False).programme[-1])
    1.0
    """

    def __init__(self, frame_samples: int) -> None:
        self._steps = (np.arange(frame_samples) + 1.0) / frame_samples
        self._lost = 0
        self._phase = 0.0

    def step(self, lost: bool, pause: bool) -> Gains:
        """Return the gains of the next frame.

        Parameters
        ----------
        lost
            Whether the frame is lost.
        pause
            Whether the sender said that nothing but noise is there: the fade starts at once.
        """
        self._lost = self._lost + 1 if lost else 0
        start = self._phase
        if pause or self._lost > HOLD_FRAMES:
            self._phase = min(1.0, start + 1.0 / FADE_FRAMES)
        elif not lost:
            self._phase = max(0.0, start - 1.0 / FADE_IN_FRAMES)
        angle = 0.5 * np.pi * (start + (self._phase - start) * self._steps)
        return Gains(np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32))
