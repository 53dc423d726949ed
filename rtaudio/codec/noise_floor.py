"""The background of a programme, from which comfort noise is made where nothing arrives."""

from __future__ import annotations

import numpy as np

from rtaudio.codec.noise_shape import Floats, NoiseShape, floor_db

UNHEARD_DBOV = -50
"""A noise of this level is taken even where the programme was not heard yet."""

_HALF_FRAMES = 50
"""Half of the time in which the background is looked for: 1 s."""

_RELEASE = 0.995
"""Per frame: after a loud frame the limit falls by 1.1 dB per second."""


class NoiseFloor:
    """The background of a programme: its quietest frame in the last second or two.

    It is never louder than the programme, so neither is a noise that is made from it. The minimum
    is that of two halves of the time, of which the older one is forgotten (a short form of the
    minimum statistics of Martin 2001).

    Examples
    --------
    >>> floor = NoiseFloor()
    >>> floor.update(np.full(960, 0.1)), floor.update(np.full(960, 0.001))
    (None, None)
    >>> floor.shape.level_dbov
    -60
    >>> floor.limited(NoiseShape(0)).level_dbov
    -21
    """

    def __init__(self) -> None:
        self._seen = 0
        self._peak_power = 0.0
        self._halves: list[tuple[float, NoiseShape]] = []

    def update(self, sound: Floats) -> None:
        """Take a frame of the programme into account.

        Parameters
        ----------
        sound
            Samples ``[frames]``, as decoded from codes that arrived.
        """
        power = float(np.mean(np.square(sound, dtype=np.float64)))
        if self._seen % _HALF_FRAMES == 0:
            self._halves = [*self._halves[-1:], (np.inf, NoiseShape())]
        self._seen += 1
        self._peak_power = max(power, self._peak_power * _RELEASE)
        if power < self._halves[-1][0]:
            self._halves[-1] = (power, NoiseShape.of(sound))

    @property
    def shape(self) -> NoiseShape:
        """The background; silence before the first frame."""
        if not self._halves:
            return NoiseShape()
        return min(self._halves, key=lambda half: half[0])[1]

    def limited(self, noise: NoiseShape) -> NoiseShape:
        """Return a noise that came from elsewhere, but not louder than the programme was.

        Parameters
        ----------
        noise
            As the sender describes it.
        """
        most = UNHEARD_DBOV
        if self._peak_power > 0.0:
            most = max(most, floor_db(self._peak_power))
        return noise._replace(level_dbov=min(noise.level_dbov, most))
