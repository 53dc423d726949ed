"""The gain of a limiter with look-ahead: a sliding minimum and, after the release, a sliding mean.

::

    needed gain --> minimum of ``span`` --> release --> mean of ``window`` --> gain

Every value that enters the mean for an output sample has that sample's own needed gain in its
minimum, so the mean cannot exceed it. The mean is a running sum of integers: exact, so that a gain
of 1 stays exactly 1 for ever.

The minimum follows van Herk (1992): time is cut into segments; the minimum of any ``span`` samples
is that of the present segment so far, and that of the rest of the segment before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.runtime.jit import inlined
from rtaudio.runtime.memory import Array
from rtaudio.runtime.words import f32_at, i64_at

ONE = 1 << 40
"""Gain 1 in the integers of the running sum."""

LOOKAHEAD: list[Any] = [
    ("span", "i8"),
    ("place", "i8"),
    ("lowest", "f8"),
    ("window", "i8"),
    ("position", "i8"),
    ("total", "i8"),
    ("held", "f8"),
    ("needed", "i8"),
    ("means", "i8"),
]
"""Fields of a state that `least` and `mean` work on. ``needed``: [span + 1] needed gains of this
segment up to ``place``, then minima from there to the end of the segment before. ``means``:
[window] values of the running sum ``total``, the oldest at ``position``. ``held``: the gain after
the release."""


def lookahead_work(span: int, window: int) -> dict[str, Array]:
    """Return the work arrays of a node with the fields of `LOOKAHEAD`.

    Parameters
    ----------
    span, window
        Lengths of the minimum and of the mean, in samples.
    """
    return {"needed": np.ones(span + 1, np.float32), "means": np.full(window, ONE, np.int64)}


def lookahead_fields(span: int, window: int) -> dict[str, Any]:
    """Return the start values of the fields of `LOOKAHEAD`.

    Parameters
    ----------
    span, window
        Lengths of the minimum and of the mean, in samples.
    """
    return {"span": span, "lowest": 1.0, "window": window, "total": window * ONE, "held": 1.0}


@inlined
def least(s, gain):
    """Take the needed gain of the next sample, and return the least of the last ``span``."""
    needed = f32_at(s.needed)
    place = s.place
    needed[place] = gain
    s.lowest = min(s.lowest, float(needed[place]))
    result = min(s.lowest, float(needed[place + 1]))
    s.place = place + 1
    if s.place == s.span:
        s.place = 0
        s.lowest = 1.0
        for k in range(s.span - 2, -1, -1):
            needed[k] = min(needed[k], needed[k + 1])
    return result


@inlined
def mean(s):
    """Take ``held``, and return the mean of its last ``window`` values."""
    means = i64_at(s.means)
    rounded = np.int64(s.held * ONE)
    s.total += rounded - means[s.position]
    means[s.position] = rounded
    s.position += 1
    if s.position == s.window:
        s.position = 0
    return s.total / (float(s.window) * ONE)
