"""Destinations: where a master goes, and the loudness that is played there."""

from __future__ import annotations

from typing import NamedTuple

from rtaudio.errors import ParameterError, closest, out_of_range

LEAST_LUFS, MOST_LUFS = -40.0, -5.0
"""Loudness that may be asked for."""


class Destination(NamedTuple):
    """A loudness, and the ceiling of the true peak.

    Attributes
    ----------
    lufs, ceiling_db
        Integrated loudness, and largest true peak in dBTP.
    source
        Who says so.
    """

    lufs: float
    ceiling_db: float
    source: str


DESTINATIONS = {
    "spotify": Destination(-14.0, -1.0, "Spotify, loudness normalization"),
    "youtube": Destination(-14.0, -1.0, "YouTube; level as commonly measured"),
    "amazon": Destination(-14.0, -2.0, "Amazon Music, delivery specification"),
    "tidal": Destination(-14.0, -1.0, "Tidal; level as commonly stated"),
    "deezer": Destination(-15.0, -1.0, "Deezer; level as commonly stated"),
    "apple": Destination(-16.0, -1.0, "Apple Music, Sound Check"),
    "podcast": Destination(-16.0, -1.0, "Apple Podcasts, audio requirements"),
    "ebu": Destination(-23.0, -1.0, "EBU R128"),
    "atsc": Destination(-24.0, -2.0, "ATSC A/85"),
}
"""What services and broadcasters play, or ask for."""


def find_destination(word: str) -> Destination:
    """Return the destination of a name, or that of a number of LUFS.

    Parameters
    ----------
    word
        A name of `DESTINATIONS`, or a loudness, -40 .. -5.

    Raises
    ------
    ParameterError
        There is no such name, or the loudness is out of range.

    Examples
    --------
    >>> find_destination("ebu").lufs, find_destination("-12").lufs
    (-23.0, -12.0)
    """
    if known := DESTINATIONS.get(word.lower()):
        return known
    try:
        lufs = float(word)
    except ValueError:
        remedy = closest(word.lower(), DESTINATIONS)
        raise ParameterError(f"target = {word!r} is no loudness and no name; {remedy}") from None
    if not LEAST_LUFS <= lufs <= MOST_LUFS:
        raise ParameterError(out_of_range("target", word, LEAST_LUFS, MOST_LUFS, "LUFS"))
    return Destination(lufs, -1.0, "the caller")
