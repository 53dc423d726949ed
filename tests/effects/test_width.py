"""Width: the sum of left and right never changes; the difference does as the filters say."""

from __future__ import annotations

import numpy as np
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

stereo_noise = np.random.default_rng(0).standard_normal((2, 9000)).astype("f4")


def high_pass(x, hz, rate):
    return scipy.signal.sosfilt(
        scipy.signal.butter(2, hz, "highpass", fs=rate, output="sos"), x.astype(float)
    )


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    mono=st.floats(10, 500),
    low=st.floats(0, 2),
    high=st.floats(0, 2),
    split=st.floats(200, 10000),
    rate=st.sampled_from([44100, 48000, 96000, 192000]),
)
def test_follows_its_definition(mono, low, high, split, rate):
    effect = rt.Width(mono_hz=mono, low_width=low, high_width=high, split_hz=split)
    out = effect(stereo_noise, rate).astype(float)
    np.testing.assert_allclose(out.sum(axis=0), stereo_noise.sum(axis=0), atol=2e-6)
    side = (stereo_noise[0].astype(float) - stereo_noise[1]) / 2
    kept = high_pass(side, np.float32(mono), rate) if mono > 10 else side
    above = high_pass(kept, np.float32(split), rate)
    expected = low * (kept - above) + high * above
    np.testing.assert_allclose((out[0] - out[1]) / 2, expected, atol=5e-6)


def test_neutral_and_mono_are_wires():
    np.testing.assert_array_equal(rt.Width(split_hz=500.0)(stereo_noise, 48000), stereo_noise)
    mono = stereo_noise[0]
    np.testing.assert_array_equal(rt.Width(mono_hz=200.0, low_width=0.0)(mono, 48000), mono)


def test_the_bass_becomes_mono():
    n = np.arange(48000)
    bass = np.sin(2 * np.pi * 40 / 48000 * n)
    out = rt.Width(mono_hz=300.0)(np.stack([bass, -bass]), 48000)
    assert np.abs(out[:, 24000:]).max() < 0.03
