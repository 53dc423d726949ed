"""How loud a model plays, as Neural Amp Modeler's files state it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rtaudio.analysis.loudness import loudness_db
from rtaudio.runtime.memory import Floats

__all__ = ["Loudness", "measure_loudness"]


REST_S = 0.5
STEPS = 11


class Loudness(NamedTuple):
    """``loudness_db`` as `rtaudio.analysis.loudness.loudness_db` defines it.

    ``compression`` is 0 for a model whose output grows with its input and 1 for one whose output
    has the same level whatever the input.
    """

    loudness_db: float
    compression: float


def measure_loudness(play: Callable[[Floats], Any], rate_hz: int) -> Loudness:
    """Measure the loudness of a model, after half a second of silence.

    Parameters
    ----------
    play
        From float32 samples (frames,) to those of the model, from its zero state.
    rate_hz
        Sample rate of the model.

    Examples
    --------
    >>> round(measure_loudness(lambda x: 2 * x, 48_000).loudness_db, 2)
    -8.98
    """
    rest = np.zeros(round(REST_S * rate_hz), np.float32)

    def softer(gain: float) -> float:
        """Return the loudness with a softer clip, in dB."""
        return loudness_db(
            lambda clip, _: play(np.concatenate([rest, np.float32(gain) * clip]))[rest.size :],
            rate_hz,
        )

    levels_db = [softer(gain) for gain in np.linspace(0, 1, STEPS)]
    levels = 10.0 ** (np.array(levels_db) / 20.0)
    # The sum of the levels lies between that of a straight line and that of a constant.
    share = 2.0 * levels.sum() / (STEPS * levels[-1]) - 1.0
    silent = levels[-1] <= 1e-10
    return Loudness(levels_db[-1], 0.0 if silent else float(np.clip(share, 0.0, 1.0)))
