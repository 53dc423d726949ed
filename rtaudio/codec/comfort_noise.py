"""Comfort noise: the background of a pause, described in a few bytes, and made again.

The description is that of RFC 3389: one byte for the level, and one for each reflection coefficient
of an all-pole model.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import PacketError

Floats = NDArray[np.floating[Any]]

ORDER = 10
"""Reflection coefficients that `NoiseShape.of` measures."""

MAX_ORDER = 16
"""Most that are read."""

UNHEARD_DBOV = -50
"""A noise of this level is taken even where the programme was not heard yet."""

_HALF_FRAMES = 50
"""Half of the time in which the background is looked for: 1 s."""

_RELEASE = 0.995
"""Per frame: after a loud frame the limit falls by 1.1 dB per second."""

QUIETEST_DBOV = -127
"""The lowest level a byte can say; it is played as silence."""


class NoiseShape(NamedTuple):
    """Level and spectrum of a noise, as RFC 3389 transmits them.

    Attributes
    ----------
    level_dbov
        RMS level, -127 .. 0 dB relative to that of the loudest square wave.
    reflections
        Reflection coefficients of the all-pole model in steps of 1/127, -127 .. 127.

    Examples
    --------
    >>> NoiseShape(-60, (100, -20)).to_bytes().hex()
    '3ce36b'
    """

    level_dbov: int = QUIETEST_DBOV
    reflections: tuple[int, ...] = ()

    @classmethod
    def of(cls, sound: Floats) -> NoiseShape:
        """Measure a sound: the autocorrelation method with a Hann window (Makhoul 1975).

        Parameters
        ----------
        sound
            Samples ``[frames]``, full scale 1.
        """
        sound = np.asarray(sound, np.float64)
        power = float(np.mean(sound * sound)) if sound.size else 0.0
        if not 10.0 ** (QUIETEST_DBOV / 10.0) < power < np.inf:
            return cls()
        level = min(0, round(10.0 * np.log10(power)))
        windowed = sound * np.hanning(sound.size)
        spectrum = np.abs(np.fft.rfft(windowed, 2 * sound.size)) ** 2
        correlation = np.fft.irfft(spectrum)[: ORDER + 1]
        if correlation.size <= ORDER or correlation[0] <= 0.0:
            return cls(level)
        correlation[0] *= 1.0 + 1e-6  # keeps the model stable for a pure tone
        steps = np.clip(np.rint(127.0 * _reflections(correlation)), -126, 126)
        return cls(level, tuple(int(step) for step in steps))

    @classmethod
    def from_bytes(cls, data: bytes) -> NoiseShape:
        """Read a description.

        Parameters
        ----------
        data
            1 .. 17 bytes.

        Raises
        ------
        PacketError
            They are no description.
        """
        if not 1 <= len(data) <= 1 + MAX_ORDER:
            raise PacketError(
                f"comfort noise: {len(data)} bytes; a description has 1 .. {1 + MAX_ORDER}"
            )
        # The top bit of the level is reserved (RFC 3389, 3.1); a code of 255 is no coefficient.
        steps = tuple(min(byte, 254) - 127 for byte in data[1:])
        return cls(-(data[0] & 0x7F), steps)

    def to_bytes(self) -> bytes:
        """Return the description, 1 byte and 1 for each coefficient."""
        return bytes([-self.level_dbov, *(step + 127 for step in self.reflections)])

    def response(self, bins: int) -> Floats:
        """Return the magnitude of the model, of unit power, at ``bins`` frequencies up to half
        the sample rate.

        Parameters
        ----------
        bins
            2 or more.
        """
        predictor = np.ones(1)
        for step in self.reflections:
            k = np.clip(step, -126, 126) / 127.0
            predictor = np.append(predictor, 0.0) + k * np.append(0.0, predictor[::-1])
        magnitude = 1.0 / np.maximum(np.abs(np.fft.rfft(predictor, 2 * bins - 2)), 1e-6)
        return np.asarray(magnitude / np.sqrt(np.mean(magnitude * magnitude)))


def _reflections(correlation: Floats) -> Floats:
    """Return the reflection coefficients, by the recursion of Levinson and Durbin."""
    predictor, error = np.ones(1), float(correlation[0])
    found = np.zeros(len(correlation) - 1)
    for order in range(1, len(correlation)):
        k = -float(predictor @ correlation[order:0:-1]) / error
        predictor = np.append(predictor, 0.0) + k * np.append(0.0, predictor[::-1])
        error *= 1.0 - k * k
        found[order - 1] = k
    return found


class ComfortNoise:
    """Makes the noise that a `NoiseShape` describes, frame by frame and without seams.

    Every frame is Gaussian noise of twice its length, shaped in the spectrum and overlapped under
    a sine window: the power is constant, and a new shape fades in over one frame.

    Parameters
    ----------
    frame_samples
        Samples of a frame, 2 or more.
    seed
        Start of the random numbers.

    Examples
    --------
    >>> noise = ComfortNoise(960)
    >>> noise.frame(NoiseShape(-60)).shape
    (960,)
    """

    def __init__(self, frame_samples: int, seed: int = 0) -> None:
        self._samples = frame_samples
        self._window = np.sin(np.pi * (np.arange(2 * frame_samples) + 0.5) / (2 * frame_samples))
        self._tail = np.zeros(frame_samples)
        self._random = np.random.default_rng(seed)

    def frame(self, shape: NoiseShape) -> NDArray[np.float32]:
        """Return the next frame.

        Parameters
        ----------
        shape
            The noise to make.

        Returns
        -------
        numpy.ndarray
            float32 ``[frame_samples]``, full scale 1.
        """
        if shape.level_dbov <= QUIETEST_DBOV:
            whole = np.zeros(2 * self._samples)
        else:
            white = np.fft.rfft(self._random.standard_normal(2 * self._samples))
            level = 10.0 ** (shape.level_dbov / 20.0)
            shaped = np.fft.irfft(white * shape.response(white.size), 2 * self._samples)
            whole = level * shaped * self._window
        frame = self._tail + whole[: self._samples]
        self._tail = whole[self._samples :]
        return frame.astype(np.float32)


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
    -20
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
        loudest = 10.0 * np.log10(self._peak_power) if self._seen and self._peak_power else -np.inf
        most = max(loudest, UNHEARD_DBOV)
        return noise._replace(level_dbov=min(noise.level_dbov, round(most)))
