"""Loudness of programmes, and the bandwidth that a recording really has."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt, stft

__all__ = ["bandwidth_hz", "loudness_lufs"]

Floats = NDArray[np.float32]

BLOCK_S = 0.4
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0

BANDWIDTH_WINDOW = 2048
BANDWIDTH_RANGE_DB = 70.0
"""Level below that of the loudest bin at which a bin counts as empty."""


def loudness_lufs(signal: Floats, rate_hz: int) -> float:
    """Return the integrated loudness of one channel in LUFS; -inf below the gate of -70.

    A signal shorter than a block of 0.4 s counts as one block.

    Parameters
    ----------
    signal
        Shape (samples,).
    rate_hz
        Sample rate.

    Notes
    -----
    Recommendation ITU-R BS.1770-4.

    Examples
    --------
    >>> sine = np.sin(2 * np.pi * 997 / 48000 * np.arange(96000)).astype(np.float32)
    >>> round(loudness_lufs(sine, 48000), 2)
    -3.01
    """
    block = min(round(BLOCK_S * rate_hz), len(signal))
    if not block:
        return -math.inf
    weighted = sosfilt(_k_weighting(rate_hz), signal.astype(np.float64))
    energy = np.concatenate([[0.0], np.cumsum(weighted * weighted)])
    starts = np.arange(0, len(weighted) - block + 1, max(block // 4, 1))
    powers = (energy[starts + block] - energy[starts]) / block
    powers = powers[powers > _power(ABSOLUTE_GATE_LUFS)]
    if not len(powers):
        return -math.inf
    gate = float(powers.mean()) * 10 ** (RELATIVE_GATE_LU / 10)
    return -0.691 + 10 * math.log10(float(powers[powers > gate].mean()))


def bandwidth_hz(signal: Floats, rate_hz: int) -> float:
    """Return the frequency below which a recording has energy, 0 for silence.

    In each bin the loudest of all frames counts, so that one hiss is enough; bins 70 dB below the
    loudest are empty, as rounding to 16 bits leaves something everywhere.

    Parameters
    ----------
    signal
        Shape (samples,), at least 2048.
    rate_hz
        Sample rate.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    >>> bandwidth_hz(noise, 48000)
    24000.0
    """
    hz, _, frames = stft(signal, rate_hz, "hann", BANDWIDTH_WINDOW, boundary=None, padded=False)
    loudest = np.abs(frames).max(axis=1)
    if not loudest.max() > 0:
        return 0.0
    heard = np.flatnonzero(loudest > loudest.max() * 10 ** (-BANDWIDTH_RANGE_DB / 20))
    return float(hz[heard[-1]])


def _power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


@lru_cache(maxsize=4)
def _k_weighting(rate_hz: int) -> NDArray[np.float64]:
    """Return the two biquads, whose analogue form gives the standard's figures at 48 kHz."""
    sections = []
    # Shelf of 4 dB above 1.7 kHz: the head; high pass at 38 Hz.
    for frequency_hz, quality, shelf_db in (
        (1681.974450955533, 0.7071752369554196, 3.999843853973347),
        (38.13547087602444, 0.5003270373238773, None),
    ):
        k = math.tan(math.pi * frequency_hz / rate_hz)
        a0 = 1 + k / quality + k * k
        poles = [1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0]
        if shelf_db is None:
            zeros = [1.0, -2.0, 1.0]
        else:
            high = 10 ** (shelf_db / 20)
            band = high**0.4996667741545416
            zeros = [
                (high + band * k / quality + k * k) / a0,
                2 * (k * k - high) / a0,
                (high - band * k / quality + k * k) / a0,
            ]
        sections.append(zeros + poles)
    return np.array(sections)
