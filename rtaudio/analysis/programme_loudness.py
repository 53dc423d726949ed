"""Loudness of a whole sound, as broadcasters and streaming services measure it."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.loudness import Loudness, LoudnessMeter

__all__ = ["programme_loudness"]


def programme_loudness(x: Any, rate_hz: int) -> Loudness:
    """Return loudness, loudness range, true peak, crest and correlation of a sound.

    Parameters
    ----------
    x
        Finite audio, mono ``[frames]`` or ``[channels, frames]``, at most 8 channels in the order
        of WAV files.
    rate_hz
        Its sample rate.

    Raises
    ------
    RefusedError
        There are more than 8 channels.

    Notes
    -----
    ITU-R BS.1770-5, EBU R128, EBU Tech 3341 and 3342; by the meter that also runs live.

    Examples
    --------
    >>> sine = np.sin(2 * np.pi * 1000 / 48000 * np.arange(96000))
    >>> loudness = programme_loudness(np.stack([sine, sine]), 48000)
    >>> round(loudness.integrated_lufs, 1), abs(round(loudness.true_peak_dbtp, 2))
    (0.0, 0.0)
    """
    planar = np.atleast_2d(np.asarray(x, np.float32))
    meter = LoudnessMeter(rate_hz, len(planar))
    meter.measure(planar)
    meter.finish()
    return meter.read()
