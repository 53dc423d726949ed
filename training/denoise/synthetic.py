"""Synthetic noises: coloured noise, rumble, mains hum, clicks, typing, sirens."""

from __future__ import annotations

import math

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
    kinds = ["coloured", "clicks", "typing"]
    if not wide:
        kinds += ["rumble", "hum", "siren"]
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
        case "typing":
            spectrum = fft.rfft(_typing(generator, samples, rate_hz))
            spectrum *= _tail(generator, samples, rate_hz)
        case "siren":
            spectrum = fft.rfft(_siren(generator, samples, rate_hz))
            spectrum *= _tail(generator, samples, rate_hz)
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


def _typing(generator: Generator, samples: int, rate_hz: int) -> Floats:
    """Return keys of one keyboard: each goes down, hits the bottom and comes back.

    The body rings at the same frequencies for all keys, a little displaced for each.
    """
    out = np.zeros(samples, np.float32)
    modes = int(generator.integers(4, 12))
    modes_hz = np.exp(generator.uniform(math.log(300), math.log(0.4 * rate_hz), modes))
    decays_s = np.exp(generator.uniform(math.log(0.001), math.log(0.012), modes))
    levels = from_db(generator.normal(0, 6, modes))
    hiss = from_db(generator.uniform(-10, 15))
    time_s = np.arange(round(0.06 * rate_hz), dtype=np.float32) / rate_hz
    between_s = generator.uniform(0.08, 0.3)
    bottom_s, up_s = generator.uniform(0.005, 0.025), generator.uniform(0.05, 0.14)
    at_s = generator.uniform(0, between_s)
    while at_s < samples / rate_hz:
        key_db = generator.normal(0, 4)
        for delay_s, part_db in (
            (0.0, generator.uniform(-15, -3)),
            (bottom_s, 0.0),
            (up_s, generator.uniform(-15, 0)),
        ):
            at = round((at_s + delay_s * generator.uniform(0.7, 1.4)) * rate_hz)
            rings_hz = modes_hz * generator.uniform(0.94, 1.06, modes)
            phases = 2 * np.pi * (rings_hz[:, None] * time_s + generator.uniform(size=(modes, 1)))
            own = levels * from_db(generator.normal(0, 4, modes))
            burst = own @ (np.sin(phases) * np.exp(-time_s / decays_s[:, None]))
            burst += hiss * generator.standard_normal(time_s.size) * np.exp(-time_s / 0.003)
            burst = burst[: max(0, samples - at)]
            out[at : at + burst.size] += (from_db(key_db + part_db) * burst).astype(np.float32)
        # Words, and the pauses between them.
        at_s += generator.uniform(0.4, 1.8) * between_s
        if generator.uniform() < 0.15:
            at_s += generator.exponential(0.4)
    return out


def _siren(generator: Generator, samples: int, rate_hz: int) -> Floats:
    """Return a tone with overtones that wails, yelps, alternates or beeps."""
    time_s = np.arange(samples) / rate_hz
    low_hz = math.exp(generator.uniform(math.log(250), math.log(2500)))
    high_hz = min(low_hz * generator.uniform(1.1, 2.8), 0.4 * rate_hz)
    kind = ("wail", "yelp", "alternating", "beeping")[generator.integers(4)]
    period_s = generator.uniform(0.12, 0.5) if kind == "yelp" else generator.uniform(0.5, 6)
    turn = (time_s / period_s + generator.uniform()) % 1
    loud = np.ones(samples)
    if kind in ("wail", "yelp"):
        rise = generator.uniform(0.2, 0.8)
        sweep = np.where(turn < rise, turn / rise, (1 - turn) / (1 - rise))
    else:
        sweep = (turn < 0.5).astype(float)
        if kind == "beeping":
            loud, sweep = sweep, np.ones(samples)
    # Nothing jumps within less than some milliseconds.
    smooth = np.hanning(2 * round(generator.uniform(0.002, 0.03) * rate_hz) + 1)
    sweep = np.convolve(sweep, smooth / smooth.sum(), "same")
    loud = np.convolve(loud, smooth / smooth.sum(), "same")
    phase = 2 * np.pi * np.cumsum(low_hz * (high_hz / low_hz) ** sweep) / rate_hz
    out = np.zeros(samples)
    steepness_db = generator.uniform(1, 8)
    for order in range(1, min(24, int(0.45 * rate_hz / high_hz)) + 1):
        level_db = generator.normal(0, 5) - steepness_db * (order - 1)
        out += from_db(level_db) * np.sin(order * phase + generator.uniform(0, 2 * np.pi))
    return (loud * out).astype(np.float32)


def _tail(generator: Generator, samples: int, rate_hz: int) -> Spectrum:
    """Return the spectrum of a direct sound and a tail of decaying noise, as of a place."""
    decay_s = math.exp(generator.uniform(math.log(0.02), math.log(0.5)))
    decay = np.exp(-np.arange(samples, dtype=np.float32) / np.float32(decay_s * rate_hz))
    tail = generator.standard_normal(samples, np.float32) * decay
    tail *= np.float32(from_db(generator.uniform(-25, 3)) / np.linalg.norm(tail))
    tail[0] += 1
    spectrum: Spectrum = fft.rfft(tail)
    return spectrum
