"""Alignment: by how many samples a recording of gear is late, and whether clocks drift."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from rtaudio.analysis.minimum_phase import minimum_phase
from rtaudio.capture.signal import CaptureSignal
from rtaudio.runtime.memory import Floats

LONGEST_S = 1.0
"""Delays up to this are found."""

UNSURE = 0.25
"""Below this confidence the wet signal may have nothing to do with the dry one."""

_FRAME = 8192
"""Samples of a frame of the spectral estimate."""

_WINDOW_S = 4.0
"""Length of the parts that are compared to find a drift."""

_KNOWN = 0.5
"""Coherence, relative to the best, from which the magnitude of a frequency is trusted."""

_CLEAR = 0.96
"""Confidence from which the delay is exact."""

_JUMPED = 0.2
"""A delay that is within this share of the whole change from one of its ends has not crept."""

_MARGIN = 2
"""Samples that are subtracted from the delay below that confidence."""


class Arrival(NamedTuple):
    """The delay and the polarity of the wet signal.

    Attributes
    ----------
    delay_samples
        The delay, to a fraction of a sample.
    polarity
        1, or -1 for gear that inverts.
    confidence
        0 .. 1: how well the phases agree with one delay. Unrelated sounds stay below 0.2.
    """

    delay_samples: float
    polarity: int
    confidence: float

    @property
    def latency_samples(self) -> int:
        """The latency to remove, in whole samples.

        It is never more than the delay: otherwise the model would have to look ahead. A twentieth
        of a sample allows for the error of the measurement. If the phases do not agree well, as
        with much distortion, the measured delay is up to two samples too long, so two are
        subtracted.
        """
        margin = 0 if self.confidence >= _CLEAR else _MARGIN
        return math.floor(self.delay_samples + 0.05) - margin


class Alignment(NamedTuple):
    """How a wet signal lies relative to the dry one.

    Attributes
    ----------
    arrival
        Its delay and polarity.
    shift_samples
        By how much longer the delay is at the end than at the start.
    drift_ppm
        The same as a rate: the difference of the two clocks in parts per million.
    """

    arrival: Arrival
    shift_samples: float
    drift_ppm: float


def align(dry: Floats, wet: Floats, rate_hz: int, signal: CaptureSignal | None = None) -> Alignment:
    """Find latency, polarity and drift of a recording of gear.

    Parameters
    ----------
    dry, wet
        The played signal and the recording, float ``[frames]``.
    rate_hz
        Their sample rate.
    signal
        The test signal, if ``dry`` is one. Its two takes are then compared with each other, which
        shows a drift of a hundredth of a sample; its blips help if the rest is unclear.

    Examples
    --------
    >>> dry = np.random.default_rng(0).uniform(-0.5, 0.5, 48000).astype(np.float32)
    >>> align(dry, np.pad(dry, (100, 0)), 8000).arrival.latency_samples
    100
    """
    whole = arrival(dry, wet, rate_hz)
    if signal is not None:
        shift, apart, early = _shift_of_takes(wet, rate_hz, signal, whole)
        if whole.confidence < UNSURE:
            blips = _arrival_of_blips(dry, wet, rate_hz, signal)
            whole = max(whole, blips, key=lambda found: found.confidence)
    else:
        shift, apart, early = _shift_of_windows(dry, wet, rate_hz)
    if abs(shift) > 2.0:
        # With drift no single delay fits the whole length: measure it at the start.
        whole = _arrival_in_part(dry, wet, rate_hz, *early)
    return Alignment(whole, shift, 1e6 * shift / apart)


def _arrival_of_blips(dry: Floats, wet: Floats, rate_hz: int, signal: CaptureSignal) -> Arrival:
    """Find the delay of the blips alone."""
    start, stop = signal.sections["blips"]
    return arrival(dry[start:stop], wet[start : stop + round(LONGEST_S * rate_hz) // 2], rate_hz)


def _shift_of_takes(
    wet: Floats, rate_hz: int, signal: CaptureSignal, whole: Arrival
) -> tuple[float, int, tuple[int, int]]:
    """Compare the recordings of the two takes of the test signal.

    Returns
    -------
    tuple
        By how many samples more the second one is late, their distance in samples, and the range
        of the first one.
    """
    (start, stop), (again, _) = signal.sections["take"], signal.sections["take again"]
    margin = round(LONGEST_S * rate_hz) // 2
    lag = whole.latency_samples if whole.confidence > UNSURE else 0
    first, second = (
        wet[max(0, at + lag - margin) :][: stop - start + 2 * margin] for at in (start, again)
    )
    shift = _search(first, second, rate_hz, filtered=False).delay_samples
    return shift, again - start, (start, stop)


def _shift_of_windows(dry: Floats, wet: Floats, rate_hz: int) -> tuple[float, int, tuple[int, int]]:
    """Compare the delays of the first and the last loud part, as `_shift_of_takes` does."""
    windows = _loud_windows(dry, rate_hz)
    first, last = windows[0], windows[-1]
    one = _arrival_in_part(dry, wet, rate_hz, *first)
    other = _arrival_in_part(dry, wet, rate_hz, *last)
    sure = min(one.confidence, other.confidence) > UNSURE and last[0] > first[0]
    shift = other.delay_samples - one.delay_samples if sure else 0.0
    return shift, max(1, last[0] - first[0]), first


def find_jump(dry: Floats, wet: Floats, rate_hz: int) -> float | None:
    """Find where the delay jumps.

    Parameters
    ----------
    dry, wet
        Signals ``[frames]`` whose delay is another one at the end than at the start.
    rate_hz
        Their sample rate.

    Returns
    -------
    float or None
        Seconds from the start, to some seconds; None if the delay creeps, as between two clocks.
    """
    windows = _loud_windows(dry, rate_hz)
    delays = {at: _arrival_in_part(dry, wet, rate_hz, *windows[at]).delay_samples
              for at in (0, len(windows) - 1)}  # fmt: skip
    low, high = 0, len(windows) - 1
    whole = delays[high] - delays[low]
    while high - low > 1:
        middle = (low + high) // 2
        delay = _arrival_in_part(dry, wet, rate_hz, *windows[middle]).delay_samples
        share = (delay - delays[0]) / whole if whole else 0.5
        if _JUMPED < share < 1.0 - _JUMPED:
            return None
        low, high = (low, middle) if share >= 0.5 else (middle, high)
    return windows[high][0] / rate_hz


def remove_latency(wet: Floats, latency_samples: int, frames: int) -> Floats:
    """Shift a recording by its latency.

    Parameters
    ----------
    wet
        The recording ``[frames]``.
    latency_samples
        Samples to cut off at the start; if negative, silence is put there instead.
    frames
        Maximum length of the result.
    """
    if latency_samples < 0:
        wet = np.pad(wet, (-latency_samples, 0))
    return wet[max(0, latency_samples) :][:frames]


def _arrival_in_part(dry: Floats, wet: Floats, rate_hz: int, start: int, stop: int) -> Arrival:
    """Find the delay of the part ``start`` .. ``stop`` of the dry signal."""
    return arrival(dry[start:stop], wet[start : stop + round(LONGEST_S * rate_hz)], rate_hz)


def _loud_windows(dry: Floats, rate_hz: int) -> list[tuple[int, int]]:
    """Return windows of 4 s without the quieter half of them; one window for a short sound."""
    size = min(dry.size, round(_WINDOW_S * rate_hz))
    starts = np.arange(0, dry.size - size + 1, max(1, size // 2))
    power = [float(np.mean(np.square(dry[at : at + size], dtype=np.float64))) for at in starts]
    return [(int(at), int(at) + size) for at, p in zip(starts, power, strict=True)
            if p >= np.median(power)]  # fmt: skip


def arrival(dry: Floats, wet: Floats, rate_hz: int) -> Arrival:
    """Find the delay of a recording.

    Parameters
    ----------
    dry, wet
        The played signal and the recording, float ``[frames]``: any broadband sound of a second or
        more.
    rate_hz
        Their sample rate.

    Returns
    -------
    Arrival
        The delay, within +- 1 s.

    Notes
    -----
    1. The generalised cross-correlation with phase transform (Knapp and Carter 1976) of long
       frames gives a rough delay.
    2. The linear response from dry to wet is estimated (Welch), weighted by its coherence.
       Amplifiers and loudspeakers are close to minimum phase, so the minimum phase of the measured
       magnitude (by the cepstrum, Oppenheim and Schafer) is subtracted. A pure delay remains,
       without that of the filters.
    """
    return _search(dry, wet, rate_hz, filtered=True)


def _search(dry: Floats, wet: Floats, rate_hz: int, *, filtered: bool) -> Arrival:
    """Find the delay; ``filtered`` says whether ``wet`` may have passed through filters."""
    rough = _rough_delay(dry, wet, rate_hz)
    for _ in range(2):
        fine, polarity, confidence = _fine_delay(*overlap(dry, wet, rough), filtered)
        if abs(fine) < _FRAME / 64:
            break
        rough += round(fine)
    return Arrival(rough + fine, polarity, confidence)


def overlap(dry: Floats, wet: Floats, lag_samples: int) -> tuple[Floats, Floats]:
    """Trim two signals to their overlap after an integer shift.

    Parameters
    ----------
    dry, wet
        Signals ``[frames]``.
    lag_samples
        By how many samples ``wet`` is late; may be negative.

    Examples
    --------
    >>> overlap(np.arange(5), np.arange(5), 2)
    (array([0, 1, 2]), array([2, 3, 4]))
    """
    dry, wet = dry[max(0, -lag_samples) :], wet[max(0, lag_samples) :]
    frames = min(dry.size, wet.size)
    return dry[:frames], wet[:frames]


def _rough_delay(dry: Floats, wet: Floats, rate_hz: int) -> int:
    """Find the delay to a few samples, by cross-correlation with phase transform."""
    reach = min(round(LONGEST_S * rate_hz), max(dry.size, wet.size) // 2)
    span = 2 * reach
    size = 1 << (span + 2 * reach - 1).bit_length()
    total = np.zeros(size // 2 + 1, np.complex128)
    for start in range(0, max(1, dry.size - span // 2), span):
        x = dry[start : start + span]
        low = start - reach
        y = wet[max(0, low) : start + span + reach]
        y = np.pad(y, (max(0, -low), 0))
        cross = np.conj(np.fft.rfft(x, size)) * np.fft.rfft(y, size)
        magnitude = np.abs(cross)
        largest = magnitude.max()
        if largest > 0.0:
            total += cross / (magnitude + 1e-6 * largest)
    correlation = np.fft.irfft(total, size)[: 2 * reach + 1]
    return int(np.argmax(np.abs(correlation))) - reach


def _fine_delay(dry: Floats, wet: Floats, filtered: bool) -> tuple[float, int, float]:
    """Return delay, polarity and confidence of signals that are aligned to a few samples."""
    size = min(_FRAME, 1 << max(6, dry.size.bit_length() - 3))
    window = np.hanning(size)
    sxx = np.zeros(size // 2 + 1)
    syy = np.zeros(size // 2 + 1)
    sxy = np.zeros(size // 2 + 1, np.complex128)
    for start in range(0, dry.size - size + 1, size // 2):
        x = np.fft.rfft(dry[start : start + size] * window)
        y = np.fft.rfft(wet[start : start + size] * window)
        sxx += np.abs(x) ** 2
        syy += np.abs(y) ** 2
        sxy += np.conj(x) * y
    if sxx.max() == 0.0 or syy.max() == 0.0:
        return 0.0, 1, 0.0
    coherence = np.abs(sxy) ** 2 / np.maximum(sxx * syy, 1e-30)
    played = sxx > 1e-12 * sxx.max()
    weight = np.where(played, coherence, 0.0)
    phase = np.angle(sxy)
    if filtered:
        response = np.abs(sxy) / np.maximum(sxx, 1e-12 * sxx.max())
        phase -= minimum_phase(_magnitude(response, weight)).imag
    pulse = weight * np.exp(1j * phase)
    correlation = np.fft.irfft(pulse, 16 * size)
    best = int(np.argmax(np.abs(correlation)))
    sign = 1 if correlation[best] > 0.0 else -1
    around = sign * correlation[np.arange(best - 1, best + 2) % correlation.size]
    peak = best + 0.5 * (around[0] - around[2]) / (around[0] - 2.0 * around[1] + around[2])
    delay = (peak + 8 * size) % (16 * size) - 8 * size
    total = np.sum(weight)
    height = sign * correlation[best] * 16 * size / (2.0 * total) if total > 0.0 else 0.0
    return float(delay) / 16.0, sign, float(height)


def _magnitude(response: Any, weight: Any) -> Any:
    """Return the logarithm of a magnitude.

    Frequencies with a low weight are limited to the level of their well-known neighbours.
    """
    level = np.log(np.maximum(response, 1e-12))
    known = np.flatnonzero(weight > _KNOWN * weight.max())
    return np.minimum(level, np.interp(np.arange(level.size), known, level[known]))
