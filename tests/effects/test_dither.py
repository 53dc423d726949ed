"""Dither: the error is noise of a known power that knows nothing of the sound."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

RATE = 48000


@settings(deadline=None, max_examples=15, derandomize=True)
@given(bits=st.integers(8, 20), level=st.floats(1e-3, 0.9), hz=st.floats(30, 15000))
def test_the_error_has_no_mean_and_the_power_of_the_theory(bits, level, hz):
    """Lipshitz et al.: a quarter of a squared step, whatever the sound."""
    x = (level * np.sin(2 * np.pi * hz / RATE * np.arange(4 * RATE) + 0.1)).astype("f4")
    step = 2.0 ** (1 - bits)
    error = (rt.Dither(bits=bits)(x, RATE).astype(float) - x) / step
    assert np.mean(error) == pytest.approx(0.0, abs=0.01)
    assert np.var(error) == pytest.approx(0.25, rel=0.03)
    assert abs(np.corrcoef(error, x)[0, 1]) < 0.02


def test_a_sine_below_one_step_survives():
    n = np.arange(10 * RATE)
    x = 0.4 * 2.0**-15 * np.sin(2 * np.pi * 1000 / RATE * n)
    assert not np.rint(x * 2**15).any()
    out = rt.Dither(bits=16)(x, RATE)
    heard = 2 * np.mean(out * np.sin(2 * np.pi * 1000 / RATE * n))
    assert heard == pytest.approx(0.4 * 2.0**-15, rel=0.05)


def test_channels_have_noise_of_their_own_that_is_white():
    x = np.full((2, 4 * RATE), 0.1)
    error = rt.Dither(bits=12)(x, RATE) - x
    assert abs(np.corrcoef(error)[0, 1]) < 0.01
    lagged = [np.corrcoef(error[0, :-k], error[0, k:])[0, 1] for k in range(1, 20)]
    assert np.abs(lagged).max() < 0.02


def test_digital_silence_stays_silent_and_full_scale_is_clipped():
    out = rt.Dither(bits=8)(np.r_[np.zeros(9000), np.ones(100), np.zeros(9000)], RATE)
    assert not out[:9000].any()
    assert not out[-2000:].any()
    assert out.max() == 1 - 2.0**-7


def test_a_file_keeps_the_samples(tmp_path):
    x = 0.3 * np.random.default_rng(0).standard_normal((2, 5000))
    out = rt.Dither(bits=16)(x, RATE)
    from rtaudio.audio.writer import write_audio

    write_audio(tmp_path / "short.wav", out, RATE, "PCM_16")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "short.wav", dtype="float32")[0].T, out)
