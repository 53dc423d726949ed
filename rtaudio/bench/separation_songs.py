"""The songs that separators are measured on: real ones, whose stems no training has heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtaudio.audio.reader import read_audio
from rtaudio.audio.resampler import Resampler
from rtaudio.errors import MetricsError
from rtaudio.models.stems import STEMS
from rtaudio.runtime.memory import Floats

__all__ = ["SeparationSong", "separation_songs"]

HELD_OUT = ("eif/1_*", "eif/6_*")
"""Songs of the CC0 album "Everything is Free", as folders with a file for each stem."""

ASSEMBLED = ("music/stems_mdn", "data/music/stems_mdn")
ASSEMBLED_STEMS = {
    "drums": ("drums",),
    "bass": ("bassguitar",),
    "other": ("clav", "horns", "leadguitar"),
}
"""The files of each stem of the piece in `ASSEMBLED`; nobody sings."""


@dataclass(frozen=True)
class SeparationSong:
    """A song as stems.

    Attributes
    ----------
    name
        Its name in tables.
    files
        The files of each stem; their sum is the stem. Stems without a file are silent.
    """

    name: str
    files: Mapping[str, tuple[Path, ...]]

    def read(self, rate_hz: int, longest_s: float | None = None) -> Floats:
        """Return the stems, float32 (stems, 2, frames), in the order of `STEMS`.

        Parameters
        ----------
        rate_hz
            Sample rate of the result.
        longest_s
            At most this much, from the middle of the song.
        """
        stems: list[Floats] = []
        for stem in STEMS:
            stems.append(_sum([_read(file, rate_hz) for file in self.files.get(stem, ())]))
        frames = max(stem.shape[1] for stem in stems)
        song = np.stack([np.pad(stem, ((0, 0), (0, frames - stem.shape[1]))) for stem in stems])
        if longest_s is None or frames <= longest_s * rate_hz:
            return song
        start = (frames - round(longest_s * rate_hz)) // 2
        return song[..., start : start + round(longest_s * rate_hz)]


def separation_songs(data: Path) -> list[SeparationSong]:
    """Find the songs.

    Parameters
    ----------
    data
        A folder with the subfolders ``eif`` or ``music/stems_mdn``; one of them may be missing.

    Raises
    ------
    MetricsError
        There are none.

    Examples
    --------
    >>> [song.name for song in separation_songs(Path("music"))]             # doctest: +SKIP
    ['1_Hydrogen', '6_Caesium', 'stems_mdn']
    """
    found = []
    for pattern in HELD_OUT:
        for folder in sorted(data.glob(pattern)):
            files = {stem: tuple(sorted(folder.glob(f"{stem}.*"))) for stem in STEMS}
            if any(files.values()):
                found.append(SeparationSong(folder.name, files))
    for place in (data / part for part in ASSEMBLED):
        if place.is_dir() and all(song.name != place.name for song in found):
            files = {
                stem: tuple(file for name in names for file in sorted(place.glob(f"{name}.*")))
                for stem, names in ASSEMBLED_STEMS.items()
            }
            found.append(SeparationSong(place.name, files))
    if not found:
        raise MetricsError(
            f"{data}: holds no songs to measure on ({', '.join((*HELD_OUT, ASSEMBLED[0]))}); "
            "name another folder: --data or RTAUDIO_DATA"
        )
    return found


def _read(file: Path, rate_hz: int) -> Floats:
    """Return a file as float32 (2, frames)."""
    sound, found_hz = read_audio(file)
    sound = np.atleast_2d(sound)
    sound = np.ascontiguousarray(np.broadcast_to(sound, (2, sound.shape[1])))
    return Resampler(found_hz, rate_hz).process(sound, last=True)


def _sum(parts: Sequence[Floats]) -> Floats:
    frames = max((part.shape[1] for part in parts), default=0)
    total = np.zeros((2, frames), np.float32)
    for part in parts:
        total[:, : part.shape[1]] += part
    return total
