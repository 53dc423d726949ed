"""The true peak against the curve through the samples, computed by a long transform."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.analysis.programme_loudness import programme_loudness

RATE = 48000


def oversampled(x, factor):
    """The band-limited curve through the samples of one period of a periodic signal."""
    return np.fft.irfft(np.fft.rfft(x), len(x) * factor) * factor


def measured_db(x, rate=RATE):
    return programme_loudness(x, rate).true_peak_dbtp


def faded(x):
    edge = np.sin(np.linspace(0, np.pi / 2, 300)) ** 2
    x[:300] *= edge
    x[-300:] *= edge[::-1]
    return x


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=st.integers(0, 9999), band=st.floats(0.05, 0.4535), power=st.sampled_from([1, 3]))
def test_is_within_a_tenth_of_a_decibel_of_64_times_oversampling(seed, band, power):
    """Noise up to 20 kHz at 44.1 kHz, or below; its third power has rare, high peaks."""
    noise = np.random.default_rng(seed).standard_normal(4096) ** power
    spectrum = np.fft.rfft(noise)
    spectrum[np.fft.rfftfreq(4096) > band] = 0.0
    x = faded(0.1 * np.fft.irfft(spectrum))
    exact = 20 * np.log10(np.abs(oversampled(x, 64)).max())
    assert measured_db(x) == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize("rate", [44100, 48000, 96000, 192000])
@pytest.mark.parametrize("hz", [100.0, 997.0, 11025.0, 19999.0])
def test_a_sine_reads_its_amplitude_whatever_its_phase(rate, hz):
    for phase in np.linspace(0.0, np.pi / 2, 5):
        x = faded(0.5 * np.sin(2 * np.pi * hz / rate * np.arange(rate // 4) + phase))
        assert measured_db(x, rate) == pytest.approx(-6.02, abs=0.1)


def cases():
    """Tests 15 to 19 of EBU Tech 3341: (period in samples, phase in degrees, amplitude, dBTP)."""
    yield from [(4, 0.0, 0.5, -6.0), (4, 45.0, 0.5, -6.0), (6, 60.0, 0.5, -6.0)]
    yield from [(8, 67.5, 0.5, -6.0), (4, 45.0, 1.41, 3.0)]


@pytest.mark.parametrize(("period", "degrees", "amplitude", "expected"), list(cases()))
def test_ebu_sines(period, degrees, amplitude, expected):
    x = amplitude * np.sin(2 * np.pi * np.arange(RATE) / period + np.deg2rad(degrees))
    assert -0.4 <= measured_db(faded(x)) - expected <= 0.2


@pytest.mark.parametrize("offset", range(4))
def test_ebu_a_louder_period_at_every_offset(offset):
    """Tests 20 to 23: one period at full scale in a sine of half of it, decimated from 4 times."""
    n = np.arange(4 * 4800)
    wave = np.sin(2 * np.pi * n / 16)
    wave *= np.where((n >= 9600) & (n < 9616), 1.0, 0.5)
    spectrum = np.fft.rfft(np.roll(wave, offset))
    high = np.fft.irfft(np.where(np.fft.rfftfreq(len(n)) < 0.4535 / 4, spectrum, 0.0))
    high /= np.abs(high).max()
    assert -0.4 <= measured_db(faded(high[::4])) - 0.0 <= 0.2


def test_samples_are_never_above_the_true_peak():
    x = np.random.default_rng(0).standard_normal((2, 5000))
    loudness = programme_loudness(x, RATE)
    assert loudness.true_peak_dbtp >= loudness.peak_dbfs
    assert loudness.peak_dbfs == pytest.approx(20 * np.log10(np.abs(x).max()), abs=1e-5)
