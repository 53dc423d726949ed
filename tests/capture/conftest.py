"""Synthetic gear whose latency is known, faults, and the test signal at a low rate: short tests."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import signal

from rtaudio.capture.signal import capture_signal

RATE = 12000


def delayed(x, samples):
    """Delay by a whole number of samples; negative: play early."""
    if samples < 0:
        return np.concatenate([x[-samples:], np.zeros(-samples)])
    return np.concatenate([np.zeros(samples), x])[: x.size]


def fractionally_delayed(x, samples):
    size = 1 << x.size.bit_length()
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * samples)
    return np.fft.irfft(np.fft.rfft(x, size) * turn)[: x.size]


def cabinet(x, rate_hz):
    """A loudspeaker: band-pass with a resonance and a steep end, of minimum phase."""
    x = signal.sosfilt(signal.butter(2, 80, "high", fs=rate_hz, output="sos"), x)
    x = signal.sosfilt(signal.butter(4, 4000, "low", fs=rate_hz, output="sos"), x)
    return x + 0.5 * signal.lfilter(*signal.iirpeak(120, 3, fs=rate_hz), x)


def amp(x, rate_hz):
    """High gain in two stages, of which the first is not symmetric, then the cabinet."""
    x = signal.sosfilt(signal.butter(2, 120, "high", fs=rate_hz, output="sos"), x)
    x = np.tanh(30.0 * x + 0.3) - np.tanh(0.3)
    x = signal.sosfilt(signal.butter(1, 5000, "low", fs=rate_hz, output="sos"), x)
    wet = cabinet(np.tanh(2.0 * x), rate_hz)
    return 0.6 * wet / np.abs(wet).max()


def crunch(x):
    """A little distortion, below full scale."""
    return 0.6 * np.tanh(4.0 * x)


def hum(frames, rate_hz, mains_hz, level):
    time_s = np.arange(frames) / rate_hz
    return level * sum(np.sin(2 * np.pi * mains_hz * k * time_s) / k for k in range(1, 6))


def on_another_clock(x, ppm):
    """Record with a clock that is faster by some parts per million."""
    return np.interp(np.arange(x.size) / (1.0 + 1e-6 * ppm), np.arange(x.size), x)


@pytest.fixture(scope="session")
def gears():
    """Return the functions above."""
    functions = (delayed, fractionally_delayed, cabinet, amp, crunch, hum, on_another_clock)
    return SimpleNamespace(**{function.__name__: function for function in functions})


@pytest.fixture(scope="session")
def own():
    """Return the test signal."""
    return capture_signal(RATE)


@pytest.fixture(scope="session")
def dry(own):
    return own.audio.astype(np.float64)
