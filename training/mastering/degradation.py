"""Degradation: finished music is made worse by known settings, every sample in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.compressor import Compressor
from rtaudio.effects.equalizer import Equalizer
from rtaudio.effects.gain import Gain
from rtaudio.effects.tilt import Tilt
from rtaudio.effects.width import Width
from rtaudio.runtime.decibels import to_db
from rtaudio.runtime.memory import Floats

__all__ = ["KINDS", "Degradation", "check_kinds", "draw_degradation"]

Generator = np.random.Generator

CHANCE = 0.5
"""How often a kind occurs."""

TILT_DB = 2.5
BAND_DB = 8.0
WIDTH_OCTAVES = (-1.5, 0.9)
"""Ranges: dB per octave, dB of a band, and factors of the width as powers of two."""

MISALIGNING = ("time-stretch", "pitch-shift", "reverb")


def _tilt(generator: Generator) -> Effect:
    return Tilt(db_per_octave=generator.uniform(-TILT_DB, TILT_DB))


def _bands(generator: Generator) -> Effect:
    low, *peaks, high = generator.uniform(-BAND_DB, BAND_DB, 5)
    gains = {f"peak{n}_db": gain for n, gain in enumerate(peaks, 1)}
    return Equalizer(low_shelf_db=low, high_shelf_db=high, **gains)


def _resonance(generator: Generator) -> Effect:
    return Equalizer(
        peak2_hz=200.0 * 2.0 ** generator.uniform(0.0, 5.0),
        peak2_db=generator.uniform(6.0, 12.0),
        peak2_q=generator.uniform(4.0, 10.0),
    )


def _compression(generator: Generator) -> Effect:
    """Compress too much, and too fast for music."""
    return Compressor(
        threshold_db=generator.uniform(-36.0, -20.0),
        ratio=generator.uniform(3.0, 10.0),
        attack_ms=generator.uniform(0.5, 5.0),
        release_ms=generator.uniform(20.0, 80.0),
        makeup_db=generator.uniform(2.0, 8.0),
    )


def _width(generator: Generator) -> Effect:
    low, high = 2.0 ** generator.uniform(*WIDTH_OCTAVES, 2)
    return Width(low_width=low, high_width=high)


def _gain(generator: Generator) -> Effect:
    return Gain(gain_db=to_db(generator.uniform(0.9, 1.1)))


_DRAWN: dict[str, Callable[[Generator], Effect]] = {
    "tilt": _tilt,
    "bands": _bands,
    "resonance": _resonance,
    "compression": _compression,
    "width": _width,
    "gain": _gain,
}
NOISE = "noise"
KINDS = (*_DRAWN, NOISE)
"""Kinds of degradations in the order of the signal: a tilted spectrum (up to 2.5 dB per octave),
bands out of balance (up to 8 dB), a resonance (6 .. 12 dB), too much compression, an image too
narrow or too wide, a gain (0.9 .. 1.1) and white noise (deviation 0.001 .. 0.015)."""


def check_kinds(names: Sequence[str]) -> None:
    """Raise a ValueError for a kind that is unknown, or would move samples in time."""
    for name in names:
        if name in MISALIGNING:
            raise ValueError(
                f"{name} moves samples in time, and the loss compares them one by one: the net "
                "would learn a blur; leave it out"
            )
        if name not in KINDS:
            raise ValueError(f"unknown degradation {name!r}; choose from {', '.join(KINDS)}")


@dataclass(frozen=True)
class Degradation:
    """What is done to a sound.

    Attributes
    ----------
    effects
        Effects without latency, by kind, in the order of the signal.
    noise
        Standard deviation of the white noise.
    seed
        Seed of the noise.
    """

    effects: Mapping[str, Effect]
    noise: float
    seed: int

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """All parameters by kind, as plain data."""
        found: dict[str, dict[str, Any]] = {
            kind: effect.live_values() for kind, effect in self.effects.items()
        }
        return found | ({NOISE: {"deviation": self.noise, "seed": self.seed}} if self.noise else {})

    def __call__(self, sound: Floats, rate_hz: int) -> Floats:
        """Return a degraded sound, aligned with the given one.

        Parameters
        ----------
        sound
            float32 ``[2, samples]``.
        rate_hz
            Its sample rate.
        """
        if self.effects:
            sound = Chain(list(self.effects.values()))(sound, rate_hz)
        if self.noise:
            white = np.random.default_rng(self.seed).standard_normal(sound.shape, np.float32)
            sound = sound + np.float32(self.noise) * white
        return sound


def draw_degradation(generator: Generator, kinds: Sequence[str]) -> Degradation:
    """Draw a degradation of one kind or several.

    Parameters
    ----------
    generator
        The source of chance: the same seed gives the same settings.
    kinds
        Some of `KINDS`.

    Examples
    --------
    >>> degradation = draw_degradation(np.random.default_rng(0), ["tilt"])
    >>> {key: round(value, 2) for key, value in degradation.settings["tilt"].items()}
    {'mix': 1.0, 'bypass': 0.0, 'db_per_octave': -1.15, 'pivot_hz': 800.0}
    """
    drawn = [kind for kind in kinds if generator.uniform() < CHANCE]
    drawn = drawn or [kinds[int(generator.integers(len(kinds)))]]
    effects = {kind: make(generator) for kind, make in _DRAWN.items() if kind in drawn}
    noise = float(generator.uniform(0.001, 0.015)) if NOISE in drawn else 0.0
    return Degradation(effects, noise, int(generator.integers(1 << 31)))
