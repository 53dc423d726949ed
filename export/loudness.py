"""How loud a model plays, as Neural Amp Modeler's files state it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtaudio.measure.loudness import standard_clip

__all__ = ["Loudness", "measure_loudness"]

Floats = NDArray[np.float32]

REST_S = 0.5
STEPS = 11


class Loudness(NamedTuple):
    """``loudness_db`` of what a model makes of pink noise at -15 dBFS, both as RMS.

    ``compression`` is 0 for a model whose output grows with its input and 1 for one whose output
    has the same level whatever the input.
    """

    loudness_db: float
    compression: float


def measure_loudness(play: Callable[[Floats], Any], rate_hz: int) -> Loudness:
    """Measure the loudness of a model.

    Neural Amp Modeler plays a clip of its own: one second of pink noise down to 1 Hz. Noise of the
    same spectrum and level gives the same loudness within 0.4 dB.

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
    rest = round(REST_S * rate_hz)
    clip = np.concatenate([np.zeros(rest, np.float32), standard_clip(rate_hz)])
    gains = np.linspace(0, 1, STEPS)
    levels = np.array([
        np.sqrt(np.mean(np.square(play(np.float32(gain) * clip)[rest:], dtype=np.float64)))
        for gain in gains
    ])
    # The sum of the levels lies between that of a straight line and that of a constant.
    most = levels[-1] * STEPS
    share = 2 * levels.sum() / most - 1 if most > 0 else 0.0
    return Loudness(
        float(20 * np.log10(max(levels[-1], 1e-10))), float(np.clip(share, 0.0, 1.0))
    )
