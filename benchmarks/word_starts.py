"""What `Denoise` takes from the starts of words when it turns pauses down, with both shipped nets.

``python -m benchmarks.word_starts --data FOLDER`` plays noisy speech, of which the clean speech is
known, with ``pause_db`` 0 and 8, and compares the energies. Each recording is played again and
again; only its last time counts, as the gate needs some seconds to know the noise.

Clean speech is without rumble below 100 Hz. Its levels are those of 10 ms, relative to the level
that 2 % of a recording exceed.
A *word start* is where the level rises over -25 dB after 150 ms below that, if it keeps that for
50 ms on average and reaches -15 dB within 200 ms: a click or a breath is none. Its *loss* is that
of the output in these 50 ms, residual noise included. Some starts the net itself takes for noise.
A start is *kept* by the net if at least -10 dB of it are in the output without the gate, as the
regression of that on the clean speech tells.
A *pause* is where the level has been below -30 dB for 450 ms, which is longer than the gate holds.
How far the pauses of a recording are turned down is told by their energy, in which breaths weigh
most, and by the mean of the decibels of each 10 ms, which tells for how long the gate is shut.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

import rtaudio as rt
from rtaudio.bench.recordings import EvalClip, recordings
from rtaudio.shipped import shipped_models
from rtaudio.view import terminal

GROUPS = ("held_out", "vbd17", "dfns6", "p287x6")
NETS = ("denoise", "denoise-low-latency")
PAUSE_DB = 8.0
MOST_LOST_DB = 0.2
SETTLED_S = 4.0

RUMBLE_HZ = 100.0
START_DB, LOUD_DB, PAUSE_BELOW_DB, KEPT_DB = -25.0, -15.0, -30.0, -10.0
QUIET, START, RISE, HELD, LEAST_PAUSE = 15, 5, 20, 45, 20
"""Lengths in steps of 10 ms: the quiet before a start, the start, the way to its loud part, what is
no pause yet, and the least of pauses that a recording must have to count."""

Array = NDArray[np.float64]


@dataclass
class Result:
    """What is lost with one net, in dB: by start, and by recording with pauses."""

    starts: list[float] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    pauses_energy: list[float] = field(default_factory=list)
    pauses_time: list[float] = field(default_factory=list)


def word_starts(levels: Array) -> Iterator[int]:
    """Yield the steps at which words start."""
    for at in range(QUIET, levels.size - RISE + 1):
        if (
            levels[at] >= START_DB > levels[at - QUIET : at].max()
            and np.mean(10.0 ** (levels[at : at + START] / 10.0)) >= 10.0 ** (START_DB / 10.0)
            and levels[at : at + RISE].max() >= LOUD_DB
        ):
            yield at


def pauses(levels: Array) -> NDArray[np.bool_]:
    """Return which steps are in a pause."""
    quiet = np.r_[np.zeros(HELD, bool), levels < PAUSE_BELOW_DB]
    return np.asarray(np.lib.stride_tricks.sliding_window_view(quiet, HELD + 1).all(axis=1))


def measure(net: Path, data: Path) -> Result:
    """Play all recordings of these groups."""
    plain, gated = rt.Denoise(net), rt.Denoise(net, pause_db=PAUSE_DB)
    found = Result()
    for clip in recordings(data):
        if clip.group in GROUPS:
            _measure_one(plain, gated, clip, found)
    return found


def _measure_one(plain: rt.Denoise, gated: rt.Denoise, clip: EvalClip, found: Result) -> None:
    noisy, clean, rate_hz = clip.read()
    assert clean is not None
    step = rate_hz // 100
    times = 1 + math.ceil(SETTLED_S * rate_hz / noisy.size)
    played = np.tile(noisy, times).astype(np.float32)
    before, after = (
        _steps(np.asarray(effect(played, rate_hz), np.float64)[-noisy.size :], step)
        for effect in (plain, gated)
    )
    high_pass = butter(4, RUMBLE_HZ, "high", fs=rate_hz, output="sos")
    speech = _steps(sosfiltfilt(high_pass, clean), step)
    levels = 10.0 * np.log10(_energies(speech))
    levels -= np.percentile(levels, 98)
    energy_before, energy_after = _energies(before), _energies(after)
    for at in word_starts(levels):
        part = slice(at, at + START)
        found.starts.append(_lost_db(energy_before[part].sum(), energy_after[part].sum()))
        share = float(np.sum(before[part] * speech[part]) / np.sum(speech[part] ** 2))
        found.kept.append(share >= 10.0 ** (KEPT_DB / 20.0))
    quiet = pauses(levels)
    if np.count_nonzero(quiet) >= LEAST_PAUSE:
        each = energy_before[quiet], energy_after[quiet]
        found.pauses_energy.append(_lost_db(each[0].sum(), each[1].sum()))
        found.pauses_time.append(float(np.mean([*map(_lost_db, *each)])))


def _steps(x: Array, step: int) -> Array:
    return x[: x.size // step * step].reshape(-1, step)


def _energies(steps: Array) -> Array:
    return np.asarray(np.sum(steps**2, axis=1) + 1e-20)


def _lost_db(before: float, after: float) -> float:
    return 10.0 * math.log10(before / after)


HEAD = ("", "word starts", "worst dB", "p99 dB", f"over {MOST_LOST_DB} dB", "pauses dB")


def row(name: str, found: Result) -> list[str]:
    """Return the figures of the starts that the net keeps, and the median of pauses over time."""
    kept = np.array(found.starts)[found.kept]
    return [
        name,
        f"{kept.size} of {len(found.starts)}",
        f"{kept.max():.2f}",
        f"{np.percentile(kept, 99):.2f}",
        f"{100.0 * np.mean(kept > MOST_LOST_DB):.1f} %",
        f"{-np.median(found.pauses_time):.2f}",
    ]


def main() -> None:
    """Read the arguments, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    given = parser.parse_args()
    with terminal.progress() as bars:
        nets = bars.track(NETS, description="nets")
        rows = [row(name, measure(shipped_models()[name], given.data)) for name in nets]
    terminal.print_table("", HEAD, rows)


if __name__ == "__main__":
    main()
