"""Level and spectrum of a noise in a few bytes, as RFC 3389 transmits the background of a pause.

One byte is the level, and each further one a reflection coefficient of an all-pole model.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import PacketError

Floats = NDArray[np.floating[Any]]

ORDER = 10
"""Reflection coefficients that `NoiseShape.of` measures."""

MAX_ORDER = 16
"""Most that are read."""

QUIETEST_DBOV = -127
"""The lowest level a byte can say; it is played as silence."""


def floor_db(power: float) -> int:
    """Return a power in whole decibels, never too much.

    Examples
    --------
    >>> floor_db(0.01), floor_db(0.0101), floor_db(0.0099)
    (-20, -20, -21)
    """
    return math.floor(10.0 * math.log10(power) + 1e-6)


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
        level = min(0, floor_db(power))
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
