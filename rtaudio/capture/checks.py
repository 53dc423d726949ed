"""The checks of a recording of gear: what is wrong with it, in plain words, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from rtaudio.analysis.loudness import level_db
from rtaudio.capture.align import UNSURE, Alignment
from rtaudio.capture.signal import CaptureSignal
from rtaudio.runtime.memory import Floats

Severity = Literal["fine", "mind", "refused"]

SHORTEST_S, ENOUGH_S = 5.0, 60.0
LATENCY_S = 0.5
SILENT_DB = -80.0
QUIET_DB = -30.0
SNR_DB, GOOD_SNR_DB = 20.0, 40.0
HUM_DB = 45.0
DC = 0.01
SAME_ESR = 0.01
DRY_ESR, LINEAR_ESR = 1e-6, 1e-3
SHIFT_SAMPLES = 0.5
DRIFT_SAMPLES = 2.0

_FULL_SCALE = 0.985
_FLAT_TOP = 4
_SETTLED_S = 0.25
_QUIET_S = 0.5


class Finding(NamedTuple):
    """What one check found.

    Attributes
    ----------
    check
        Its name.
    severity
        ``"fine"``; ``"mind"``: usable, but better could be had; or ``"refused"``.
    text
        What was found, with figures, and what to do.
    value
        The figure, None if there is none.
    """

    check: str
    severity: Severity
    text: str
    value: float | None = None


class Take(NamedTuple):
    """A recording to check: ``wet`` is as it was recorded, ``aligned`` lies on ``dry``."""

    dry: Floats
    wet: Floats
    aligned: Floats
    rate_hz: int
    alignment: Alignment
    signal: CaptureSignal | None


def _peak_db(x: Any) -> float:
    return 20.0 * math.log10(max(float(np.abs(x).max()), 1e-10))


def check(take: Take, given_latency: bool = False) -> list[Finding]:
    """Return a finding for every check that could be made.

    Parameters
    ----------
    take
        The recording.
    given_latency
        The latency was given by hand: it is not judged.
    """
    silent = _silent(take)
    if silent is not None:
        return [silent]
    findings = [_length(take)]
    found = _found(take)
    if not given_latency:
        findings.append(found)
    if found.severity == "fine":
        findings += [] if given_latency else [_latency(take)]
        findings += [_polarity(take), _drift(take)]
        # a gear that arrives later and later sounds different, too
        findings += [] if findings[-1].severity == "refused" else _replicate(take)
    return [*findings, _clipping(take), _level(take), _offset(take), _dry(take), *_noise(take)]


def _silent(take: Take) -> Finding | None:
    for name, sound, remedy in (
        ("dry", take.dry, "choose another file"),
        ("wet", take.wet, "check cables, channels and levels"),
    ):
        level = level_db(sound - np.mean(sound))
        if level < SILENT_DB:
            text = f"the {name} signal is silent ({level:.0f} dBFS); {remedy}"
            return Finding("silence", "refused", text, level)
    return None


def _length(take: Take) -> Finding:
    seconds = take.dry.size / take.rate_hz
    if seconds < SHORTEST_S:
        text = f"only {seconds:.1f} s; give {SHORTEST_S:.0f} s at the least, better some minutes"
        return Finding("length", "refused", text, seconds)
    if seconds < ENOUGH_S:
        text = f"{seconds:.0f} s is little to learn from; some minutes are better"
        return Finding("length", "mind", text, seconds)
    return Finding("length", "fine", f"{seconds:.0f} s", seconds)


def _found(take: Take) -> Finding:
    sure = take.alignment.arrival.confidence
    if sure < UNSURE:
        text = (
            f"the wet signal does not follow the dry one (confidence {sure:.2f}); is it the right "
            "file, and was the gear in the loop? A known latency can be given: --latency SAMPLES"
        )
        return Finding("confidence", "refused", text, sure)
    return Finding("confidence", "fine", f"the wet signal follows the dry one ({sure:.2f})", sure)


def _latency(take: Take) -> Finding:
    samples = take.alignment.arrival.latency_samples
    ms = 1000.0 * samples / take.rate_hz
    text = f"the wet signal comes {samples} samples ({ms:.1f} ms) late; taken away"
    if samples < 0:
        text = (
            f"the wet signal comes {-samples} samples ({-ms:.1f} ms) early, as when a DAW "
            "compensates too much; it has been moved"
        )
        return Finding("latency", "mind", text, samples)
    if ms > 1000.0 * LATENCY_S:
        text = f"the wet signal comes {ms:.0f} ms late, which no gear does; cut both files alike"
        return Finding("latency", "refused", text, samples)
    return Finding("latency", "fine", text, samples)


def _polarity(take: Take) -> Finding:
    sign = take.alignment.arrival.polarity
    text = "not inverted" if sign > 0 else "the gear inverts the signal; kept as it is"
    return Finding("polarity", "fine", text, sign)


def _drift(take: Take) -> Finding:
    shift, ppm = take.alignment.shift_samples, take.alignment.drift_ppm
    exact = SHIFT_SAMPLES if take.signal is not None else 2.0 * DRIFT_SAMPLES
    if abs(shift) <= exact:
        return Finding("drift", "fine", "the latency is the same at start and end", ppm)
    text = (
        f"from start to end the latency changes by {shift:.1f} samples ({ppm:.1f} ppm): "
        "dry and wet were on two clocks, or samples were lost; use one interface for both"
    )
    severity: Severity = "refused" if abs(shift) > DRIFT_SAMPLES else "mind"
    return Finding("drift", severity, text, ppm)


def _runs(same: Any) -> Any:
    """Return the length of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return edges[1::2] - edges[::2]


def _clipping(take: Take) -> Finding:
    peak = float(np.abs(take.wet).max())
    tops = sum(
        int(np.count_nonzero(_runs(sign * take.wet >= peak * (1.0 - 1e-6)) >= _FLAT_TOP))
        for sign in (1, -1)
    )
    where = f"{_peak_db(take.wet):.1f} dBFS"
    if tops and peak >= _FULL_SCALE:
        text = (
            f"the wet signal is clipped {tops} times at {where}; turn the input of the interface "
            "down by 6 dB and play again"
        )
        return Finding("clipping", "refused", text, tops)
    if tops >= 10:
        text = (
            f"{tops} peaks of the wet signal are cut off flat at {where}: the gear does that, or "
            "something behind it is overloaded"
        )
        return Finding("clipping", "mind", text, tops)
    return Finding("clipping", "fine", f"not clipped, peak {where}", tops)


def _level(take: Take) -> Finding:
    peak_db = _peak_db(take.wet)
    if peak_db < QUIET_DB:
        text = (
            f"the wet signal peaks at {peak_db:.0f} dBFS only; turn the input of the interface up"
        )
        return Finding("level", "mind", text, peak_db)
    return Finding("level", "fine", f"the wet signal peaks at {peak_db:.1f} dBFS", peak_db)


def _offset(take: Take) -> Finding:
    mean = float(np.mean(take.wet, dtype=np.float64))
    share = abs(mean) / max(1e-9, float(np.abs(take.wet).max()))
    if share > DC:
        text = (
            f"the wet signal has an offset of {100 * share:.1f} % of its peak; it will be learnt "
            "unless a high-pass removes it"
        )
        return Finding("offset", "mind", text, mean)
    return Finding("offset", "fine", "no offset", mean)


def _dry(take: Take) -> Finding:
    frames = min(take.dry.size, take.aligned.size)
    x, y = (s[:frames].astype(np.float64) for s in (take.dry, take.aligned))
    gain = float(x @ y) / max(float(x @ x), 1e-20)
    esr = float(np.sum((y - gain * x) ** 2)) / max(float(y @ y), 1e-20)
    if esr < DRY_ESR:
        text = "the wet signal is the dry one, only louder or softer; is the gear in the loop?"
        return Finding("gear", "refused", text, esr)
    if esr < LINEAR_ESR:
        text = f"the wet signal is nearly the dry one (ESR {esr:.1e}); is the gear switched on?"
        return Finding("gear", "mind", text, esr)
    return Finding("gear", "fine", "the gear changes the signal", esr)


def quiet(take: Take) -> Floats:
    """Return the longest stretch of the aligned wet signal in which nothing is played."""
    rate_hz = take.rate_hz
    settled = round(_SETTLED_S * rate_hz)
    if take.signal is not None:
        start, stop = take.signal.sections["silence"]
        return take.aligned[start + settled : stop - settled]
    size = max(1, rate_hz // 50)
    frames = min(take.dry.size, take.aligned.size) // size
    peaks = np.abs(take.dry[: frames * size]).reshape(frames, size).max(axis=1)
    silent = np.concatenate([[False], peaks < 10.0 ** (-70.0 / 20.0), [False]])
    edges = np.flatnonzero(np.diff(silent.astype(np.int8)))
    if not edges.size:
        return take.aligned[:0]
    longest = int(np.argmax(edges[1::2] - edges[::2]))
    start, stop = int(edges[2 * longest]) * size, int(edges[2 * longest + 1]) * size
    return take.aligned[start + (settled if start else 0) : stop]


def _noise(take: Take) -> Iterator[Finding]:
    rest = quiet(take)
    if rest.size < _QUIET_S * take.rate_hz:
        return
    rest = rest - np.mean(rest)
    mains_hz, hum_db, lines = hum(rest, take.rate_hz)
    loud_db = level_db(take.aligned)
    power = 10.0 ** (level_db(rest) / 10.0) - (10.0 ** (hum_db / 10.0) if lines else 0.0)
    noise_db = 10.0 * math.log10(max(power, 1e-20))
    snr_db = loud_db - noise_db
    figures = f"the noise is at {noise_db:.0f} dBFS, {snr_db:.0f} dB below the sound"
    if snr_db < SNR_DB:
        text = f"{figures}; turn the gear's noise down, or its input up, and play again"
        yield Finding("noise", "refused", text, noise_db)
    elif snr_db < GOOD_SNR_DB:
        yield Finding("noise", "mind", f"{figures}; it will not be learnt, but blurs", noise_db)
    else:
        yield Finding("noise", "fine", figures, noise_db)
    if not lines:
        yield Finding("hum", "fine", "no hum", None)
        return
    text = f"hum of {mains_hz:.0f} Hz and harmonics at {hum_db:.0f} dBFS"
    if loud_db - hum_db < HUM_DB:
        text += f", {loud_db - hum_db:.0f} dB below the sound; look for a ground loop or a lamp"
        yield Finding("hum", "mind", text, hum_db)
    else:
        yield Finding("hum", "fine", f"{text}: harmless", hum_db)


def hum(rest: Any, rate_hz: int) -> tuple[float, float, list[float]]:
    """Find mains hum in a stretch of noise.

    Returns
    -------
    tuple
        The mains frequency in Hz (50 or 60), the level of all lines together in dBFS, and the
        frequencies of the lines that stand out by 10 dB or more; none if fewer than two do.
    """
    window = np.hanning(rest.size)
    power = np.abs(np.fft.rfft(rest * window)) ** 2 * 2.0 / (rest.size * np.sum(window**2))
    found: tuple[float, float, list[float]] = (50.0, 0.0, [])
    for mains_hz in (50.0, 60.0):
        lines: list[float] = []
        total = 0.0
        for harmonic in range(1, 13):
            hertz = harmonic * mains_hz
            at = round(hertz * rest.size / rate_hz)
            if at < 12 or at + 20 > power.size:
                continue
            line = float(power[at - 2 : at + 3].sum())
            beside = np.concatenate([power[at - 10 : at - 4], power[at + 5 : at + 11]])
            around = 5.0 * float(np.mean(beside))
            if line > 10.0 * around:
                lines.append(hertz)
                total += line - around
        if len(lines) >= 2 and total > found[1]:
            found = mains_hz, total, lines
    return found[0], 10.0 * math.log10(max(found[1], 1e-20)), found[2]


def _replicate(take: Take) -> Iterator[Finding]:
    shift = round(take.alignment.shift_samples)
    if take.signal is None:
        return
    (start, stop), (again, _) = (take.signal.sections[name] for name in ("take", "take again"))
    first = take.aligned[start:stop].astype(np.float64)
    second = take.aligned[again + shift :][: first.size].astype(np.float64)
    first = first[: second.size]
    noise = float(np.mean(np.square(quiet(take), dtype=np.float64))) * first.size
    power = max(float(first @ first), 1e-20)
    difference = float(np.sum((first - second) ** 2))
    esr = max(0.0, difference - 2.0 * noise) / power
    if esr <= SAME_ESR:
        text = f"the gear sounds the same at start and end (ESR {esr:.4f})"
        yield Finding("replicate", "fine", text, esr)
        return
    gain_db = 10.0 * math.log10(max(float(second @ second), 1e-20) / power)
    text = (
        f"the gear has changed between start and end (ESR {esr:.3f}, {gain_db:+.1f} dB): switch "
        "off what moves or warms up (chorus, delay, reverb), touch no knob, and play again"
    )
    yield Finding("replicate", "refused", text, esr)
