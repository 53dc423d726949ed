"""The limiter against its definition, computed without streaming."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt


def reference(x, ceiling, latency, release):
    """Output of the limiter for planar audio, by windows over the whole signal."""
    level = np.abs(x).max(axis=0).astype(float)
    needed = np.minimum(1.0, ceiling / np.maximum(level, 1e-30))
    padded = np.concatenate([np.ones(latency), needed])
    least = np.lib.stride_tricks.sliding_window_view(padded, latency + 1).min(axis=1)
    held = np.ones(len(least))
    last = 1.0
    for n, low in enumerate(least):
        last = held[n] = low if low < last else last + release * (low - last)
    padded = np.concatenate([np.ones(latency), held])
    gain = np.lib.stride_tricks.sliding_window_view(padded, latency + 1).mean(axis=1)
    delayed = np.pad(x, ((0, 0), (latency, 0)))[:, : x.shape[1]]
    return delayed * gain


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [44100, 96000])
def test_follows_its_definition(play, channels, rate):
    x = np.random.default_rng(1).standard_normal((channels, 9000)).astype(np.float32)
    x *= np.repeat([0.1, 2.0, 0.3], 3000)
    program = rt.Limiter(ceiling_db=-6, release_ms=20).compile(rate, 64, in_channels=channels)
    expected = reference(
        x, 10 ** (-6 / 20), program.latency_samples, 1 - np.exp(-1000 / (20 * rate))
    )
    np.testing.assert_allclose(play(program, x), expected, atol=2e-6)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    ceiling_db=st.floats(-40, 0),
    lookahead_ms=st.floats(0.1, 20),
    level=st.floats(0.01, 900),
    seed=st.integers(0, 999),
)
def test_no_sample_is_above_the_ceiling(play, ceiling_db, lookahead_ms, level, seed):
    rng = np.random.default_rng(seed)
    x = (level * rng.standard_normal((2, 4000)) ** 3).clip(-990, 990).astype(np.float32)
    limiter = rt.Limiter(ceiling_db=ceiling_db, lookahead_ms=lookahead_ms, release_ms=1.0)
    out = play(limiter.compile(48000, 256, in_channels=2), x, [256])
    assert np.abs(out).max() <= np.float32(10.0 ** (np.float32(ceiling_db) / 20.0))


def test_below_the_ceiling_it_is_a_wire(play):
    x = np.random.default_rng(0).uniform(-0.89, 0.89, 20000).astype(np.float32)
    program = rt.Limiter(ceiling_db=-1.0).compile(48000, 64)
    lag = program.latency_samples
    assert lag == 72
    np.testing.assert_array_equal(play(program, x)[0, lag:], x[:-lag])


def test_after_a_peak_it_becomes_a_wire_again(play):
    x = np.random.default_rng(0).uniform(-0.8, 0.8, 48000).astype(np.float32)
    x[100] = 5.0
    program = rt.Limiter(release_ms=5.0).compile(48000, 64)
    lag = program.latency_samples
    np.testing.assert_array_equal(play(program, x)[0, 20000:], x[20000 - lag : -lag])
