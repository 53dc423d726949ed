"""Match: a correction curve over thirds of octaves, such as from one sound to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Unpack

import numpy as np
from pydantic import Field

from rtaudio.analysis.minimum_phase import minimum_phase
from rtaudio.analysis.spectral_balance import correction_db
from rtaudio.analysis.third_octaves import CENTRES_HZ, third_octaves_db
from rtaudio.effects.base import Common, Effect
from rtaudio.errors import ParameterError
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels.convolver import convolver_node
from rtaudio.runtime.memory import Array, Floats
from rtaudio.runtime.slots import Slots

RESPONSE_S = 0.085
MOST_DB = 24.0
_NEPER_PER_DB = np.log(10.0) / 20.0

Gain = Annotated[float, Field(ge=-MOST_DB, le=MOST_DB)]


class _MatchOptions(Common, total=False):
    amount: float
    phase: Literal["minimum", "linear"]


class Match(Effect):
    """Filter by a smooth curve through gains at the thirds of octaves from 20 Hz to 20 kHz.

    Parameters
    ----------
    gains_db
        31 gains, -24 .. 24 dB, at the third-octave centres of IEC 61260; empty is flat. Fixed while
        it plays.
    amount
        How much of the curve is applied, in dB: 0 none .. 1 all. Fixed while it plays.
    phase
        ``"minimum"``: no latency, the phase of an equalizer. ``"linear"``: no phase, and a latency
        of half the response, 42.5 ms. Fixed while it plays.

    Examples
    --------
    >>> warm = Match(np.linspace(3.0, -3.0, 31))
    >>> Match()(np.ones(3, np.float32), 48000)
    array([1., 1., 1.], dtype=float32)
    """

    gains_db: list[Gain] = Field(
        default_factory=list, description="31 gains at the third-octave centres"
    )
    amount: float = Field(1.0, ge=0.0, le=1.0, description="how much of the curve is applied")
    phase: Literal["minimum", "linear"] = Field("minimum", description="phase of the filter")

    def __init__(
        self, gains_db: Sequence[float] | Floats = (), **options: Unpack[_MatchOptions]
    ) -> None:
        gains = gains_db.tolist() if isinstance(gains_db, np.ndarray) else gains_db
        super().__init__(gains_db=[*gains] if isinstance(gains, tuple) else gains, **options)
        if len(self.gains_db) not in (0, len(CENTRES_HZ)):
            raise ParameterError(
                f"{self.name or self.kind}.gains_db has {len(self.gains_db)} gains; "
                f"give {len(CENTRES_HZ)}, or none"
            )

    @classmethod
    def between(
        cls,
        sound: Any,
        reference: Any,
        rate_hz: int,
        *,
        reference_rate_hz: int | None = None,
        most_db: float = 12.0,
        **options: Unpack[_MatchOptions],
    ) -> Match:
        """Return the filter that gives one sound the average spectrum of another.

        Parameters
        ----------
        sound, reference
            ``[frames]`` or ``[channels, frames]``, of half a second or more.
        rate_hz, reference_rate_hz
            Their sample rates; None: the same.
        most_db
            Largest correction, in either direction.
        **options
            As for :class:`Match`.
        """
        own = third_octaves_db(sound, rate_hz)
        wanted = third_octaves_db(reference, reference_rate_hz or rate_hz)
        gains_db = correction_db(own, wanted, most_db=most_db)
        return cls(np.clip(gains_db, -most_db, most_db), **options)

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the convolution; a flat curve is a wire, or a delay."""
        half = round(RESPONSE_S * builder.rate_hz / 2.0)
        late = half if self.phase == "linear" else 0
        if not any(self.gains_db) or self.amount == 0.0:
            return builder.delay_to(x, x.latency_samples + late)
        node = convolver_node(self.response(builder.rate_hz)[None], x.channels)
        node.latency_samples = late
        return builder.run(node, x)

    def response(self, rate_hz: int) -> Array:
        """Return the impulse response, float64 ``[taps]``.

        Parameters
        ----------
        rate_hz
            Sample rate.
        """
        half = round(RESPONSE_S * rate_hz / 2.0)
        size = 4 * 2 ** int(np.ceil(np.log2(2 * half)))
        hertz = np.maximum(np.fft.rfftfreq(size, 1.0 / rate_hz), 1.0)
        level_db = np.interp(np.log(hertz), np.log(CENTRES_HZ), self.gains_db)
        level = _NEPER_PER_DB * self.amount * level_db
        if self.phase == "minimum":
            taps = np.fft.irfft(np.exp(minimum_phase(level)))[: 2 * half]
            return np.asarray(taps * np.hanning(4 * half + 1)[2 * half : 4 * half])
        taps = np.roll(np.fft.irfft(np.exp(level)), half)[: 2 * half + 1]
        return np.asarray(taps * np.hanning(2 * half + 3)[1:-1])
