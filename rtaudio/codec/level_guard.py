"""LevelGuard: what a loss makes of the levels is kept from being loud."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.jit import jit
from rtaudio.runtime.kernels.codec.guard import LEFT, guard_memory, hold
from rtaudio.runtime.memory import Floats

FULL_SCALE = 1.0
"""Codes that no encoder made decode to far more; such a frame is turned down at any time."""


@jit
def _hold(memory: Any, y: Any, trusted: Any) -> None:
    hold(memory, y, y.size, trusted, FULL_SCALE)


class LevelGuard:
    """Turns frames down that are louder than the programme, while the decoder cannot be trusted.

    At other times it does the same to what is louder than full scale. See
    `rtaudio.runtime.kernels.codec.guard`.

    Examples
    --------
    >>> guard = LevelGuard()
    >>> for frame in range(40):
    ...     heard = guard.step(np.full(960, 0.1, np.float32), trusted=True)
    >>> heard = guard.step(np.full(960, 8.0, np.float32), trusted=False)
    >>> bool(heard[-1] < 0.25)
    True
    """

    def __init__(self) -> None:
        self._memory = guard_memory()
        _hold(guard_memory(), np.zeros(0, np.float32), True)  # compiled now: a call must not wait

    def agree(self) -> None:
        """Trust the decoder again: with the next frame it begins anew, like the encoder."""
        self._memory[LEFT] = 0

    def step(self, decoded: Floats, *, trusted: bool) -> Floats:
        """Return the next frame, turned down if need be.

        Parameters
        ----------
        decoded
            float32 ``[samples]``.
        trusted
            Whether it was decoded from codes: it is no lost frame, and in no pause.
        """
        heard = decoded.copy()
        _hold(self._memory, heard, trusted)
        return heard
