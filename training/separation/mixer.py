"""Songs that never were: stems from everywhere, mixed while training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rtaudio.audio.resampler import Resampler
from rtaudio.models.stems import STEMS
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Array, Floats
from training.separation.config import SeparationData
from training.separation.stems import Track, find_tracks

__all__ = ["Mixer", "Song"]

SEMITONES = (-2, -1, 1, 2)
QUIET_RMS = 2e-3
"""An excerpt below this is drawn again, up to `TRIES` times: there is little to learn from it."""
TRIES = 3
PEAK = 1.0
CURVE_POINTS = 8
"""Points of a random equalizer, evenly spread over the logarithm of the frequency."""
LOWEST_HZ = 40.0
MOST_LATE_S = 0.03
DECAY_S = (0.03, 0.4)
"""Time constants of a room, 60 dB in 0.2 to 2.8 s."""
ROOM_DB = (-20.0, 0.0)
"""Its level, relative to the direct sound."""


@dataclass(frozen=True)
class Song:
    """An excerpt as stems.

    Attributes
    ----------
    stems
        float32 (stems, 2, samples), in the order of `STEMS`; their sum is the mixture.
    merged
        Whether the bass may be inside ``other``, so that only their sum can be scored.
    """

    stems: Floats
    merged: bool


class Mixer:
    """Draws excerpts of the training sources.

    Parameters
    ----------
    data
        The section of the configuration, with an absolute ``root``.
    rate_hz
        Rate of the excerpts.
    samples
        Their length.

    Raises
    ------
    ConfigError
        A source without files, or a file that cannot be read.
    """

    def __init__(self, data: SeparationData, rate_hz: int, samples: int) -> None:
        self.data, self.rate_hz, self.samples = data, rate_hz, samples
        sources = [(s.share, find_tracks(data, s, rate_hz)) for s in data.train]
        self._of_stem = {stem: _Choice(sources, {stem}) for stem in STEMS}
        self._songs = _Choice(sources, set(STEMS), least=2)
        self._speeds = [
            (2 ** (n / 12), Resampler(round(rate_hz * 2 ** (n / 12)), rate_hz)) for n in SEMITONES
        ]

    def draw(self, generator: np.random.Generator) -> Song:
        """Return one excerpt.

        Parameters
        ----------
        generator
            The source of chance.
        """
        data = self.data
        together = bool(self._songs) and generator.random() < data.together
        speed = self._speed(generator)
        song = self._songs.track(generator) if together else None
        place = generator.random()
        stems = np.zeros((len(STEMS), 2, self.samples), np.float32)
        merged = False
        for row, stem in zip(stems, STEMS, strict=True):
            absent = generator.random() < data.absent
            if song is not None:
                track, sound = song, self._excerpt(song, stem, place, speed)
            elif self._of_stem[stem]:
                track, sound = self._loud(stem, generator, speed)
            else:
                continue
            if not absent:
                row[:] = self._placed(sound, generator)
                merged |= stem == "other" and "bass" in track.hidden
        if generator.random() < data.swap:
            stems = stems[:, ::-1]
        peak = float(np.abs(stems.sum(axis=0)).max())
        scale = np.float32(min(1.0, PEAK / max(peak, 1e-9)))
        return Song(np.ascontiguousarray(stems) * scale, merged)

    def _speed(self, generator: np.random.Generator) -> tuple[float, Resampler] | None:
        if generator.random() >= self.data.speed:
            return None
        return self._speeds[int(generator.integers(len(self._speeds)))]

    def _loud(
        self, stem: str, generator: np.random.Generator, speed: tuple[float, Resampler] | None
    ) -> tuple[Track, Floats]:
        """Draw a stem, again if it rests just then."""
        for _ in range(TRIES):
            track = self._of_stem[stem].track(generator)
            sound = self._excerpt(track, stem, generator.random(), speed)
            if sound.std() > QUIET_RMS:
                break
        return track, sound

    def _excerpt(
        self, track: Track, stem: str, place: float, speed: tuple[float, Resampler] | None
    ) -> Floats:
        """Return a stem of a track, (2, samples), at a place between its start and its end."""
        if stem not in track.sounds:
            return np.zeros((2, self.samples), np.float32)
        ratio = speed[0] if speed else 1.0
        length = int(np.ceil(self.samples * ratio)) + 1 if speed else self.samples
        start = int(place * max(1, track.frames - length))
        sound = track.sounds[stem].read(start, start + length)
        if speed:
            sound = speed[1].process(sound, last=True)
        return sound[:, : self.samples]

    def _placed(self, sound: Floats, generator: np.random.Generator) -> Floats:
        """Set colour, space, level, balance and sign at random."""
        data = self.data
        filters = []
        if generator.random() < data.equalizer:
            filters.append(self._curve(generator))
        if generator.random() < data.space:
            filters.append(np.fft.rfft(self._space(generator)))
        if filters:
            spectrum = np.fft.rfft(sound)
            for each in filters:
                spectrum = spectrum * each
            sound = np.fft.irfft(spectrum, self.samples).astype(np.float32)
        gain_db = generator.uniform(*data.gain_db)
        tilt_db = generator.uniform(-0.5, 0.5) * data.balance_db
        gains = from_db(np.array([[gain_db + tilt_db], [gain_db - tilt_db]], np.float32))
        placed: Floats = np.float32(generator.choice([-1.0, 1.0])) * gains * sound
        return placed

    def _curve(self, generator: np.random.Generator) -> Array:
        """Return the gains of a random equalizer, for each line of the spectrum of an excerpt."""
        most_db = self.data.equalizer_db
        points = np.geomspace(LOWEST_HZ, self.rate_hz / 2, CURVE_POINTS)
        lines_hz = np.fft.rfftfreq(self.samples, 1 / self.rate_hz)
        points_db = generator.uniform(-most_db, most_db, CURVE_POINTS)
        curve: Array = from_db(np.interp(np.log(lines_hz + 1e-9), np.log(points), points_db))
        return curve

    def _space(self, generator: np.random.Generator) -> Array:
        """Return an impulse response, (2, samples): a room; each side perhaps delayed.

        Productions double voices and put them into wide rooms: the sides are no longer the same.
        """
        late_s = generator.uniform(0, MOST_LATE_S, 2) * generator.choice([0, 1])
        decay_s = np.exp(generator.uniform(*np.log(DECAY_S)))
        times_s = np.arange(self.samples) / self.rate_hz
        tail = generator.standard_normal((2, self.samples)) * np.exp(-times_s / decay_s)
        tail /= np.linalg.norm(tail, axis=1, keepdims=True)
        response: Array = from_db(generator.uniform(*ROOM_DB)) * tail
        response[np.arange(2), np.int64(late_s * self.rate_hz)] += 1.0
        return response


class _Choice:
    """The tracks that have some stems, each with its chance."""

    def __init__(
        self, sources: list[tuple[float, list[Track]]], stems: set[str], least: int = 1
    ) -> None:
        self.tracks: list[Track] = []
        weights: list[Array] = []
        for share, tracks in sources:
            found = [track for track in tracks if len(stems & track.sounds.keys()) >= least]
            lengths = np.array([track.frames for track in found], float)
            self.tracks += found
            weights.append(share * lengths / max(lengths.sum(), 1.0))
        self.edges = np.cumsum(np.concatenate(weights))

    def __bool__(self) -> bool:
        return bool(self.tracks)

    def track(self, generator: np.random.Generator) -> Track:
        """Draw a track."""
        place = np.searchsorted(self.edges, generator.random() * self.edges[-1], "right")
        return self.tracks[min(int(place), len(self.tracks) - 1)]
