"""The checks of a recording of gear: what is wrong with it, in plain words, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from rtaudio.analysis.loudness import level_db
from rtaudio.capture.align import UNSURE, Alignment, find_jump
from rtaudio.capture.hum import find_hum, without_hum
from rtaudio.capture.signal import CaptureSignal
from rtaudio.runtime.decibels import from_db, to_db
from rtaudio.runtime.memory import Floats
from rtaudio.view.words import counted

Severity = Literal["fine", "warning", "refused"]

SHORTEST_S, ENOUGH_S = 5.0, 60.0
"""Recordings shorter than the first are refused; shorter than the second get a warning."""

LATENCY_S = 0.5
"""Longest latency that gear and interface may have."""

SILENT_DB = -80.0
"""RMS level in dBFS of a signal that counts as silent."""

QUIET_DB = -30.0
"""Peak in dBFS below which a signal is too quiet for its converter."""

SNR_DB, GOOD_SNR_DB = 20.0, 40.0
"""Signal-to-noise ratios below the first are refused; below the second get a warning."""

HUM_DB = 45.0
"""Hum that is this far below the signal is harmless."""

DC = 0.01
"""Largest harmless offset, relative to the peak."""

SAME_ESR = 0.01
"""Largest difference (error-to-signal ratio) of the two takes of the test signal."""

DRY_ESR, LINEAR_ESR = 1e-6, 1e-3
"""Below the first the wet signal is a copy of the dry one; below the second, nearly."""

SHIFT_SAMPLES, DRIFT_SAMPLES = 0.5, 2.0
"""Changes of latency: above the first a warning, above the second a refusal."""

CROSSTALK_DB, CROSSTALK_ESR = -40.0, 0.05
"""A copy of the dry signal with a lower peak comes from another channel; its largest ESR."""

_FULL_SCALE = 0.985
_FLAT_TOP = 4
_MANY_FLAT_TOPS = 10
_SETTLED_S = 0.25
_QUIET_S = 0.5
_PAUSE_DB = -70.0


class Finding(NamedTuple):
    """The result of one check.

    Attributes
    ----------
    check
        Name of the check.
    severity
        ``"fine"``, ``"warning"`` (usable, but can be improved) or ``"refused"``.
    text
        The finding with its figures, and what to do.
    value
        The figure; None if there is none.
    """

    check: str
    severity: Severity
    text: str
    value: float | None = None


class AlignedTake(NamedTuple):
    """A recording to check.

    Attributes
    ----------
    dry, wet
        float32 ``[frames]``: the played signal, and the recording as it came from the gear.
    aligned
        ``wet`` without its latency, so that it lies on ``dry``.
    rate_hz
        Sample rate of all.
    alignment
        How ``wet`` lies relative to ``dry``.
    signal
        The test signal if ``dry`` is one, else None.
    """

    dry: Floats
    wet: Floats
    aligned: Floats
    rate_hz: int
    alignment: Alignment
    signal: CaptureSignal | None


def check(take: AlignedTake, given_latency: bool = False) -> list[Finding]:
    """Make every check that is possible.

    Parameters
    ----------
    take
        The recording.
    given_latency
        The user has given the latency, so it is not judged.

    Returns
    -------
    list of Finding
        Fine ones included; if one of the signals is silent, only that.
    """
    silent = _check_silence(take)
    if silent is not None:
        return [silent]
    findings = [_check_length(take)]
    confidence = _check_confidence(take)
    if not given_latency:
        findings.append(confidence)
    if confidence.severity == "fine":
        if not given_latency:
            findings.append(_check_latency(take))
        drift = _check_drift(take)
        findings += [_check_polarity(take), drift]
        # With drift the two takes would differ even if the gear stayed the same.
        if drift.severity != "refused":
            findings += _check_change(take)
    return [
        *findings,
        _check_clipping(take),
        _check_level(take),
        _check_offset(take),
        _check_gear(take),
        *_check_noise(take),
    ]


def _peak_db(x: Any) -> float:
    return to_db(float(np.abs(x).max()), -200.0)


def _check_silence(take: AlignedTake) -> Finding | None:
    for name, sound, remedy in (
        ("dry", take.dry, "choose another file"),
        ("wet", take.wet, "check cables, channels and levels"),
    ):
        level = level_db(sound - np.mean(sound))
        if level < SILENT_DB:
            text = f"the {name} signal is silent ({level:.0f} dBFS); {remedy}"
            return Finding("silence", "refused", text, level)
    return None


def _check_length(take: AlignedTake) -> Finding:
    seconds = take.dry.size / take.rate_hz
    if seconds < SHORTEST_S:
        text = f"only {seconds:.1f} s; record at least {SHORTEST_S:.0f} s, better some minutes"
        return Finding("length", "refused", text, seconds)
    if seconds < ENOUGH_S:
        text = f"{seconds:.0f} s is little to learn from; some minutes are better"
        return Finding("length", "warning", text, seconds)
    return Finding("length", "fine", f"{seconds:.0f} s", seconds)


def _check_confidence(take: AlignedTake) -> Finding:
    """Check whether the wet signal comes from the dry one at all."""
    confidence = take.alignment.arrival.confidence
    if confidence < UNSURE:
        text = (
            f"the wet signal does not follow the dry one (confidence {confidence:.2f}); is it the "
            "right file or --in-channel, and was the gear in the loop? To give a known latency: "
            "--latency SAMPLES"
        )
        return Finding("confidence", "refused", text, confidence)
    text = f"the wet signal follows the dry one ({confidence:.2f})"
    return Finding("confidence", "fine", text, confidence)


def _check_latency(take: AlignedTake) -> Finding:
    samples = take.alignment.arrival.latency_samples
    ms = 1000.0 * samples / take.rate_hz
    if samples < 0:
        text = (
            f"the wet signal comes {counted(-samples, 'sample')} ({-ms:.1f} ms) early, as when a "
            "DAW compensates too much; it has been moved"
        )
        return Finding("latency", "warning", text, samples)
    if ms > 1000.0 * LATENCY_S:
        text = (
            f"the wet signal comes {ms:.0f} ms late, which no gear does; cut both files at the "
            "same place"
        )
        return Finding("latency", "refused", text, samples)
    if samples == 0:
        return Finding("latency", "fine", "the wet signal is in time with the dry one", samples)
    text = f"the wet signal comes {counted(samples, 'sample')} ({ms:.1f} ms) late; removed"
    return Finding("latency", "fine", text, samples)


def _check_polarity(take: AlignedTake) -> Finding:
    sign = take.alignment.arrival.polarity
    text = "not inverted" if sign > 0 else "the gear inverts the signal; this is kept"
    return Finding("polarity", "fine", text, sign)


def _check_drift(take: AlignedTake) -> Finding:
    shift, ppm = take.alignment.shift_samples, take.alignment.drift_ppm
    # Without the test signal the shift is measured less exactly.
    exact = SHIFT_SAMPLES if take.signal is not None else 2.0 * DRIFT_SAMPLES
    if abs(shift) <= exact:
        return Finding("drift", "fine", "the latency is the same at start and end", ppm)
    jump_s = find_jump(take.dry, take.wet, take.rate_hz) if abs(shift) > DRIFT_SAMPLES else None
    if jump_s is not None:
        text = (
            f"the latency jumps by {shift:.0f} samples about {jump_s:.0f} s after the start: "
            "samples were lost there; play again with a larger --block and fewer programs running"
        )
        return Finding("drift", "refused", text, ppm)
    text = (
        f"the latency creeps by {shift:.1f} samples from start to end ({ppm:.1f} ppm): "
        "dry and wet were on two clocks; use one interface for both"
    )
    severity: Severity = "refused" if abs(shift) > DRIFT_SAMPLES else "warning"
    return Finding("drift", severity, text, ppm)


def _check_change(take: AlignedTake) -> Iterator[Finding]:
    """Compare the two takes of the test signal: has the gear changed in between?"""
    shift = round(take.alignment.shift_samples)
    if take.signal is None:
        return
    (start, stop), (again, _) = (take.signal.sections[name] for name in ("take", "take again"))
    first = take.aligned[start:stop].astype(np.float64)
    second = take.aligned[again + shift :][: first.size].astype(np.float64)
    first = first[: second.size]
    rest = find_quiet(take).astype(np.float64)
    rest -= np.mean(rest)
    lines = find_hum(rest, take.rate_hz)[2]
    noise = float(np.mean(without_hum(rest, lines, take.rate_hz) ** 2)) * first.size
    power = max(float(first @ first), 1e-20)
    # hum has another phase in the second take, and is told by a check of its own
    difference = float(np.sum(without_hum(first - second, lines, take.rate_hz) ** 2))
    esr = max(0.0, difference - 2.0 * noise) / power
    if esr <= SAME_ESR:
        text = f"the gear sounds the same at start and end (ESR {esr:.4f})"
        yield Finding("replicate", "fine", text, esr)
        return
    gain_db = 10.0 * math.log10(max(float(second @ second), 1e-20) / power)
    text = (
        f"the gear has changed between start and end (ESR {esr:.3f}, {gain_db:+.1f} dB): switch "
        "off chorus, delay and reverb, let it warm up, touch no knob, and play again"
    )
    yield Finding("replicate", "refused", text, esr)


def _check_clipping(take: AlignedTake) -> Finding:
    peak = float(np.abs(take.wet).max())
    tops = sum(
        int(np.count_nonzero(_run_lengths(sign * take.wet >= peak * (1.0 - 1e-6)) >= _FLAT_TOP))
        for sign in (1, -1)
    )
    where = f"{_peak_db(take.wet):.1f} dBFS"
    if tops and peak >= _FULL_SCALE:
        text = (
            f"the wet signal clips {counted(tops, 'time')} at {where}; turn the input of the "
            "interface down by 6 dB and play again"
        )
        return Finding("clipping", "refused", text, tops)
    if tops >= _MANY_FLAT_TOPS:
        text = (
            f"{tops} peaks of the wet signal are cut off flat at {where}: the gear does that, or "
            "something after it is overloaded"
        )
        return Finding("clipping", "warning", text, tops)
    return Finding("clipping", "fine", f"no clipping, peak {where}", tops)


def _run_lengths(same: Any) -> Any:
    """Return the length of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    return edges[1::2] - edges[::2]


def _check_level(take: AlignedTake) -> Finding:
    peak_db = _peak_db(take.wet)
    if peak_db < QUIET_DB:
        text = (
            f"the wet signal peaks at only {peak_db:.0f} dBFS; turn the input of the interface up"
        )
        return Finding("level", "warning", text, peak_db)
    return Finding("level", "fine", f"the wet signal peaks at {peak_db:.1f} dBFS", peak_db)


def _check_offset(take: AlignedTake) -> Finding:
    mean = float(np.mean(take.wet, dtype=np.float64))
    share = abs(mean) / max(1e-9, float(np.abs(take.wet).max()))
    if share > DC:
        text = (
            f"the wet signal has an offset of {100 * share:.1f} % of its peak; a model learns it, "
            "too, unless a high-pass filter removes it"
        )
        return Finding("offset", "warning", text, mean)
    return Finding("offset", "fine", "no offset", mean)


def _check_gear(take: AlignedTake) -> Finding:
    """Check whether the wet signal is more than a copy of the dry one at another level."""
    frames = min(take.dry.size, take.aligned.size)
    x, y = (s[:frames].astype(np.float64) for s in (take.dry, take.aligned))
    gain = float(x @ y) / max(float(x @ x), 1e-20)
    esr = float(np.sum((y - gain * x) ** 2)) / max(float(y @ y), 1e-20)
    peak_db = _peak_db(take.wet)
    if peak_db < CROSSTALK_DB and esr < CROSSTALK_ESR:
        text = (
            f"only the dry signal comes back, at {peak_db:.0f} dBFS: crosstalk between channels; "
            "is the cable in another jack? name the channels: --in-channel, --out-channel"
        )
        return Finding("gear", "refused", text, esr)
    if esr < DRY_ESR:
        text = "the wet signal is the dry one, only louder or softer; is the gear in the loop?"
        return Finding("gear", "refused", text, esr)
    if esr < LINEAR_ESR:
        text = f"the wet signal is nearly the dry one (ESR {esr:.1e}); is the gear switched on?"
        return Finding("gear", "warning", text, esr)
    return Finding("gear", "fine", "the gear changes the signal", esr)


def _check_noise(take: AlignedTake) -> Iterator[Finding]:
    """Check noise and hum, if there is a pause to measure them in."""
    rest = find_quiet(take)
    if rest.size < _QUIET_S * take.rate_hz:
        return
    rest = rest - np.mean(rest)
    mains_hz, hum_db, lines = find_hum(rest, take.rate_hz)
    signal_db = level_db(take.aligned)
    power = 10.0 ** (level_db(rest) / 10.0) - (10.0 ** (hum_db / 10.0) if lines else 0.0)
    noise_db = 10.0 * math.log10(max(power, 1e-20))
    yield _judge_noise(noise_db, signal_db - noise_db)
    if lines:
        yield _judge_hum(mains_hz, hum_db, signal_db - hum_db)
    else:
        yield Finding("hum", "fine", "no hum", None)


def _judge_noise(noise_db: float, snr_db: float) -> Finding:
    text = f"the noise is at {noise_db:.0f} dBFS, {snr_db:.0f} dB below the signal"
    if snr_db < SNR_DB:
        text += "; turn the gear's noise down, or its input up, and play again"
        return Finding("noise", "refused", text, noise_db)
    if snr_db < GOOD_SNR_DB:
        text += "; a model does not learn the noise, but becomes less exact"
        return Finding("noise", "warning", text, noise_db)
    return Finding("noise", "fine", text, noise_db)


def _judge_hum(mains_hz: float, hum_db: float, below_db: float) -> Finding:
    text = f"hum of {mains_hz:.0f} Hz and harmonics at {hum_db:.0f} dBFS"
    if below_db >= HUM_DB:
        return Finding("hum", "fine", f"{text}: harmless", hum_db)
    text += f", {below_db:.0f} dB below the signal; look for a ground loop, a lamp or a charger"
    if below_db < SNR_DB:
        return Finding("hum", "refused", f"{text}, and play again", hum_db)
    return Finding("hum", "warning", text, hum_db)


def find_quiet(take: AlignedTake) -> Floats:
    """Return the longest part of the aligned wet signal in which nothing is played.

    Returns
    -------
    numpy.ndarray
        float32 ``[frames]``, after the gear has settled; empty if the dry signal has no pause.
    """
    rate_hz = take.rate_hz
    settled = round(_SETTLED_S * rate_hz)
    if take.signal is not None:
        start, stop = take.signal.sections["silence"]
        return take.aligned[start + settled : stop - settled]
    size = max(1, rate_hz // 50)
    frames = min(take.dry.size, take.aligned.size) // size
    peaks = np.abs(take.dry[: frames * size]).reshape(frames, size).max(axis=1)
    silent = np.concatenate([[False], peaks < from_db(_PAUSE_DB), [False]])
    edges = np.flatnonzero(np.diff(silent.astype(np.int8)))
    if not edges.size:
        return take.aligned[:0]
    longest = int(np.argmax(edges[1::2] - edges[::2]))
    start, stop = int(edges[2 * longest]) * size, int(edges[2 * longest + 1]) * size
    return take.aligned[start + (settled if start else 0) : stop]
