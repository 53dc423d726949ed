"""Loudness of a model, as Neural Amp Modeler's files state it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rtaudio.analysis.loudness import loudness_db
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats

__all__ = ["Loudness", "measure_loudness"]


REST_S = 0.5
STEPS = 11


class Loudness(NamedTuple):
    """Level of a model's output, and its dependence on the input.

    Attributes
    ----------
    loudness_db
        As `rtaudio.analysis.loudness.loudness_db` defines it.
    compression
        0 for a model whose output is proportional to its input, 1 for one whose output always has
        the same level.
    """

    loudness_db: float
    compression: float


def measure_loudness(play: Callable[[Floats], Any], rate_hz: int) -> Loudness:
    """Measure the loudness of a model, after half a second of silence.

    Parameters
    ----------
    play
        From float32 samples (frames,) to the model's output (frames,), from its zero state.
    rate_hz
        Sample rate of the model.

    Examples
    --------
    >>> round(measure_loudness(lambda x: 2 * x, 48_000).loudness_db, 2)
    -8.98
    """
    rest = np.zeros(round(REST_S * rate_hz), np.float32)

    def softer(gain: float) -> float:
        """Return the loudness in dB for the clip times ``gain``."""
        return loudness_db(
            lambda clip, _: play(np.concatenate([rest, np.float32(gain) * clip]))[rest.size :],
            rate_hz,
        )

    levels_db = [softer(gain) for gain in np.linspace(0, 1, STEPS)]
    levels = from_db(np.array(levels_db))
    # The mean level is 1/2 of the last one if the output is proportional, and 1 if it is constant.
    share = 2.0 * levels.sum() / (STEPS * levels[-1]) - 1.0
    silent = levels[-1] <= 1e-10
    return Loudness(levels_db[-1], 0.0 if silent else float(np.clip(share, 0.0, 1.0)))
