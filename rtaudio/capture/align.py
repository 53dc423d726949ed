"""Alignment: by how many samples a recording of gear lags what was played into it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from rtaudio.analysis.minimum_phase import minimum_phase
from rtaudio.capture.signal import CaptureSignal
from rtaudio.runtime.memory import Floats

LONGEST_S = 1.0
UNSURE = 0.25

_FRAME = 8192
_WINDOW_S = 4.0
_KNOWN = 0.5
_CLEAR = 0.96
_GIVEN = 2


class Arrival(NamedTuple):
    """When the wet signal arrives.

    Attributes
    ----------
    delay_samples
        The delay, to a small part of a sample.
    polarity
        1, or -1 for gear that inverts.
    confidence
        0 .. 1: how far the phases agree with one delay. Unrelated sounds stay below 0.2.
    """

    delay_samples: float
    polarity: int
    confidence: float

    @property
    def latency_samples(self) -> int:
        """The whole samples to take away: not more than the delay, lest the gear looks ahead.

        A twentieth of a sample is left to the error of the measurement. Where the phases do not
        agree well, as behind much distortion, the delay comes out too long by some two samples, so
        two are given away.
        """
        given = 0 if self.confidence >= _CLEAR else _GIVEN
        return math.floor(self.delay_samples + 0.05) - given


class Alignment(NamedTuple):
    """How two recordings lie to each other.

    Attributes
    ----------
    arrival
        When the wet signal arrives.
    shift_samples
        By how much later it arrives at the end than at the start.
    drift_ppm
        The same as a rate: the difference of two clocks in parts per million.
    """

    arrival: Arrival
    shift_samples: float
    drift_ppm: float


def align(dry: Floats, wet: Floats, rate_hz: int, signal: CaptureSignal | None = None) -> Alignment:
    """Find latency, polarity and drift of a recording of gear.

    Parameters
    ----------
    dry, wet
        What was played and what came back, ``[frames]``.
    rate_hz
        Their sample rate.
    signal
        The test signal, if ``dry`` is one: its two takes are then compared with each other, which
        shows a drift of a hundredth of a sample, and its blips help where the rest is unclear.
    """
    whole = arrival(dry, wet, rate_hz)
    if signal is not None:
        (start, stop), (again, _) = signal.sections["take"], signal.sections["take again"]
        margin = round(LONGEST_S * rate_hz) // 2
        lag = whole.latency_samples if whole.confidence > UNSURE else 0
        first, second = (
            wet[max(0, at + lag - margin) :][: stop - start + 2 * margin] for at in (start, again)
        )
        shift, apart = _search(first, second, rate_hz, False).delay_samples, again - start
        early: list[tuple[int, int]] = [(start, stop)]
        if whole.confidence < UNSURE:
            at, end = signal.sections["blips"]
            blips = arrival(dry[at:end], wet[at : end + margin], rate_hz)
            whole = max(whole, blips, key=lambda found: found.confidence)
    else:
        early = _loud_windows(dry, rate_hz)
        (at, end), (last, last_end) = early[0], early[-1]
        one = _arrival_near(dry, wet, rate_hz, at, end)
        other = _arrival_near(dry, wet, rate_hz, last, last_end)
        sure = min(one.confidence, other.confidence) > UNSURE and last > at
        shift = other.delay_samples - one.delay_samples if sure else 0.0
        apart = max(1, last - at)
    if abs(shift) > 2.0:
        # over the whole length the phases cannot agree
        whole = _arrival_near(dry, wet, rate_hz, *early[0])
    return Alignment(whole, shift, 1e6 * shift / apart)


def aligned(wet: Floats, latency_samples: int, frames: int) -> Floats:
    """Take a latency away from a recording; ``frames`` at most, silence where it has none yet."""
    if latency_samples < 0:
        wet = np.pad(wet, (-latency_samples, 0))
    return wet[max(0, latency_samples) :][:frames]


def _arrival_near(dry: Floats, wet: Floats, rate_hz: int, start: int, stop: int) -> Arrival:
    """Find the delay of a part of the dry signal."""
    return arrival(dry[start:stop], wet[start : stop + round(LONGEST_S * rate_hz)], rate_hz)


def _loud_windows(dry: Floats, rate_hz: int) -> list[tuple[int, int]]:
    """Return windows of 4 s, or the whole if that is shorter, that are not the quietest half."""
    size = min(dry.size, round(_WINDOW_S * rate_hz))
    starts = np.arange(0, dry.size - size + 1, max(1, size // 2))
    power = [float(np.mean(np.square(dry[at : at + size], dtype=np.float64))) for at in starts]
    return [(int(at), int(at) + size) for at, p in zip(starts, power, strict=True)
            if p >= np.median(power)]  # fmt: skip


def arrival(dry: Floats, wet: Floats, rate_hz: int) -> Arrival:
    """Find the delay between two recordings ``[frames]``.

    Parameters
    ----------
    dry, wet
        What was played, and what came back; any sound with some breadth will do, a second or more.
    rate_hz
        Their sample rate.

    Returns
    -------
    Arrival
        The delay, within +- 1 s.

    Notes
    -----
    Two steps. The generalised cross-correlation with phase transform (Knapp and Carter 1976) of
    long frames gives the delay roughly. Then the linear response that explains the wet signal best
    is estimated (Welch), weighted by its coherence. An amplifier and a loudspeaker are close to
    minimum phase, so the phase that belongs to its magnitude is taken away (by the cepstrum,
    Oppenheim and Schafer): what is left is a pure delay, free of that of the filters.
    """
    return _search(dry, wet, rate_hz, True)


def _search(dry: Floats, wet: Floats, rate_hz: int, filtered: bool) -> Arrival:
    """Find the delay; ``filtered`` tells whether ``wet`` may have gone through filters."""
    rough = _rough_delay(dry, wet, rate_hz)
    for _ in range(2):
        fine, polarity, confidence = _fine_delay(*overlap(dry, wet, rough), filtered)
        if abs(fine) < _FRAME / 64:
            break
        rough += round(fine)
    return Arrival(rough + fine, polarity, confidence)


def overlap(dry: Floats, wet: Floats, lag_samples: int) -> tuple[Floats, Floats]:
    """Cut two signals ``[frames]`` to where both are, after taking a whole lag away."""
    dry, wet = dry[max(0, -lag_samples) :], wet[max(0, lag_samples) :]
    frames = min(dry.size, wet.size)
    return dry[:frames], wet[:frames]


def _rough_delay(dry: Floats, wet: Floats, rate_hz: int) -> int:
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
    """Return delay, polarity and confidence of signals that agree within some samples."""
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
    heard = sxx > 1e-12 * sxx.max()
    weight = np.where(heard, coherence, 0.0)
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
    """Return the logarithm of a magnitude; what is not known well is not above its neighbours."""
    level = np.log(np.maximum(response, 1e-12))
    known = np.flatnonzero(weight > _KNOWN * weight.max())
    return np.minimum(level, np.interp(np.arange(level.size), known, level[known]))
