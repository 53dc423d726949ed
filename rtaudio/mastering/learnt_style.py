"""Learnt style: what songs of one kind have in common, as plain data in a file.

::

    style: my-album
    source: "learnt from 2 songs: a.flac, b.flac"
    songs: 2
    levels_db: [-21.3, -9.8, ...]        # 31 thirds of octaves, 20 Hz .. 20 kHz; 0 is the loudest
    tolerance_db: 1.9                    # how far the songs differ from their average
    low_width_db: -14.2                  # side relative to mid, below 2 kHz, and above; null: mono
    high_width_db: -9.5
    loudness_lufs: -11.8
    range_lu: 5.2
    peak_to_loudness_db: 11.4
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtaudio.analysis.third_octaves import CENTRES_HZ
from rtaudio.atomic import replacing
from rtaudio.errors import ParameterError, first_fault
from rtaudio.mastering.goal import REFERENCE_MOST_DB, Goal, goal_of_references, relative_db
from rtaudio.mastering.profile import Profile

_MOST_BYTES = 1 << 16
_MOST_TOLERANCE_DB = 4.0
"""As of the styles that ship: beyond it nothing would be left to correct."""

_COUNTED = (CENTRES_HZ >= 50.0) & (CENTRES_HZ <= 14_000.0)
"""Bands in which the differences of the songs are taken."""

Level = Annotated[float, Field(ge=-200.0, le=0.0)]
WidthDb = Annotated[float, Field(ge=-80.0, le=40.0)]


class LearntStyle(BaseModel):
    """A style that was learnt from songs.

    Parameters
    ----------
    style, source
        Its name, and the songs.
    songs
        Their number.
    levels_db
        Their average spectrum in thirds of octaves; the loudest one is 0.
    tolerance_db
        How far they differ from it, RMS from 50 Hz to 14 kHz, at most 4 dB: so far a song may be
        from it, and stays.
    low_width_db, high_width_db
        Power of the side relative to that of the mid, below and above 2 kHz; None: all are mono.
    loudness_lufs, range_lu, peak_to_loudness_db
        Means of integrated loudness, loudness range, and true peak above the integrated loudness.

    Raises
    ------
    ParameterError
        A value is missing, unknown or out of range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    style: str = Field(min_length=1, max_length=200)
    source: str = Field(max_length=10_000)
    songs: int = Field(ge=1, le=100_000)
    levels_db: Annotated[
        tuple[Level, ...], Field(min_length=len(CENTRES_HZ), max_length=len(CENTRES_HZ))
    ]
    tolerance_db: float = Field(ge=0.0, le=20.0)
    low_width_db: WidthDb | None = None
    high_width_db: WidthDb | None = None
    loudness_lufs: float = Field(ge=-70.0, le=0.0)
    range_lu: float = Field(ge=0.0, le=60.0)
    peak_to_loudness_db: float = Field(ge=0.0, le=60.0)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ParameterError(first_fault(error, type(self))) from None

    @classmethod
    def of_songs(cls, style: str, profiles: Sequence[Profile], names: Sequence[str]) -> Self:
        """Learn a style from songs; every one counts the same, whatever its level.

        Parameters
        ----------
        style
            Its name.
        profiles, names
            Of the songs.

        Raises
        ------
        AudioFileError
            A song is shorter than 5 s, or silent.
        """
        goal = goal_of_references(profiles, names)
        assert goal.lufs is not None
        assert goal.peak_to_loudness_db is not None
        apart_db = np.array([relative_db(p.levels_db) - goal.levels_db for p in profiles])
        apart_db = apart_db[:, _COUNTED] - apart_db[:, _COUNTED].mean(axis=1, keepdims=True)
        levels_db = np.maximum(goal.levels_db - goal.levels_db.max(), -200.0)
        count = f"{len(names)} song{'s' if len(names) > 1 else ''}"
        return cls(
            style=style,
            source=f"learnt from {count}: {', '.join(names)}"[:10_000],
            songs=len(profiles),
            levels_db=tuple(levels_db.round(1).tolist()),
            tolerance_db=round(min(_MOST_TOLERANCE_DB, float(np.sqrt(np.mean(apart_db**2)))), 1),
            low_width_db=_rounded(goal.low_width_db),
            high_width_db=_rounded(goal.high_width_db),
            loudness_lufs=round(goal.lufs, 1),
            range_lu=round(float(np.mean([p.loudness.range_lu for p in profiles])), 1),
            peak_to_loudness_db=round(max(0.0, goal.peak_to_loudness_db), 1),
        )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a style from its file.

        Raises
        ------
        ParameterError
            The file is no style: one line with the file, the fault and the remedy.
        OSError
            It cannot be read.
        """
        path = Path(path)
        if path.stat().st_size > _MOST_BYTES:
            raise ParameterError(f"{path}: is too large for a style")
        try:
            found = yaml.safe_load(path.read_text("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
            raise ParameterError(f"{path}: not valid YAML; learn the style anew") from None
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise ParameterError(f"{path}: is no style; rtaudio style {path.name} SONGS learns one")
        try:
            return cls(**found)
        except ParameterError as error:
            raise ParameterError(f"{path}: {error}") from None

    def write(self, path: str | Path) -> None:
        """Write the style into a file, which appears when it is complete.

        Raises
        ------
        OSError
            It cannot be written.
        """
        data = self.model_dump(mode="json")
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None)
        with replacing(path) as temporary:
            temporary.write_text(text, "utf-8")

    def goal(self) -> Goal:
        """Return the goal of a master in this style."""
        return Goal(
            self.style,
            self.source,
            np.array(self.levels_db),
            self.tolerance_db,
            REFERENCE_MOST_DB,
            self.low_width_db,
            self.high_width_db,
            self.loudness_lufs,
            self.peak_to_loudness_db,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
