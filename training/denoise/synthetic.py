"""Synthetic noises: coloured noise, rumble, mains hum, clicks."""

from __future__ import annotations

import numpy as np
from scipy import fft

from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats
from training.denoise.curves import sloped
from training.denoise.mixture import Generator, Spectrum

__all__ = ["synthetic_noise"]


def synthetic_noise(
    generator: Generator, samples: int, rate_hz: int, *, wide: bool = False
) -> Spectrum:
    """Return the spectrum of a random synthetic noise, of any level.

    Parameters
    ----------
    generator
        All randomness comes from it.
    samples
        Length of the noise.
    rate_hz
        Samples per second.
    wide
        Choose a kind that covers all frequencies.
    """
    bins = samples // 2 + 1
    kinds = ("coloured", "clicks") if wide else ("coloured", "rumble", "hum", "clicks")
    match kinds[generator.integers(len(kinds))]:
        case "coloured" | "rumble" as kind:
            # 0: white, 3: pink, 6: brown; in decibels per octave.
            steepest = 4 if wide else 7
            slope_db = generator.uniform(*((9, 15) if kind == "rumble" else (0, steepest)))
            spectrum = generator.standard_normal(2 * bins, np.float32).view(np.complex64)
            spectrum *= sloped(samples, rate_hz, round(slope_db, 1))
        case "hum":
            spectrum = np.zeros(bins, np.complex64)
            mains_hz = generator.choice([50.0, 60.0]) * generator.uniform(0.99, 1.01)
            count = min(int(generator.integers(3, 40)), int(0.45 * rate_hz / mains_hz))
            orders = np.arange(1, count + 1)
            places = np.round(orders * mains_hz / rate_hz * samples).astype(int)
            levels_db = -generator.uniform(0.5, 3) * orders + generator.normal(0, 8, count)
            phases = generator.uniform(0, 2 * np.pi, count)
            spectrum[places] = from_db(levels_db) * np.exp(1j * phases)
        case _:
            spectrum = fft.rfft(_clicks(generator, samples, rate_hz))
    return spectrum


def _clicks(generator: Generator, samples: int, rate_hz: int) -> Floats:
    """Return keys, knocks, crackle: short bursts of decaying noise."""
    out = np.zeros(samples, np.float32)
    count = max(1, generator.poisson(generator.uniform(1, 12) * samples / rate_hz))
    decay_s = generator.uniform(0.002, 0.03)
    smooth = generator.uniform(0, 0.8)
    for at in generator.integers(0, samples, count):
        decay = decay_s * rate_hz * generator.uniform(0.5, 2)
        length = min(int(7 * decay) + 1, samples - at)
        burst = generator.standard_normal(length, np.float32)
        burst[1:] -= np.float32(smooth * generator.uniform(-1, 1)) * burst[:-1]
        burst *= np.exp(np.arange(len(burst), dtype=np.float32) * np.float32(-1 / decay))
        out[at : at + len(burst)] += burst * np.float32(from_db(generator.normal(0, 5)))
    return out
