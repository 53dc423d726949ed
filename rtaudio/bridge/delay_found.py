"""Finding the delay of a plugin: from how much it holds back, and from its answer to an impulse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtaudio.runtime.memory import Floats

Play = Callable[[Floats], Floats]

_HEARD = 1e-4
"""Share of the peak from which on a sample belongs to the answer: -80 dB."""
_NOISE_LEVEL = 0.1
_LONGEST_S = 30
_ALIKE = 0.99


def held_back(play: Play, channels: int, chunk: int, rate_hz: int) -> int:
    """Return the most samples that a plugin ever owes, fed with noise in chunks.

    It is listened to until that has not grown for a second.

    Parameters
    ----------
    play
        Takes ``[channels, chunk]``, returns as many samples or fewer.
    channels, chunk
        Size of a call.
    rate_hz
        Sample rate.

    Raises
    ------
    ValueError
        It owes more and more.
    """
    noise = np.random.default_rng(0).uniform(-_NOISE_LEVEL, _NOISE_LEVEL, (channels, chunk))
    x = noise.astype(np.float32)
    owed = most = calm = fed = 0
    while calm < rate_hz:
        missing = chunk - play(x).shape[1]
        owed, fed, calm = owed + missing, fed + chunk, calm + chunk
        if owed > most:
            most, calm = owed, 0
        if fed > _LONGEST_S * rate_hz:
            raise ValueError(f"gives fewer samples than it takes, even after {_LONGEST_S} s")
    return most


def delay_of_answer(answer: Floats, quiet: float = 0.0) -> int:
    """Return by how many samples an answer to an impulse at 0 is late.

    It is late by its first sample that is heard; if it is symmetric, as that of a filter of linear
    phase, by its peak.

    Parameters
    ----------
    answer
        ``[frames]``.
    quiet
        The largest sample that comes out of silence.

    Examples
    --------
    >>> late = np.zeros(9, np.float32)
    >>> late[[3, 4]] = 0.5, 0.2
    >>> linear = np.float32([0, 0, 0.1, 0.5, 1.0, 0.5, 0.1, 0, 0])
    >>> delay_of_answer(late), delay_of_answer(linear), delay_of_answer(0 * late)
    (3, 4, 0)
    """
    size = np.abs(answer)
    threshold = max(_HEARD * float(size.max(initial=0.0)), 10.0 * quiet)
    heard = np.flatnonzero(size > threshold)
    if not len(heard):
        return 0
    first, peak = int(heard[0]), int(np.argmax(size))
    reach = peak - first
    before, after = answer[first:peak][::-1], answer[peak + 1 : peak + 1 + reach]
    if reach and len(before) == len(after):
        product = float(np.dot(before, after))
        scale = float(np.linalg.norm(before) * np.linalg.norm(after))
        if scale > 0.0 and product / scale > _ALIKE:
            return peak
    return first
