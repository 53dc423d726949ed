"""Meters: the levels of input and output, for any number of readers."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from rtaudio.runtime.decibels import to_db
from rtaudio.runtime.engine import Engine

WINDOW_S = 0.1
"""Levels are those of this time at least: whoever reads as often sees every peak."""

Channels = tuple[float, ...]


@dataclass(frozen=True)
class Levels:
    """Levels per channel, of the last 0.1 to 0.2 seconds.

    Attributes
    ----------
    in_peak_db, out_peak_db
        Largest magnitude, in dBFS; -120 for silence.
    in_rms_db, out_rms_db
        Root of the mean square, in dBFS.
    """

    in_peak_db: Channels
    out_peak_db: Channels
    in_rms_db: Channels
    out_rms_db: Channels


@dataclass(frozen=True)
class _Window:
    """A stretch of time: its largest magnitudes, squares and frames of both sides."""

    peaks: Channels
    powers: Channels
    frames: int


class Meters:
    """The meters of an engine. A reader takes nothing away from another one.

    Parameters
    ----------
    engine
        Its peaks belong to this object: nobody else may reset them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        silent = (0.0,) * (engine.in_channels + engine.out_channels)
        self._taken = self._now = self._before = self._silence = _Window(silent, silent, 0)
        self._powers, self._frames, self._since_s = silent, 0, time.monotonic()

    def _listen(self) -> None:
        """Add what the engine has counted since the last time."""
        seen = self._engine.snapshot()
        self._engine.reset_peaks()
        peaks, powers = seen.in_peak + seen.out_peak, seen.in_power + seen.out_power
        new = _Window(
            peaks,
            tuple(now - then for now, then in zip(powers, self._powers, strict=True)),
            seen.frames - self._frames,
        )
        self._powers, self._frames = powers, seen.frames
        self._taken, self._now = _joined(self._taken, new), _joined(self._now, new)

    def read(self) -> Levels:
        """Return the present levels."""
        with self._lock:
            self._listen()
            both = _joined(self._before, self._now)
            now_s = time.monotonic()
            if now_s - self._since_s >= WINDOW_S:
                self._before, self._now, self._since_s = self._now, self._silence, now_s
        ins = self._engine.in_channels
        peaks = tuple(to_db(peak) for peak in both.peaks)
        rms = tuple(to_db(math.sqrt(max(0.0, p) / max(1, both.frames))) for p in both.powers)
        return Levels(peaks[:ins], peaks[ins:], rms[:ins], rms[ins:])

    def peaks(self) -> tuple[Channels, Channels]:
        """Return the largest magnitudes of input and output since the last call of this."""
        with self._lock:
            self._listen()
            taken, self._taken = self._taken, self._silence
        ins = self._engine.in_channels
        return taken.peaks[:ins], taken.peaks[ins:]


def _joined(a: _Window, b: _Window) -> _Window:
    return _Window(
        tuple(map(max, a.peaks, b.peaks)),
        tuple(x + y for x, y in zip(a.powers, b.powers, strict=True)),
        a.frames + b.frames,
    )
