"""Loudness and bandwidth against the standard's signals and known filters."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from training.convolutional_codec.loudness import (
    _k_weighting,
    bandwidth_hz,
    loudness_lufs,
)


def sine(hz, seconds, level_dbfs, rate_hz=48000):
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def test_the_filters_are_those_of_the_standard():
    """ITU-R BS.1770-4, tables 1 and 2: coefficients at 48 kHz."""
    shelf, high_pass = _k_weighting(48000)
    zeros, poles = shelf[:3], shelf[3:]
    np.testing.assert_allclose(
        zeros, [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-8
    )
    np.testing.assert_allclose(poles, [1, -1.69065929318241, 0.73248077421585], atol=1e-8)
    zeros, poles = high_pass[:3], high_pass[3:]
    np.testing.assert_allclose(zeros, [1, -2, 1], atol=1e-8)
    np.testing.assert_allclose(poles, [1, -1.99004745483398, 0.99007225036621], atol=1e-8)


@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_a_sine_of_997_hz(rate_hz):
    assert loudness_lufs(sine(997, 5, 0, rate_hz), rate_hz) == pytest.approx(-3.01, abs=0.02)
    assert loudness_lufs(sine(997, 5, -20, rate_hz), rate_hz) == pytest.approx(-23.01, abs=0.02)


def test_gates():
    """EBU Tech 3341, case 3 in one channel: quiet parts do not count."""
    parts = [sine(1000, 10, -36 + 3), sine(1000, 60, -23 + 3), sine(1000, 10, -36 + 3)]
    assert loudness_lufs(np.concatenate(parts), 48000) == pytest.approx(-23, abs=0.1)
    assert loudness_lufs(np.zeros(48000, np.float32), 48000) == -math.inf
    assert loudness_lufs(sine(1000, 1, -75), 48000) == -math.inf
    assert loudness_lufs(np.zeros(0, np.float32), 48000) == -math.inf


def test_less_than_a_block_is_one_block():
    assert loudness_lufs(sine(997, 0.38, -10), 48000) == pytest.approx(-13.01, abs=0.1)


@given(gain_db=st.floats(-30, 20, allow_subnormal=False))
def test_gain_is_loudness(gain_db):
    noise = 0.1 * np.random.default_rng(0).standard_normal(48000).astype(np.float32)
    louder = noise * np.float32(10 ** (gain_db / 20))
    assert loudness_lufs(louder, 48000) == pytest.approx(
        loudness_lufs(noise, 48000) + gain_db, abs=0.01
    )


@pytest.mark.parametrize("limit_hz", [3400, 7000, 12000, 16000, 20000])
def test_a_low_pass_is_found(limit_hz):
    rate_hz = 44100
    noise = np.random.default_rng(0).standard_normal(2 * rate_hz)
    taps = signal.firwin(801, limit_hz, fs=rate_hz, window=("kaiser", 12))
    sound = 0.1 * signal.oaconvolve(noise, taps, "same")
    found = bandwidth_hz(np.round(sound * 32768).astype(np.float32) / 32768, rate_hz)
    assert limit_hz <= found <= limit_hz + 400


def test_full_band_and_silence():
    noise = np.random.default_rng(0).standard_normal(44100).astype(np.float32)
    assert bandwidth_hz(noise, 44100) == 22050
    assert bandwidth_hz(0 * noise, 44100) == 0
    # One click is enough: in each bin the loudest frame counts.
    click = sine(500, 1, -10, 44100)
    click[20000] += 0.5
    assert bandwidth_hz(click, 44100) > 22000
