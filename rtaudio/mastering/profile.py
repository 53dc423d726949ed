"""Profile: the figures of a song that mastering needs, collected piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rtaudio.analysis.loudness_curve import LoudnessCurve
from rtaudio.analysis.third_octaves import CENTRES_HZ, SILENT_DB, ThirdOctaves
from rtaudio.runtime.loudness import Loudness
from rtaudio.runtime.memory import Array, Floats

FULL_SCALE = 0.9999
CLIPPED_RUN = 3
"""So many equal samples in a row at full scale are a peak that was cut off."""


@dataclass(frozen=True, eq=False)
class Profile:
    """What a song is.

    Attributes
    ----------
    rate_hz, channels, frames
        Sample rate, channels and length.
    loudness
        Of the whole.
    levels_db, side_db
        Mean power in thirds of octaves, of the channels and of half their difference, float64
        ``[31]``; the latter of mono is silence.
    clipped
        Number of samples of peaks that were cut off at full scale.
    offset
        Largest mean of a channel.
    seconds, momentary_lufs, short_term_lufs
        Loudness over time, float64 ``[points]``.
    """

    rate_hz: int
    channels: int
    frames: int
    loudness: Loudness
    levels_db: Array
    side_db: Array
    clipped: int
    offset: float
    seconds: Array
    momentary_lufs: Array
    short_term_lufs: Array

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate_hz

    @property
    def peak_to_loudness_db(self) -> float:
        """How far the true peak is above the integrated loudness."""
        return self.loudness.true_peak_dbtp - self.loudness.integrated_lufs

    def with_levels(self, levels_db: Array) -> Profile:
        """Return the profile with another spectrum."""
        return replace(self, levels_db=levels_db)

    def level_db(self, low_hz: float, high_hz: float) -> float:
        """Return the mean power from one frequency to another.

        Parameters
        ----------
        low_hz, high_hz
            The thirds of octaves with their centres from the one to below the other count.
        """
        return _sum_db(self.levels_db, low_hz, high_hz)

    def width_db(self, low_hz: float, high_hz: float) -> float | None:
        """Return the power of the side relative to that of the mid; None without a side.

        Parameters
        ----------
        low_hz, high_hz
            As for `level_db`.
        """
        side_db = _sum_db(self.side_db, low_hz, high_hz)
        side, both = (10.0 ** (level / 10.0) for level in (side_db, self.level_db(low_hz, high_hz)))
        if side <= 1e-6 * both:
            return None
        return float(10.0 * np.log10(side / max(both - side, 1e-6 * both)))


def _sum_db(levels_db: Array, low_hz: float, high_hz: float) -> float:
    inside = (low_hz <= CENTRES_HZ) & (high_hz > CENTRES_HZ)
    return float(10.0 * np.log10(np.sum(10.0 ** (levels_db[inside] / 10.0))))


class ProfileMeter:
    """Collects the profile of a sound of any length.

    Parameters
    ----------
    rate_hz
        Sample rate.
    channels
        1 or 2.

    Examples
    --------
    >>> meter = ProfileMeter(48000, 2)
    >>> meter.add(np.clip(1.5 * np.sin(0.01 * np.arange(96000)), -1, 1) * np.ones((2, 1)))
    >>> profile = meter.finish()
    >>> profile.duration_s, profile.clipped > 0, profile.width_db(100, 2000)
    (2.0, True, None)
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz, self._channels, self._frames = rate_hz, channels, 0
        self._curve = LoudnessCurve(rate_hz, channels)
        self._levels, self._side = ThirdOctaves(rate_hz), ThirdOctaves(rate_hz)
        self._sums = np.zeros(channels)
        self._last = np.zeros((channels, CLIPPED_RUN), np.float32)
        self._clipped = 0

    def add(self, x: Floats) -> None:
        """Add the next piece, planar ``[channels, frames]``, finite."""
        x = np.asarray(x, np.float32)
        self._frames += x.shape[1]
        self._curve.add(x)
        self._levels.add(x)
        if self._channels == 2:
            self._side.add(0.5 * (x[:1] - x[1:]))
        self._sums += x.sum(axis=1, dtype=np.float64)
        self._count_clipped(x)

    def _count_clipped(self, x: Floats) -> None:
        """Count the samples of runs; the last ones of the piece before show what goes on."""
        line = np.concatenate([self._last, x], axis=1)
        self._last = line[:, -CLIPPED_RUN:]
        same = (np.abs(line[:, 1:]) >= FULL_SCALE) & (line[:, 1:] == line[:, :-1])
        runs = same[:, 1:] & same[:, :-1]  # ends of three equal samples
        new, begun = runs[:, 1:], runs[:, 1:] & ~runs[:, :-1]
        self._clipped += int(np.count_nonzero(new)) + 2 * int(np.count_nonzero(begun))

    def finish(self) -> Profile:
        """End the sound, and return its profile."""
        loudness = self._curve.finish()
        stereo = self._channels == 2
        return Profile(
            self._rate_hz, self._channels, self._frames, loudness, self._levels.levels_db(),
            self._side.levels_db() if stereo else np.full(len(CENTRES_HZ), SILENT_DB),
            self._clipped, float(np.abs(self._sums).max()) / max(1, self._frames),
            *self._curve.points(),
        )  # fmt: skip
