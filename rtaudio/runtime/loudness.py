"""Loudness meter: what the kernel of `rtaudio.runtime.kernels.loudness` counts, as figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtaudio.runtime.decibels import to_db
from rtaudio.runtime.jit import jit
from rtaudio.runtime.kernels.k_weighting import OFFSET_DB, k_weighting
from rtaudio.runtime.kernels.loudness import (
    BINS,
    METER,
    SHORT_TERM_STEPS,
    STEPS_PER_S,
    SUMS,
    WEIGHTS,
    measure,
)
from rtaudio.runtime.kernels.true_peak import CHUNK, DELAY, PHASES, TAPS, true_peak_taps
from rtaudio.runtime.limits import MAX_LIVE_CHANNELS, RefusedError
from rtaudio.runtime.memory import Array, Floats, aligned

INTEGRATED_GATE_LU, RANGE_GATE_LU = -10.0, -20.0
"""The gates relative to the mean of what passes the absolute one."""

RANGE_PERCENTS = (10.0, 95.0)


@dataclass(frozen=True)
class Loudness:
    """Loudness of a sound, by ITU-R BS.1770-5 and EBU R128; of silence, minus infinity.

    Attributes
    ----------
    momentary_lufs, short_term_lufs
        Of the last 0.4 s and the last 3 s.
    momentary_max_lufs, short_term_max_lufs
        Their maxima.
    integrated_lufs
        Of all blocks of 0.4 s above -70 LUFS that are less than 10 LU below the mean of those.
    range_lu
        From the 10th to the 95th percentile of the short-term loudness above its gates (EBU Tech
        3342).
    true_peak_dbtp
        Largest magnitude of the curve through the samples, of any channel.
    peak_dbfs
        Largest magnitude of the samples.
    crest_db
        From the RMS level of all channels to ``peak_dbfs``.
    correlation
        Of the first two channels: 1 the same, -1 the opposite; 1 for mono and silence.
    correlation_now
        The same of the last 3 s.
    """

    momentary_lufs: float = -math.inf
    short_term_lufs: float = -math.inf
    momentary_max_lufs: float = -math.inf
    short_term_max_lufs: float = -math.inf
    integrated_lufs: float = -math.inf
    range_lu: float = 0.0
    true_peak_dbtp: float = -math.inf
    peak_dbfs: float = -math.inf
    crest_db: float = 0.0
    correlation: float = 1.0
    correlation_now: float = 1.0


@jit
def _measure(meter, planar, stride, frames):
    """As `measure`, for Python."""
    measure(meter, planar, stride, frames)


class LoudnessMeter:
    """The memory of one meter; `read` may be called while another thread measures.

    Parameters
    ----------
    rate_hz
        Sample rate.
    channels
        Number of channels, at most 8; see `WEIGHTS`.

    Raises
    ------
    RefusedError
        There are more channels.

    Examples
    --------
    >>> meter = LoudnessMeter(48000, 1)
    >>> sine = np.sin(2 * np.pi * 997 / 48000 * np.arange(48000), dtype=np.float32)
    >>> meter.measure(sine[None])
    >>> round(meter.read().integrated_lufs, 2)
    -3.01
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        if channels > MAX_LIVE_CHANNELS:
            raise RefusedError(
                f"{channels} channels have no loudness; at most {MAX_LIVE_CHANNELS} are measured"
            )
        self._memory = aligned(METER.itemsize, np.uint8).view(METER)
        self.record = self._memory[0]
        self._arrays: dict[str, Array] = {
            "z": aligned(4 * channels, np.float64),
            "ring": aligned(SUMS * SHORT_TERM_STEPS, np.float64),
            "counts": aligned(2 * BINS, np.int64),
            "powers": aligned(2 * BINS, np.float64),
            "line": aligned((TAPS - 1 + CHUNK) * channels),
            "curve": aligned(PHASES * (1 + CHUNK) * channels),
            "levels": aligned(CHUNK),
            "taps": aligned(true_peak_taps().size),
        }
        self._arrays["taps"][:] = true_peak_taps().ravel()
        for name, array in self._arrays.items():
            self.record[name] = array.ctypes.data
        self.record["channels"] = channels
        self.record["step"] = round(rate_hz / STEPS_PER_S)
        self.record["weights"][:channels] = WEIGHTS.get(channels, 1.0)
        self.record["shelf"], self.record["pass_"] = k_weighting(rate_hz)

    @property
    def address(self) -> int:
        """The address of the METER record."""
        return int(self._memory.ctypes.data)

    def reset(self) -> None:
        """Start anew with the next block that is measured."""
        self.record["reset"] = 1

    def measure(self, x: Floats) -> None:
        """Measure the next piece, float32 planar ``[channels, frames]``, finite."""
        x = np.ascontiguousarray(x, np.float32)
        _measure(self.address, x.ctypes.data, x.shape[1], x.shape[1])

    def finish(self) -> None:
        """Let the true peak know that silence follows; it looks ahead by 16 samples."""
        self.measure(np.zeros((int(self.record["channels"]), DELAY), np.float32))

    def windows_lufs(self) -> tuple[float, float]:
        """Return momentary and short-term loudness, at less cost than `read`."""
        return _lufs(float(self.record["momentary"])), _lufs(float(self.record["short_term"]))

    def read(self) -> Loudness:
        """Return what has been measured so far."""
        record = self.record
        if record["reset"]:  # of which the audio thread does not know yet
            return Loudness()
        counts, powers = (
            self._arrays[name].reshape(2, BINS).copy() for name in ("counts", "powers")
        )
        samples, mean = int(record["samples"]), 0.0
        if samples:
            mean = float(record["power"]) / samples
        peak = float(record["peak"])
        mono = int(record["channels"]) == 1
        recent = self._arrays["ring"].reshape(-1, SUMS).sum(axis=0)
        return Loudness(
            momentary_lufs=_lufs(float(record["momentary"])),
            short_term_lufs=_lufs(float(record["short_term"])),
            momentary_max_lufs=_lufs(float(record["momentary_max"])),
            short_term_max_lufs=_lufs(float(record["short_term_max"])),
            integrated_lufs=_lufs(_gated(counts[0], powers[0], INTEGRATED_GATE_LU)),
            range_lu=_range_lu(counts[1], powers[1]),
            true_peak_dbtp=to_db(float(record["true_peak"]), -math.inf),
            peak_dbfs=to_db(peak, -math.inf),
            crest_db=to_db(peak / math.sqrt(mean)) if mean > 0.0 else 0.0,
            correlation=1.0 if mono else _correlation(record["total"] + record["present"]),
            correlation_now=1.0 if mono else _correlation(recent),
        )


def _lufs(power: float) -> float:
    return OFFSET_DB + 10.0 * math.log10(power) if power > 0.0 else -math.inf


def _passing(counts: Array, powers: Array, gate_lu: float) -> Array:
    """Return the bins above the gate that is relative to the mean of all."""
    filled = np.flatnonzero(counts)
    mean = powers.sum() / max(1, counts.sum())
    above = powers[filled] / counts[filled] > mean * 10.0 ** (gate_lu / 10.0)
    return np.asarray(filled[above])


def _gated(counts: Array, powers: Array, gate_lu: float) -> float:
    """Return the mean power of the entries above the relative gate."""
    bins = _passing(counts, powers, gate_lu)
    return float(powers[bins].sum() / max(1, counts[bins].sum()))


def _range_lu(counts: Array, powers: Array) -> float:
    """Return the distance of two percentiles of the entries above the gate (EBU Tech 3342)."""
    bins = _passing(counts, powers, RANGE_GATE_LU)
    if not bins.size:
        return 0.0
    ends = np.cumsum(counts[bins])
    low, high = (
        bins[np.searchsorted(ends, round((ends[-1] - 1) * percent / 100.0), side="right")]
        for percent in RANGE_PERCENTS
    )
    return _lufs(powers[high] / counts[high]) - _lufs(powers[low] / counts[low])


def _correlation(sums: Any) -> float:
    """Return the correlation from sums of left², right² and left * right."""
    scale = math.sqrt(float(sums[1]) * float(sums[2]))
    return float(sums[3]) / scale if scale > 0.0 else 1.0
