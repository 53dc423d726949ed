"""Synthetic noises: coloured noise, rumble, mains hum, and what people and things do.

Clicks, typing, knocks, dishes, crumpling, drops of water, creaks and sirens.
"""

from __future__ import annotations

import math
from typing import overload

import numpy as np
from scipy import fft, signal

from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Array, Floats
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
    kinds = ["coloured", "clicks", "typing", "crumpling"]
    if not wide:
        kinds += ["rumble", "hum", "siren", "struck", "drops", "creaks"]
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
        case "clicks":
            spectrum = fft.rfft(_clicks(generator, samples, rate_hz))
        case kind:
            spectrum = fft.rfft(IN_A_PLACE[kind](generator, samples, rate_hz))
            spectrum *= _tail(generator, samples, rate_hz)
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
    modes_hz = _spread(generator, 300, 0.4 * rate_hz, modes)
    decays_s = _spread(generator, 0.001, 0.012, modes)
    levels = from_db(generator.normal(0, 6, modes))
    hiss = from_db(generator.uniform(-10, 15))
    time_s = _times(0.06, rate_hz)
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
    low_hz = _spread(generator, 250, 2500)
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


def _struck(generator: Generator, samples: int, rate_hz: int) -> Floats:
    """Return things that are struck, now and then: doors, steps and knocks, or dishes that ring."""
    low_hz, high_hz, longest_s = (40, 1500, 0.15) if generator.uniform() < 0.5 else (400, 9000, 0.5)
    time_s = _times(0.6, rate_hz)
    sounds = []
    for _ in range(generator.integers(1, 5)):
        body = _ringing(generator, time_s, (low_hz, min(high_hz, 0.4 * rate_hz)), (0.01, longest_s))
        hiss = _burst(generator, time_s, generator.uniform(0.002, 0.03))
        sounds.append(body + np.float32(from_db(generator.uniform(-20, 5))) * hiss)
    return _scattered(generator, samples, rate_hz, sounds, (0.4, 6))


def _crumpling(generator: Generator, samples: int, rate_hz: int) -> Floats:
    """Return paper, bags, chips, gravel, rain on a roof: many short bursts, a few of them loud."""
    longest_s = _spread(generator, 0.0005, 0.01)
    time_s = _times(7 * longest_s, rate_hz)
    share = np.float32(generator.uniform())
    sounds = []
    for _ in range(12):
        burst = _burst(generator, time_s, longest_s * generator.uniform(0.2, 1))
        body = _ringing(generator, time_s, (800, 0.4 * rate_hz), (0.0005, longest_s))
        sounds.append((1 - share) * burst + share * body)
    return _scattered(generator, samples, rate_hz, sounds, (12, 900))


def _drops(generator: Generator, samples: int, rate_hz: int) -> Floats:
    """Return water: bubbles, whose tones rise as they come to the surface.

    van den Doel: Physically based models for liquid sounds, ACM TAP 2(4), 2005.
    """
    smallest_m = max(_spread(generator, 0.0004, 0.002), 7.5 / rate_hz)
    power = generator.uniform(0, 1.5)
    sounds = []
    for _ in range(24):
        radius_m = smallest_m * math.exp(generator.uniform(0, 2))
        damping_per_s = 0.13 / radius_m + 0.0072 * radius_m**-1.5
        time_s = np.arange(round(min(0.2, 6 / damping_per_s) * rate_hz) + 1) / rate_hz
        rise_per_s = damping_per_s * generator.uniform(0, 0.1)
        turns = 3 / radius_m * time_s * (1 + 0.5 * rise_per_s * time_s)
        bubble = radius_m**power * np.exp(-damping_per_s * time_s) * np.sin(2 * np.pi * turns)
        sounds.append(bubble.astype(np.float32))
    return _scattered(generator, samples, rate_hz, sounds, (4, 500))


def _creaks(generator: Generator, samples: int, rate_hz: int) -> Floats:
    """Return what sticks and slips, now and then: doors, chairs, brakes."""
    out = np.zeros(samples, np.float32)
    jitter = _spread(generator, 0.002, 0.4)
    usual_hz = _spread(generator, 15, 1500)
    at_s = generator.uniform(-0.1, 0.5) * samples / rate_hz
    while at_s < samples / rate_hz:
        length_s = generator.uniform(0.1, 1.8)
        slips_hz = usual_hz * 2 ** generator.uniform(-0.7, 0.7, 4)
        count = int(length_s * slips_hz.max()) + 1
        pace_hz = np.interp(np.linspace(0, 3, count), np.arange(4), slips_hz)
        slips_s = np.cumsum(np.maximum(0.1, 1 + jitter * generator.normal(size=count)) / pace_hz)
        slips_s = slips_s[slips_s < length_s]
        levels = np.sin(np.pi * slips_s / length_s) ** generator.uniform(0.2, 1)
        levels *= from_db(generator.normal(0, 3, levels.size))
        places = np.round((at_s + slips_s) * rate_hz).astype(int)
        there = (places >= 0) & (places < samples)
        np.add.at(out, places[there], levels[there])
        at_s += length_s + generator.exponential(1.0)
    time_s = _times(0.1, rate_hz)
    body = _ringing(generator, time_s, (200, min(7000, 0.4 * rate_hz)), (0.001, 0.015))
    return np.asarray(signal.oaconvolve(out, body)[:samples], np.float32)


IN_A_PLACE = {
    "typing": _typing,
    "siren": _siren,
    "struck": _struck,
    "crumpling": _crumpling,
    "drops": _drops,
    "creaks": _creaks,
}
"""Noises that are heard with a tail, as of a place."""


def _ringing(
    generator: Generator,
    time_s: Floats,
    between_hz: tuple[float, float],
    decays_s: tuple[float, float],
) -> Floats:
    """Return what a body with some random modes does when it is struck."""
    modes = int(generator.integers(4, 12))
    modes_hz, lasting_s = (_spread(generator, *ends, modes) for ends in (between_hz, decays_s))
    turns = modes_hz[:, None] * time_s + generator.uniform(size=(modes, 1))
    rings = np.sin(2 * np.pi * turns) * np.exp(-time_s / lasting_s[:, None])
    return np.asarray(from_db(generator.normal(0, 6, modes)) @ rings, np.float32)


def _burst(generator: Generator, time_s: Floats, decay_s: float) -> Floats:
    """Return white noise that decays."""
    noise = generator.standard_normal(time_s.size, np.float32)
    noise *= np.exp(-time_s / np.float32(decay_s))
    return noise


def _times(length_s: float, rate_hz: int) -> Floats:
    """Return the times of samples in seconds."""
    return np.arange(round(length_s * rate_hz), dtype=np.float32) / np.float32(rate_hz)


def _scattered(
    generator: Generator,
    samples: int,
    rate_hz: int,
    sounds: list[Floats],
    per_second: tuple[float, float],
) -> Floats:
    """Return the sounds in random order at random times: at a rate that changes, at many levels."""
    rate_per_s = _spread(generator, *per_second)
    count = int(1.5 * rate_per_s * samples / rate_hz) + 4
    times_s = np.cumsum(generator.exponential(1 / rate_per_s, count))
    at = (times_s[times_s < samples / rate_hz] * rate_hz).astype(int)
    at = np.append(at, generator.integers(samples))
    # Hands and feet move, and rest: a slow walk of the level.
    knots = max(2, round(samples / rate_hz * generator.uniform(1, 6)))
    slow_db = generator.normal(0, generator.uniform(0, 10), knots)
    levels_db = np.interp(at, np.linspace(0, samples, knots), slow_db)
    levels = from_db(levels_db + generator.normal(0, generator.uniform(2, 9), at.size))
    out = np.zeros(samples, np.float32)
    for place, which, level in zip(
        at, generator.integers(len(sounds), size=at.size), levels, strict=True
    ):
        sound = sounds[which][: samples - place]
        out[place : place + sound.size] += np.float32(level) * sound
    return out


@overload
def _spread(generator: Generator, low: float, high: float) -> float: ...
@overload
def _spread(generator: Generator, low: float, high: float, count: int) -> Array: ...
def _spread(
    generator: Generator, low: float, high: float, count: int | None = None
) -> float | Array:
    """Draw from a range, evenly on a logarithmic scale: one number, or several."""
    return np.exp(generator.uniform(math.log(low), math.log(high), count))


def _tail(generator: Generator, samples: int, rate_hz: int) -> Spectrum:
    """Return the spectrum of a direct sound and a tail of decaying noise, as of a place."""
    decay_s = _spread(generator, 0.02, 0.5)
    decay = np.exp(-np.arange(samples, dtype=np.float32) / np.float32(decay_s * rate_hz))
    tail = generator.standard_normal(samples, np.float32) * decay
    tail *= np.float32(from_db(generator.uniform(-25, 3)) / np.linalg.norm(tail))
    tail[0] += 1
    spectrum: Spectrum = fft.rfft(tail)
    return spectrum
