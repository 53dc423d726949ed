"""Tuner: the pitch of one string, to a fraction of a cent.

The period is found in the autocorrelation (P. McLeod and G. Wyvill, "A smarter way to find pitch",
ICMC 2005). Then the partials are found in a spectrum of six periods. The partials of a stiff string
spread with their number, f_n = n f (1 + B n^2)^(1/2) (H. Fletcher, JASA 1964), so f and B are
fitted to them: by the period alone, a low string would read some cents too sharp.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

LOWEST_HZ, HIGHEST_HZ = 27.0, 1400.0
"""A0 .. F6; the lowest note of a five-string bass is 31 Hz, fret 24 of a high E string 1319 Hz."""

A4_HZ = 440.0
LISTEN_S = 0.25
"""Longest excerpt that a reading needs; a low E of a guitar needs 0.08 s."""

QUIETEST_DB = -60.0
CLARITY = 0.75
FIRST_PEAK = 0.95
PERIODS = 6
PARTIALS = 12
WEAKEST = 3e-3
STIFFEST = 1e-3

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# Blackman-Harris: side lobes of -92 dB, a main lobe of four bins to either side
_WINDOW = (0.35875, -0.48829, 0.14128, -0.01168)

Samples = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Tuning:
    """A reading of the tuner.

    Attributes
    ----------
    hz
        Frequency of the first partial.
    note
        Nearest note of the equal temperament, such as ``"E2"``; C4 is the middle C.
    cents
        Distance of the string from the note, -50 .. 50; positive if the string is sharp.
    """

    hz: float
    note: str
    cents: float


def read_tuning(x: Any, rate_hz: int, a4_hz: float = A4_HZ) -> Tuning | None:
    """Return the pitch at the end of a recording, or None if there is no clear pitch.

    Parameters
    ----------
    x
        Mono audio ``[frames]``; only the last 0.25 s are used, or less for a higher pitch.
    rate_hz
        Sample rate.
    a4_hz
        Frequency of the note A4.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 110.5 * np.arange(12000) / 48000)
    >>> reading = read_tuning(tone, 48000)
    >>> reading.note, round(reading.cents, 1)
    ('A2', 7.9)
    """
    samples = np.asarray(x, np.float64)
    coarse_hz = _period_hz(samples[-round(2.2 / LOWEST_HZ * rate_hz) :], rate_hz)
    if coarse_hz is None:
        return None
    frames = math.ceil(PERIODS * rate_hz / coarse_hz)
    if frames > len(samples):
        return None
    hz = _first_partial_hz(samples[-frames:], rate_hz, coarse_hz)
    if not LOWEST_HZ <= hz <= HIGHEST_HZ:
        return None
    semitones = 69.0 + 12.0 * math.log2(hz / a4_hz)
    nearest = round(semitones)
    note = f"{NAMES[nearest % 12]}{nearest // 12 - 1}"
    return Tuning(hz, note, 100.0 * (semitones - nearest))


def _period_hz(x: Samples, rate_hz: int) -> float | None:
    """Return the pitch by the normalised square difference function, or None if it is unclear."""
    x = x - x.mean() if len(x) else x
    longest = int(rate_hz / LOWEST_HZ)
    if len(x) < 2 * longest or np.mean(x**2) < 10.0 ** (QUIETEST_DB / 10.0):
        return None
    spectrum = np.fft.rfft(x, 1 << (2 * len(x) - 1).bit_length())
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[: longest + 2]
    energy = np.concatenate([[0.0], np.cumsum(x**2)])
    lags = np.arange(longest + 2)
    both = energy[len(x) - lags] + energy[-1] - energy[lags]
    similarity = 2.0 * correlation / np.maximum(both, 1e-20)
    # key maxima: the highest point of each positive stretch after the first zero crossing
    start = int(np.argmax(similarity < 0.0)) or len(lags)
    inner = similarity[1:-1]
    peaks = lags[1:-1][(inner > similarity[:-2]) & (inner >= similarity[2:]) & (inner > 0.0)]
    peaks = peaks[peaks > max(start, rate_hz / HIGHEST_HZ * 0.9)]
    if not len(peaks) or similarity[peaks].max() < CLARITY:
        return None
    lag = peaks[similarity[peaks] >= FIRST_PEAK * similarity[peaks].max()][0]
    return rate_hz / (float(lag) + _vertex(similarity[lag - 1 : lag + 2])[0])


def _vertex(three: Samples) -> tuple[float, float]:
    """Return the vertex of the parabola through three neighbours: place (0: middle) and height."""
    left, middle, right = three
    bend = left - 2.0 * middle + right
    if bend == 0.0:
        return 0.0, float(middle)
    place = 0.5 * (left - right) / bend
    return float(place), float(middle - 0.25 * (left - right) * place)


def _first_partial_hz(x: Samples, rate_hz: int, coarse_hz: float) -> float:
    """Return the frequency of the first partial, by a fit to all partials that are heard."""
    frames = len(x)
    turn = 2.0 * np.pi * (np.arange(frames) + 0.5) / frames
    window = sum(a * np.cos(k * turn) for k, a in enumerate(_WINDOW))
    size = 1 << (8 * frames - 1).bit_length()
    spectrum = np.log(np.abs(np.fft.rfft(x * window, size)) + 1e-12)
    bin_hz = rate_hz / size
    base, stiffness = coarse_hz**2, 0.0
    numbers: list[int] = []
    squares: list[float] = []
    weights: list[float] = []
    loudest = spectrum[int(0.5 * coarse_hz / bin_hz) : int((PARTIALS + 0.5) * coarse_hz / bin_hz)]
    threshold = loudest.max() + math.log(WEAKEST)
    for number in range(1, PARTIALS + 1):
        expected = number * math.sqrt(base + stiffness * number**2)
        if expected + 0.5 * coarse_hz > 0.45 * rate_hz:
            break
        low, high = (int((expected + side * 0.25 * coarse_hz) / bin_hz) for side in (-1.0, 1.0))
        at = low + int(np.argmax(spectrum[low : high + 1]))
        if at in (low, high) or spectrum[at] < threshold:
            continue
        place, height = _vertex(spectrum[at - 1 : at + 2])
        numbers.append(number)
        squares.append(((at + place) * bin_hz / number) ** 2)
        weights.append((number * math.exp(height - spectrum.max())) ** 2)
        base, stiffness = _fit(np.array(numbers), np.array(squares), np.array(weights))
    return math.sqrt(base + stiffness)


def _fit(numbers: Any, squares: Samples, weights: Samples) -> tuple[float, float]:
    """Return f^2 and B f^2 of (f_n / n)^2 = f^2 + B f^2 n^2, by least squares."""
    mean = float(np.average(squares, weights=weights))
    if len(numbers) < 3:
        return mean, 0.0
    n2 = numbers.astype(float) ** 2
    centre = float(np.average(n2, weights=weights))
    spread = float(np.sum(weights * (n2 - centre) ** 2))
    slope = float(np.sum(weights * (n2 - centre) * (squares - mean))) / spread
    slope = min(max(slope, 0.0), STIFFEST * mean)
    return mean - slope * centre, slope
