"""Balance: how much louder one setting of a chain is than another, for a fair comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from rtaudio.effects.base import Effect
from rtaudio.runtime.loudness import LoudnessMeter
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.offline import run

_BLOCK = 512


def loudness_lufs(
    effect: Effect, values: Mapping[str, float], heard: Floats, rate_hz: int, in_channels: int
) -> float:
    """Return the loudness of what an effect makes of a sound, by ITU-R BS.1770.

    The effect may play at the same time: its own settings stay as they are.

    Parameters
    ----------
    effect
        The effect or chain.
    values
        Its settings, as :meth:`rtaudio.Host.values` has them.
    heard
        float32 ``[frames]``, at least 0.4 seconds.
    rate_hz
        Sample rate.
    in_channels
        Channels of its input, which all get the same.

    Returns
    -------
    float
        Integrated loudness in LUFS; minus infinity for silence.

    Examples
    --------
    >>> from rtaudio.effects.gain import Gain
    >>> tone = 0.1 * np.sin(2 * np.pi * 997 / 48000 * np.arange(96000), dtype=np.float32)
    >>> levels = [loudness_lufs(Gain(), {"gain.gain_db": db}, tone, 48000, 1) for db in (0, -6)]
    >>> round(levels[0] - levels[1], 2)
    6.0
    """
    program = effect.compile(rate_hz, _BLOCK, in_channels=in_channels, offline=True)
    controls = program.plan.controls
    for name in controls.keys() & values.keys():
        controls[name].slot.store(values[name])
    sound = np.repeat(heard[None], in_channels, axis=0)
    meter = LoudnessMeter(rate_hz, program.out_channels)
    meter.measure(run(program, sound))
    return meter.read().integrated_lufs


def trims_db(a_lufs: float, b_lufs: float) -> tuple[float, float]:
    """Return the gains that bring two loudnesses to the lower one; 0 if one of them is silence.

    Parameters
    ----------
    a_lufs, b_lufs
        The loudnesses.

    Examples
    --------
    >>> trims_db(-20.0, -26.0), trims_db(-20.0, -math.inf)
    ((-6.0, 0.0), (0.0, 0.0))
    """
    if math.isinf(a_lufs) or math.isinf(b_lufs):
        return 0.0, 0.0
    lower = min(a_lufs, b_lufs)
    return lower - a_lufs, lower - b_lufs
