"""The played parts of the test signal: a guitar and a bass, over the whole neck."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.audio.plucked import Note, chord, chug, play, power
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Array

BEATS_PER_MINUTE = 120.0
LEVEL_DBFS = -18.0
PEAK = from_db(-1.0)

_TAKE_BEATS = 18.0
_MINOR = (0, 3, 5, 7, 10)
_OPEN_CHORDS = (
    (40, 47, 52, 55, 59, 64), (45, 52, 57, 60, 64), (48, 52, 55, 60, 64), (50, 57, 62, 66),
    (43, 47, 50, 55, 59, 67), (41, 48, 53, 57, 60, 65), (45, 52, 57, 62, 64), (47, 54, 59, 62, 66),
)  # fmt: skip
_HARD, _SOFT = 1.3, 0.12
"""Force of the hardest and of the softest stroke."""


def _run(beat: float, root: int, steps: int, each: float, forces: Any) -> list[Note]:
    """Play a pentatonic scale of ``steps`` notes upwards or, if negative, downwards."""
    degrees = range(0, steps, 1 if steps > 0 else -1)
    pitches = [root + 12 * (k // 5) + _MINOR[k % 5] for k in degrees]
    return [
        Note(beat + each * k, 0.95 * each, pitch, float(force))
        for k, (pitch, force) in enumerate(zip(pitches, forces, strict=True))
    ]


def _riffing(beat: float, root: int, force: float) -> list[Note]:
    """Play four beats of power chords and palm mutes."""
    notes = power(beat, 0.9, root, force)
    for step in (1.0, 1.25, 1.5, 2.0):
        notes += chug(beat + step, root, force * (0.8 if step % 1.0 else 1.0))
    notes += power(beat + 2.5, 0.45, root + 3, force)
    notes += chug(beat + 3.0, root, force)
    return notes + power(beat + 3.5, 0.45, root + 5, force)


def _arpeggio(beat: float, pitches: tuple[int, ...], force: float) -> list[Note]:
    """Pick a chord string by string over four beats, every string left to ring."""
    order = [*range(len(pitches)), *range(len(pitches) - 2, 0, -1)][:8]
    return [
        Note(beat + 0.5 * k, 3.9 - 0.5 * k, pitches[string], force)
        for k, string in enumerate(order)
    ]


def _lead(beat: float, root: int, force: float) -> list[Note]:
    """Play four beats of single notes with bends, vibrato and a double stop."""
    return [
        Note(beat, 0.5, root, 0.8 * force),
        Note(beat + 0.5, 1.0, root + 2, force, bend=2.0, vibrato=15.0),
        Note(beat + 1.5, 0.5, root + 5, 0.7 * force, bend=1.0),
        *chord(beat + 2.0, 0.5, (root + 3, root + 7), force),
        Note(beat + 2.5, 1.4, root, force, vibrato=30.0),
    ]


def _bass(beat: float, root: int, force: float) -> list[Note]:
    """Play four beats of a bass line."""
    steps = ((0.0, 0), (1.0, 0), (1.5, 7), (2.0, 5), (2.5, 3), (3.0, 0), (3.5, -2))
    return [Note(beat + at, 0.95 if at < 1.0 else 0.45, root + step, force) for at, step in steps]


def play_take(rate_hz: int) -> Array:
    """Play the validation take of 9 s: a little of everything, none of it in `play_passage`.

    Returns
    -------
    numpy.ndarray
        Mono float64 at -18 dBFS RMS with peaks up to -1 dBFS, the same at every call.
    """
    notes = _riffing(0.0, 42, 1.1) + _lead(4.0, 66, 0.9)
    notes += chord(8.0, 1.9, (44, 51, 56, 60, 63, 68), 0.7, 0.04)
    notes += chord(10.0, 1.4, (49, 56, 61, 64), 0.3, 0.05)
    notes += _run(11.5, 54, 6, 0.25, np.linspace(0.3, 1.2, 6))
    notes += _bass(13.0, 30, 0.9)[:4] + power(15.5, 1.8, 44, _HARD)
    rng = np.random.default_rng(1931)
    return play(
        notes, _TAKE_BEATS, BEATS_PER_MINUTE, rate_hz, rng, level_dbfs=LEVEL_DBFS, peak=PEAK
    )


def play_passage(rate_hz: int) -> Array:
    """Play the passage to train on, two minutes long.

    Returns
    -------
    numpy.ndarray
        Mono float64 at -18 dBFS RMS with peaks up to -1 dBFS, the same at every call.
    """
    rng = np.random.default_rng(1958)
    notes: list[Note] = []
    beat = 0.0
    # scales over the whole neck, from soft to hard and back
    for root, steps in ((40, 20), (64, -12), (45, 20), (76, -16)):
        swell = np.geomspace(_SOFT, _HARD, abs(steps))
        notes += _run(beat, root, steps, 0.4, swell if steps > 0 else swell[::-1])
        beat += 0.4 * abs(steps) + 0.8
    phrases: list[tuple[str, float]] = []
    for force in np.geomspace(_SOFT, _HARD, 7):
        phrases += [("riffing", force), ("arpeggio", force), ("lead", force), ("bass", force)]
        phrases += [("strum", force), ("lead", force), ("riffing", force)]
    for k in rng.permutation(len(phrases)):
        kind, force = phrases[k]
        pitches = _OPEN_CHORDS[int(rng.integers(len(_OPEN_CHORDS)))]
        if kind == "riffing":
            notes += _riffing(beat, int(rng.integers(38, 50)), force)
        elif kind == "arpeggio":
            notes += _arpeggio(beat, pitches, force)
        elif kind == "lead":
            notes += _lead(beat, int(rng.integers(57, 80)), force)
        elif kind == "bass":
            notes += _bass(beat, int(rng.integers(28, 41)), force)
        else:
            notes += chord(beat, 1.9, pitches, force, 0.03)
            notes += chord(beat + 2.0, 1.9, pitches[::-1], 0.7 * force, 0.03)
        beat += 4.0
    # the last chord rings until it has faded away
    notes += chord(beat, 11.0, _OPEN_CHORDS[0], 1.0, 0.03)
    beats = beat + 12.0
    return play(notes, beats, BEATS_PER_MINUTE, rate_hz, rng, level_dbfs=LEVEL_DBFS, peak=PEAK)
