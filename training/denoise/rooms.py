"""Rooms for voices and noises: impulse responses by the image-source method."""

from __future__ import annotations

import hashlib
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtaudio.atomic import replacing
from rtaudio.runtime.memory import Floats
from rtaudio.view.terminal import progress

__all__ = ["Room", "Rooms", "early_window"]

Place = NDArray[np.float64]
Point = tuple[float, float, float]

SPEED_OF_SOUND = 343.0
"""In metres per second, at 20 degrees Celsius."""

REACH = 16
"""Half the length, in samples, of the sinc of a reflection between two samples."""

PHASES = 512
"""Number of positions between two samples that a reflection can have."""

SECONDS = 0.4
"""Length of the responses of a pool; longer ones fade out at the end."""

FORM = 2
"""Version of the rendered rooms; a new one makes caches render again."""


def _sinc_table() -> Floats:
    """Return a windowed sinc for each phase, [PHASES + 1, 2 * REACH]."""
    phases = np.arange(PHASES + 1)[:, None] / PHASES
    offsets = np.arange(2 * REACH)[None] - (REACH - 1) - phases
    window = np.cos(np.pi / 2 * offsets / REACH) ** 2 * (np.abs(offsets) < REACH)
    table: Floats = (np.sinc(offsets) * window).astype(np.float32)
    return table


SINC = _sinc_table()


@dataclass(frozen=True)
class Room:
    """A box with walls of one material.

    Parameters
    ----------
    size_m
        Length, width, height.
    rt60_s
        Time in which sound falls by 60 dB, as a line through -5 and -35 dB shows it (T30).
    treble_rt60_s
        The same above `CROSSOVER_HZ`, where walls and air swallow more; as below if None.

    Notes
    -----
    Allen, Berkley: Image method for efficiently simulating small-room acoustics, 1979. Images lie
    between samples, so that each is a windowed sinc. Walls turn the sign: images of one sign would
    add up, near 0 Hz, to a response that no room has (Lehmann, Johansson 2008).

    Examples
    --------
    >>> room = Room((4.0, 5.0, 2.5), rt60_s=0.3)
    >>> h = room.response((1.0, 2.0, 1.5), (2.0, 2.5, 1.5), 16000, 8000)
    >>> float(h[0])
    1.0
    """

    size_m: Point
    rt60_s: float
    treble_rt60_s: float | None = None

    def response(
        self, source_m: Point, microphone_m: Point, rate_hz: int, length_samples: int
    ) -> Floats:
        """Return the impulse response, float32 (length_samples,), from the direct sound on.

        The direct sound is sample 0, with the value 1: travel time and distance are taken out.

        Parameters
        ----------
        source_m, microphone_m
            Positions in the room, in metres.
        rate_hz
            Samples per second.
        length_samples
            Length of the response.
        """
        places = [np.asarray(point, np.float64) for point in (self.size_m, source_m, microphone_m)]
        response = self._heard(places, self.rt60_s, rate_hz, length_samples)
        if self.treble_rt60_s is None:
            return response
        treble = self._heard(places, self.treble_rt60_s, rate_hz, length_samples)
        # Twice as long: the crossover also puts sound before sample 0, which is cut off.
        low, high = (
            np.fft.rfft(response, 2 * length_samples),
            np.fft.rfft(treble, 2 * length_samples),
        )
        frequencies = np.fft.rfftfreq(2 * length_samples, 1 / rate_hz)
        share = 1 / (1 + (frequencies / CROSSOVER_HZ) ** 4)
        mixed = np.fft.irfft(share * low + (1 - share) * high)[:length_samples]
        return mixed.astype(np.float32)

    def reflection(self, rt60_s: float) -> float:
        """Return the reflection factor of the walls, 0 .. 1, for this decay time.

        After d metres in direction u, sound has met d (|u_x| / x + |u_y| / y + |u_z| / z) walls.
        The decay is the mean over all directions. It is slower than by Eyring's formula, since
        sound that meets few walls outlasts the rest.
        """
        count = 500
        # An eighth of a sphere, evenly: the golden spiral.
        order = np.arange(count) + 0.5
        height = order / count
        angle = np.pi * (1 + 5**0.5) * order
        around = np.sqrt(1 - height**2)
        directions = np.abs(np.stack([around * np.cos(angle), around * np.sin(angle), height]))
        walls_per_m = (directions / np.array(self.size_m)[:, None]).sum(axis=0)
        # Nepers of energy per wall, times metres on the way: enough for the slowest direction.
        losses = np.linspace(0, 30 / walls_per_m.min(), 800)
        energy = np.exp(-losses[:, None] * walls_per_m).mean(axis=1)
        left = np.cumsum(energy[::-1])[::-1]
        left_db = 10 * np.log10(left / left[0])
        at_5_db, at_35_db = np.interp((5, 35), -left_db, losses)
        return math.exp(-(at_35_db - at_5_db) / (SPEED_OF_SOUND * rt60_s))

    def _heard(self, places: list[Place], rt60_s: float, rate_hz: int, length: int) -> Floats:
        # Later than this, everything has fallen by 80 dB or more.
        reach = min(length, math.ceil(1.5 * rt60_s * rate_hz))
        out = np.zeros(length + 2 * REACH, np.float32)
        reflection = -self.reflection(rt60_s)
        # Sound that has met more walls than these is below -100 dB.
        count = 1 + math.floor(math.log(1e-5) / math.log(-reflection))
        reflections = (reflection ** np.arange(count)).astype(np.float32)
        _add_images(*places, reflections, rate_hz / SPEED_OF_SOUND, reach, SINC, out)
        return out[REACH - 1 : REACH - 1 + length]


CROSSOVER_HZ = 3000.0
"""Frequency above which the treble's decay time holds."""


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator]
def _add_images(
    size: Place,
    source: Place,
    microphone: Place,
    reflections: Floats,
    samples_per_m: float,
    length: int,
    sinc: Floats,
    out: Floats,
) -> None:
    """Add all images whose sound arrives within ``length`` samples of the direct sound."""
    direct = np.sqrt(np.sum((source - microphone) ** 2))
    farthest = direct + length / samples_per_m
    reach_x = int(np.ceil(farthest / (2 * size[0]))) + 1
    reach_y = int(np.ceil(farthest / (2 * size[1]))) + 1
    reach_z = int(np.ceil(farthest / (2 * size[2]))) + 1
    phases, width = sinc.shape
    phases -= 1
    for nx in range(-reach_x, reach_x + 1):
        for px in range(2):
            dx = (1 - 2 * px) * source[0] + 2 * nx * size[0] - microphone[0]
            for ny in range(-reach_y, reach_y + 1):
                for py in range(2):
                    dy = (1 - 2 * py) * source[1] + 2 * ny * size[1] - microphone[1]
                    flat = dx * dx + dy * dy
                    if flat > farthest * farthest:
                        continue
                    flat_count = abs(nx) + abs(nx - px) + abs(ny) + abs(ny - py)
                    for nz in range(-reach_z, reach_z + 1):
                        for pz in range(2):
                            dz = (1 - 2 * pz) * source[2] + 2 * nz * size[2] - microphone[2]
                            distance = np.sqrt(flat + dz * dz)
                            delay = (distance - direct) * samples_per_m
                            count = flat_count + abs(nz) + abs(nz - pz)
                            if delay > length - 1 or count >= len(reflections):
                                continue
                            gain = reflections[count] * np.float32(direct / distance)
                            whole = int(delay)
                            row = int((delay - whole) * phases + 0.5)
                            for k in range(width):
                                out[whole + k] += gain * sinc[row, k]


class Rooms:
    """A pool of rooms, rendered once into a file that worker processes share.

    Each room has a speaker, near the microphone, and two noises, farther away.
    """

    SOURCES = 3

    def __init__(self, path: Path, length_samples: int) -> None:
        self.path = path
        self.length_samples = length_samples
        self._responses = np.memmap(path, np.float32, "r").reshape(-1, self.SOURCES, length_samples)

    def __len__(self) -> int:
        return len(self._responses)

    def __getitem__(self, index: int) -> Floats:
        """Return the responses of a room, (3, samples): the speaker's, then the two noises'."""
        return np.array(self._responses[index])

    def __reduce__(self) -> tuple[Any, ...]:
        return Rooms, (self.path, self.length_samples)

    @classmethod
    def rendered(cls, count: int, rate_hz: int, rt60_s: tuple[float, float], folder: Path) -> Rooms:
        """Find or render a pool of rooms, the same on every machine.

        Parameters
        ----------
        count
            Number of rooms.
        rate_hz
            Samples per second.
        rt60_s
            Lowest and highest decay time, in seconds.
        folder
            The cache.
        """
        length = round(SECONDS * rate_hz)
        label = hashlib.sha256(f"{FORM} {count} {rate_hz} {rt60_s}".encode()).hexdigest()[:24]
        path = folder / f"rooms-{rate_hz}-{label}.f32"
        size = 4 * count * cls.SOURCES * length
        if not path.is_file() or path.stat().st_size != size:  # absent, or cut short
            folder.mkdir(parents=True, exist_ok=True)
            with (
                replacing(path) as temporary,
                temporary.open("wb") as out,
                ThreadPoolExecutor(os.cpu_count()) as pool,
                progress() as bar,
            ):
                work = pool.map(
                    lambda number: _responses(number, rate_hz, rt60_s, length), range(count)
                )
                for responses in bar.track(work, count, description="rendering rooms, once"):
                    responses.tofile(out)
        return cls(path, length)


def _responses(number: int, rate_hz: int, rt60_s: tuple[float, float], length: int) -> Floats:
    """Render the responses of a random room."""
    generator = np.random.default_rng([FORM, number])
    size = generator.uniform((2.5, 2.5, 2.2), (8.0, 7.0, 3.8))
    time_s = generator.uniform(*rt60_s)
    room = Room(_point(size), time_s, time_s * generator.uniform(0.4, 0.9))
    inside = (0.4, 0.4, 0.4), size - 0.4
    microphone = generator.uniform(*inside)
    places = []
    for nearest, farthest in ((0.15, 1.5), (0.8, 20.0), (0.8, 20.0)):
        while True:
            place = generator.uniform(*inside)
            if nearest == 0.15:
                # Around the microphone, its distance spread evenly on a logarithmic scale.
                way = generator.standard_normal(3)
                distance = 10 ** generator.uniform(math.log10(nearest), math.log10(farthest))
                place = np.clip(microphone + distance * way / np.linalg.norm(way), *inside)
            if nearest <= np.linalg.norm(place - microphone) <= farthest:
                break
        places.append(_point(place))
    tail = np.ones(length, np.float32)
    fade = length // 8
    tail[-fade:] = np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
    return np.stack(
        [room.response(place, _point(microphone), rate_hz, length) * tail for place in places]
    )


def _point(values: Place) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z


@lru_cache(maxsize=8)
def early_window(samples: int, rate_hz: int) -> Floats:
    """Return a window for the early reflections of a response: 1 until 40 ms, 0 from 60 ms on.

    Parameters
    ----------
    samples
        Length of the response, which begins with the direct sound.
    rate_hz
        Samples per second.
    """
    times_s = np.arange(samples) / rate_hz
    window: Floats = np.cos(np.pi / 2 * ((times_s - 0.04) / 0.02).clip(0, 1)) ** 2
    return window.astype(np.float32)
