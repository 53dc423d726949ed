"""Styles: average spectra of kinds of programme, by name, with their sources.

They are set down in thirds of octaves, in which pink noise is flat: a density that falls by 5 dB
per octave falls by 2 dB here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rtaudio.analysis.third_octaves import CENTRES_HZ
from rtaudio.errors import ParameterError, closest
from rtaudio.runtime.memory import Array

_CHARTS = (
    "number ones of six decades: a sharp cut below 60 Hz, 5 dB per octave of density from 100 Hz "
    "to 4 kHz, steeper above (Pestana, Ma, Reiss, Barbosa, Black, AES 135, 2013); set down by hand"
)
_PERCUSSION = "the more percussion, the more bass and treble (Elowsson, Friberg, AES 142, 2017)"


class Style(NamedTuple):
    """An average spectrum, and how far a song may be from it.

    Attributes
    ----------
    points
        Frequencies in Hz, and levels in dB; between them are straight lines over the octaves.
    tolerance_db
        Differences up to this are the character of a song, and stay.
    source
        Where the figures come from.
    """

    points: tuple[tuple[float, float], ...]
    tolerance_db: float
    source: str

    def levels_db(self) -> Array:
        """Return the levels in thirds of octaves, float64 ``[31]``.

        Examples
        --------
        >>> float(STYLES["pink"].levels_db().max())
        0.0
        """
        hertz, levels_db = np.array(self.points).T
        return np.asarray(np.interp(np.log(CENTRES_HZ), np.log(hertz), levels_db))


_BALANCED = (
    (20.0, -22.0), (31.5, -10.0), (50.0, -1.5), (63.0, 0.0), (100.0, 0.0), (4000.0, -10.6),
    (8000.0, -14.6), (16000.0, -20.0), (20000.0, -24.0),
)  # fmt: skip


def _varied(low_db: float, high_db: float) -> tuple[tuple[float, float], ...]:
    """Return the balanced curve with another bass, below 100 Hz, and treble, above 4 kHz."""
    hertz = [*(hz for hz, _ in _BALANCED if hz < 100.0), 150.0, 4000.0, 8000.0, 16000.0, 20000.0]
    balanced = Style(_BALANCED, 0.0, "").levels_db()
    level_db = np.interp(np.log(hertz), np.log(CENTRES_HZ), balanced)
    change_db = np.interp(
        np.log(hertz), np.log([80.0, 150.0, 4000.0, 8000.0]), [low_db, 0.0, 0.0, high_db]
    )
    return tuple(zip(hertz, (level_db + change_db).round(1).tolist(), strict=True))


_SPEECH_HZ = (
    63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150,
    4000, 5000, 6300, 8000, 10000, 12500, 16000,
)  # fmt: skip
_SPEECH_DB = (
    38.6, 43.5, 54.4, 57.7, 56.8, 60.2, 60.3, 59.0, 62.1, 62.1, 60.5, 56.8, 53.7, 53.0, 52.0, 48.7,
    48.1, 46.8, 45.6, 44.5, 44.3, 43.7, 43.4, 41.3, 40.7,
)  # fmt: skip

STYLES = {
    "balanced": Style(_BALANCED, 3.0, _CHARTS),
    "electronic": Style(_varied(3.0, 2.0), 3.0, f"balanced; {_PERCUSSION}; amounts by hand"),
    "hip-hop": Style(_varied(4.0, 0.0), 3.0, f"balanced; {_PERCUSSION}; amounts by hand"),
    "acoustic": Style(_varied(-4.0, -2.0), 3.0, f"balanced; {_PERCUSSION}; amounts by hand"),
    "pink": Style(
        ((20.0, 0.0), (20000.0, 0.0)), 4.0, "pink noise, which many engineers mix against"
    ),
    "speech": Style(
        tuple(zip(map(float, _SPEECH_HZ), _SPEECH_DB, strict=True)),
        4.0,
        "men and women in twelve languages (Byrne and others, JASA 96, 1994)",
    ),
}


def find_style(name: str) -> Style:
    """Return the style of a name.

    Raises
    ------
    ParameterError
        There is no such style.

    Examples
    --------
    >>> find_style("balanced").tolerance_db
    3.0
    """
    if name not in STYLES:
        raise ParameterError(f"style = {name!r} is unknown; {closest(name, STYLES)}")
    return STYLES[name]
