"""Plucked strings: a dry electric guitar or bass.

Each note is one string by the extended Karplus-Strong algorithm, with a pick and a pickup::

    pick noise -> comb (place of the pick) -> (+) --+--> comb (place of the pickup) -> coil
                                               ^    |
                                 loss <- damping <- delay line of one period, read between
                                                    samples, so that it can bend and shake
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.jit import jit


class Note(NamedTuple):
    """A pluck.

    Attributes
    ----------
    beat, beats
        Start and length in beats.
    pitch
        MIDI number; 69 is 440 Hz.
    force
        Strength; 1 is a firm stroke.
    muted
        Whether the palm mutes it.
    bend
        In semitones, reached within 0.22 s.
    vibrato
        Depth in cents.
    """

    beat: float
    beats: float
    pitch: int
    force: float = 1.0
    muted: bool = False
    bend: float = 0.0
    vibrato: float = 0.0


@jit
def _string(excitation, period, gain, damping, line, out):
    """Add one string to ``out``; ``period`` in samples and ``gain`` per period vary over time.

    ``line`` is the delay line: zeros, a power of two long, longer than the longest period.
    """
    mask = line.size - 1
    former = 0.0
    for n in range(out.size):
        # Third-order Lagrange interpolation; linear interpolation would dull high notes.
        delay = period[n] - damping[n]
        whole = int(delay)
        d = delay - whole + 1.0
        at = n - whole + 1
        a, b = line[at & mask], line[(at - 1) & mask]
        c, e = line[(at - 2) & mask], line[(at - 3) & mask]
        value = (
            -a * (d - 1.0) * (d - 2.0) * (d - 3.0) / 6.0
            + b * d * (d - 2.0) * (d - 3.0) / 2.0
            - c * d * (d - 1.0) * (d - 3.0) / 2.0
            + e * d * (d - 1.0) * (d - 2.0) / 6.0
        )
        looped = gain[n] * ((1.0 - damping[n]) * value + damping[n] * former)
        former = value
        sample = looped
        if n < excitation.size:
            sample += excitation[n]
        line[n & mask] = sample
        out[n] += sample


def _comb(x: np.ndarray[Any, Any], delay: int) -> np.ndarray[Any, Any]:
    """Subtract a delayed copy, for the notches of a position along the string."""
    y = x.copy()
    y[delay:] -= x[: x.size - delay]
    return y


@jit
def _resonance(x, b0, b1, b2, a1, a2):
    """Filter in place with one second-order section."""
    z1 = z2 = 0.0
    for n in range(x.size):
        y = b0 * x[n] + z1
        z1 = b1 * x[n] - a1 * y + z2
        z2 = b2 * x[n] - a2 * y
        x[n] = y


def _pluck(
    note: Note, beats_per_minute: float, rate_hz: int, rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Return the sound of one note with its release, float64 ``[frames]``."""
    held = int(note.beats * 60.0 / beats_per_minute * rate_hz)
    release = int(0.08 * rate_hz)
    time_s = np.arange(held + release) / rate_hz
    pitch = 440.0 * 2.0 ** ((note.pitch - 69) / 12.0)

    # A hard pluck starts a few cents sharp; a bend rises within a fifth of a second.
    cents = 6.0 * note.force * np.exp(-time_s / 0.05)
    cents += 100.0 * note.bend * (0.5 - 0.5 * np.cos(np.pi * np.clip(time_s / 0.22, 0.0, 1.0)))
    depth = note.vibrato * np.clip((time_s - 0.3) / 0.3, 0.0, 1.0)
    cents += depth * np.sin(2.0 * np.pi * 5.4 * time_s)
    period = rate_hz / (pitch * 2.0 ** (cents / 1200.0))

    sustain_s = 0.32 if note.muted else 5.0 * (110.0 / pitch) ** 0.35
    decay = np.where(np.arange(time_s.size) < held, sustain_s, 0.07)
    gain = 10.0 ** (-3.0 * period / (decay * rate_hz))
    # The damping filter averages two neighbours, so its weight depends on the sample rate.
    scale = rate_hz / 48_000.0
    dull = np.full(time_s.size, (0.5 if note.muted else 0.2) / max(scale, 1.0))
    dull[held:] = 0.45 / max(scale, 1.0)

    # The pick: a burst of noise one period long, brighter when it strikes harder.
    length = int(period[0])
    burst = rng.uniform(-1.0, 1.0, length)
    cutoff_hz = (350.0 if note.muted else 500.0) + 500.0 * note.force
    smooth = math.exp(-2.0 * math.pi * cutoff_hz / rate_hz)
    for _ in range(2):
        _resonance(burst, 1.0 - smooth, 0.0, 0.0, -smooth, 0.0)
    burst -= burst.mean()
    struck = np.zeros(2 * length)
    struck[:length] = burst
    struck = _comb(struck, max(1, round(0.13 * length)))
    struck *= note.force / np.sqrt(np.mean(struck**2))

    sound = np.zeros(time_s.size)
    line = np.zeros(1 << int(period.max() + 4.0).bit_length())
    _string(struck, period, gain, dull, line, sound)
    sound = _comb(sound, max(1, round(0.21 * period[0])))
    click = rng.standard_normal(int(0.003 * rate_hz)) * np.linspace(1.0, 0.0, int(0.003 * rate_hz))
    sound[: click.size] += 0.15 * note.force * click
    fade = int(0.01 * rate_hz)
    sound[-fade:] *= np.linspace(1.0, 0.0, fade)
    return sound


def chord(
    beat: float, beats: float, pitches: tuple[int, ...], force: float, strum: float = 0.02
) -> list[Note]:
    """Return the notes of a strummed chord.

    Parameters
    ----------
    beat, beats
        Start and length in beats.
    pitches
        MIDI numbers, in the order of the strum.
    force
        Strength of the first string.
    strum
        Beats from string to string.
    """
    return [
        Note(beat + strum * k, beats - strum * k, pitch, force * 0.93**k)
        for k, pitch in enumerate(pitches)
    ]


def power(beat: float, beats: float, root: int, force: float = 1.0) -> list[Note]:
    """Return the notes of a power chord: root, fifth and octave.

    Parameters
    ----------
    beat, beats
        Start and length in beats.
    root
        MIDI number of the lowest note.
    force
        Strength of the first string.
    """
    return chord(beat, beats, (root, root + 7, root + 12), force, 0.012)


def chug(beat: float, root: int, force: float = 0.9) -> list[Note]:
    """Return the notes of a palm mute on two strings.

    Parameters
    ----------
    beat
        Start in beats.
    root
        MIDI number of the lower note.
    force
        Strength of the lower note.
    """
    return [
        Note(beat, 0.42, root, force, muted=True),
        Note(beat + 0.012, 0.4, root + 7, 0.7 * force, muted=True),
    ]


def play(
    notes: Iterable[Note],
    beats: float,
    beats_per_minute: float,
    rate_hz: int,
    rng: np.random.Generator,
    *,
    level_dbfs: float,
    peak: float,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Synthesise notes, each on a string of its own.

    Parameters
    ----------
    notes
        The notes.
    beats, beats_per_minute
        Length of the result, and the tempo.
    rate_hz
        Sample rate.
    rng
        Generator for the noise of the pick.
    level_dbfs
        RMS level of the result in dBFS.
    peak
        Largest magnitude; a soft knee limits the hardest attacks to it.

    Returns
    -------
    numpy.ndarray
        float64 ``[frames]``, with the hiss of a quiet input (-84 dBFS).
    """
    beat_s = 60.0 / beats_per_minute
    sound = np.zeros(int(beats * beat_s * rate_hz))
    for note in notes:
        at = int(note.beat * beat_s * rate_hz)
        voice = _pluck(note, beats_per_minute, rate_hz, rng)[: sound.size - at]
        sound[at : at + voice.size] += voice

    # The pickup: a coil with its cable is a low-pass filter with a resonance at 2.8 kHz.
    w = 2.0 * math.pi * min(2_800.0, 0.45 * rate_hz) / rate_hz
    alpha, cosine = math.sin(w) / (2.0 * 1.2), math.cos(w)
    a0 = 1.0 + alpha
    b = (1.0 - cosine) / a0
    _resonance(sound, b / 2.0, b, b / 2.0, -2.0 * cosine / a0, (1.0 - alpha) / a0)

    sound *= from_db(level_dbfs) / np.sqrt(np.mean(sound**2))
    sound += from_db(-84.0) * rng.standard_normal(sound.size)
    # Only the hardest attacks reach the knee.
    knee = 0.6
    over = np.maximum(np.abs(sound) - knee, 0.0)
    span = peak - knee
    sound -= np.sign(sound) * (over - span * np.tanh(over / span))
    return sound
