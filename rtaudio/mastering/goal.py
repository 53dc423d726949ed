"""Goal: the spectrum and the width that a master is to have, from a style or from references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtaudio.errors import AudioFileError
from rtaudio.mastering.features import HIGH_HZ, LOW_HZ, SPLIT_HZ
from rtaudio.mastering.profile import Profile
from rtaudio.mastering.styles import find_style
from rtaudio.runtime.memory import Array

STYLE_MOST_DB, REFERENCE_MOST_DB = 4.0, 15.0
LEAST_REFERENCE_S = 5.0
LEAST_REFERENCE_LUFS = -60.0


@dataclass(frozen=True, eq=False)
class Goal:
    """What a master is to be like.

    Attributes
    ----------
    name, source
        What it is called, and where its figures come from.
    levels_db
        Spectrum in thirds of octaves, of any overall level, float64 ``[31]``.
    tolerance_db
        Differences up to this are the character of a song, and stay.
    most_db
        Largest correction of the spectrum, about its middle.
    low_width_db, high_width_db
        Power of the side relative to that of the mid, below and above 2 kHz; None: as it is.
    lufs, peak_to_loudness_db
        Loudness of the references, and how far their true peaks are above it; None without them.
    """

    name: str
    source: str
    levels_db: Array
    tolerance_db: float
    most_db: float
    low_width_db: float | None = None
    high_width_db: float | None = None
    lufs: float | None = None
    peak_to_loudness_db: float | None = None


def goal_of_style(name: str) -> Goal:
    """Return the goal of a named style.

    Raises
    ------
    ParameterError
        There is no such style.

    Examples
    --------
    >>> goal_of_style("speech").most_db
    4.0
    """
    style = find_style(name)
    return Goal(name, style.source, style.levels_db(), style.tolerance_db, STYLE_MOST_DB)


def goal_of_references(profiles: Sequence[Profile], names: Sequence[str]) -> Goal:
    """Return the average of references: every one counts the same, whatever its level.

    Parameters
    ----------
    profiles
        Their profiles, at least one.
    names
        Their names, for messages.

    Raises
    ------
    AudioFileError
        One is shorter than 5 s, or silent.
    """
    for profile, name in zip(profiles, names, strict=True):
        if profile.duration_s < LEAST_REFERENCE_S:
            raise AudioFileError(
                f"{name}: is {profile.duration_s:.2f} s long; a reference needs "
                f"{LEAST_REFERENCE_S:g} s or more"
            )
        if profile.loudness.integrated_lufs < LEAST_REFERENCE_LUFS:
            raise AudioFileError(f"{name}: is silent, so no reference; choose another song")
    return Goal(
        ", ".join(names),
        "average of the references" if len(names) > 1 else "the reference",
        np.mean([relative_db(profile.levels_db) for profile in profiles], axis=0),
        0.0,
        REFERENCE_MOST_DB,
        _mean_width_db(profiles, LOW_HZ, SPLIT_HZ),
        _mean_width_db(profiles, SPLIT_HZ, HIGH_HZ),
        float(np.mean([profile.loudness.integrated_lufs for profile in profiles])),
        float(np.mean([profile.peak_to_loudness_db for profile in profiles])),
    )


def relative_db(levels_db: Array) -> Array:
    """Return a spectrum relative to its power."""
    return np.asarray(levels_db - 10.0 * np.log10(np.sum(10.0 ** (levels_db / 10.0))))


def _mean_width_db(profiles: Sequence[Profile], low_hz: float, high_hz: float) -> float | None:
    """Return the mean width of those that have a side; None if none has."""
    widths = [profile.width_db(low_hz, high_hz) for profile in profiles]
    known = [width for width in widths if width is not None]
    return float(np.mean(known)) if known else None
