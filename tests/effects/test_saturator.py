"""The saturator: its curve, its identity, and that it does not alias."""

from __future__ import annotations

import numpy as np
import pytest

import rtaudio as rt

RATES = [44100, 48000, 96000, 192000]


@pytest.mark.parametrize("rate", RATES)
def test_no_drive_is_the_delayed_input_bit_by_bit(play, rate):
    x = np.random.default_rng(0).standard_normal((2, 5000)).astype("f4")
    program = rt.Saturator(drive_db=0.0).compile(rate, 64, in_channels=2)
    lag = program.latency_samples
    np.testing.assert_array_equal(play(program, x)[:, lag:], x[:, :-lag])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("drive_db", [3.0, 12.0, 30.0])
def test_a_slow_sine_follows_the_curve(rate, drive_db):
    x = 0.8 * np.sin(2 * np.pi * 100 / rate * np.arange(rate // 4))
    out = rt.Saturator(drive_db=drive_db)(x, rate)
    drive = 10 ** (drive_db / 20) - 1
    expected = x / np.sqrt(1 + (drive * x) ** 2)
    middle = slice(500, -500)
    np.testing.assert_allclose(out[middle], expected[middle], atol=2e-3)


def distortion_db(effect, hz_bin, size=48000):
    """Of a sine: the power of harmonics below 20 kHz, and of all else there."""
    x = 0.7 * np.sin(2 * np.pi * hz_bin * np.arange(2 * size) / size)
    power = np.abs(np.fft.rfft(effect(x)[size // 2 : size // 2 + size])) ** 2
    harmonics = np.arange(hz_bin, size // 2, hz_bin)
    aliases = power[:20000].copy()
    aliases[harmonics[harmonics < 20000]] = 0.0
    return 10 * np.log10(aliases.sum() / power[hz_bin])


@pytest.mark.parametrize("hz", [1997, 4999, 7001])
def test_harmonics_do_not_fold_back(hz):
    effect = rt.Saturator(drive_db=9.0)
    drive = 10 ** (9 / 20) - 1
    ours = distortion_db(lambda x: effect(x, 48000), hz)
    naive = distortion_db(lambda x: x / np.sqrt(1 + (drive * x) ** 2), hz)
    assert ours < -70.0
    assert ours < naive - 15.0
