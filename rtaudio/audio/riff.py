"""The demo riff: a dry electric guitar, synthesised from plucked strings.

It has the sounds by which amps differ: palm mutes, power chords, open chords that ring, single
notes with bends and vibrato, and silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.audio.plucked import Note, chord, chug, play, power

BEATS_PER_MINUTE = 112.0
BEATS = 26.0
LEVEL_DBFS = -18.0
PEAK_LIMIT = 0.95

E2, G2, A2, B2, C3, D3 = 40, 43, 45, 47, 48, 50


def _score() -> list[Note]:
    notes: list[Note] = []
    for bar, last in ((0.0, (G2, A2)), (4.0, (D3, B2))):
        notes += power(bar, 0.9, E2)
        for step in (1.0, 1.5, 2.0):
            notes += chug(bar + step, E2, 1.0 if step == 1.0 else 0.8)
        notes += power(bar + 2.5, 0.45, last[0])
        notes += chug(bar + 3.0, E2)
        notes += power(bar + 3.5, 0.48, last[1])
    em, cadd9, d, asus = (
        (40, 47, 52, 55, 59, 64), (48, 52, 55, 62, 67), (50, 57, 62, 66), (45, 52, 57, 62, 64),
    )  # fmt: skip
    notes += chord(8.0, 1.95, em, 0.75, 0.035)
    notes += chord(10.0, 1.95, cadd9, 0.6, 0.045)
    notes += chord(12.0, 1.45, d, 0.7, 0.03)
    notes += chord(13.5, 2.4, asus, 0.8, 0.03)
    lead = [
        (16.0, 0.5, 67, 0.9, 0.0, 0.0), (16.5, 0.5, 69, 0.8, 0.0, 0.0),
        (17.0, 1.4, 69, 1.0, 2.0, 18.0), (18.5, 0.45, 71, 0.7, 0.0, 0.0),
        (19.0, 0.45, 69, 0.8, 0.0, 0.0), (19.5, 0.5, 67, 0.7, 0.0, 0.0),
        (20.0, 0.5, 64, 0.9, 0.0, 0.0), (20.5, 1.4, 67, 1.0, 0.0, 30.0),
    ]  # fmt: skip
    notes += [Note(b, n, p, f, bend=bend, vibrato=v) for b, n, p, f, bend, v in lead]
    notes += chug(20.0, A2, 0.5) + chug(21.0, A2, 0.5)
    notes += power(22.0, 3.4, E2, 1.1)
    return notes


def riff(rate_hz: int = 48_000) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the riff.

    Parameters
    ----------
    rate_hz
        Sample rate, 22,050 Hz or more.

    Returns
    -------
    numpy.ndarray
        float32 ``[frames]``, about 14 s at -18 dBFS RMS, the same at every call.

    Examples
    --------
    >>> dry = riff(22_050)
    >>> dry.dtype, bool(np.abs(dry).max() < 1.0)
    (dtype('float32'), True)
    """
    rng = np.random.default_rng(1954)
    sound = play(
        _score(), BEATS, BEATS_PER_MINUTE, rate_hz, rng, level_dbfs=LEVEL_DBFS, peak=PEAK_LIMIT
    )
    return sound.astype(np.float32)
