"""The compressor against the equations of the paper, one sample after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt


def curve_db(level_db, effect):
    """Output level of the static curve, equation (4)."""
    t, w, r = effect.threshold_db, effect.knee_db, effect.ratio
    if 2 * (level_db - t) < -w:
        return level_db
    if 2 * abs(level_db - t) <= w and w > 0:
        return level_db + (1 / r - 1) * (level_db - t + w / 2) ** 2 / (2 * w)
    return t + (level_db - t) / r


def reference(x, effect, rate):
    """The detector of equation (17) and the gain, in float64."""
    attack = np.exp(-1000 / (effect.attack_ms * rate))
    release = np.exp(-1000 / (effect.release_ms * rate))
    held = reduction = 0.0
    gain = []
    for level in np.abs(x).max(axis=0).astype(float):
        level_db = 20 * np.log10(max(level, 1e-9))
        needed = level_db - curve_db(level_db, effect)
        held = max(needed, release * held + (1 - release) * needed)
        reduction = attack * reduction + (1 - attack) * held
        gain.append(10 ** ((effect.makeup_db - reduction) / 20))
    return x * np.array(gain)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    rate=st.sampled_from([44100, 48000, 96000]),
    channels=st.integers(1, 2),
    threshold_db=st.floats(-60, 0),
    ratio=st.floats(1, 20),
    attack_ms=st.floats(0.1, 200),
    release_ms=st.floats(5, 2000),
    knee_db=st.one_of(st.just(0.0), st.floats(0.1, 24)),
    makeup_db=st.floats(-12, 24),
)
def test_is_the_paper(rate, channels, **parameters):
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.random(6), 500) ** 2
    x = (loudness * rng.standard_normal((channels, 3000))).astype(np.float32)
    effect = rt.Compressor(**parameters)
    expected = reference(x, effect, rate)
    out = np.atleast_2d(effect(x, rate))
    assert np.abs(out - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("level_db", [-40.0, -22.0, -20.0, -18.0, -6.0, 0.0])
def test_a_steady_level_ends_on_the_static_curve(level_db):
    effect = rt.Compressor(threshold_db=-20, ratio=5, knee_db=6, attack_ms=1)
    out = effect(np.full(4800, 10 ** (level_db / 20), np.float32), 48000)
    assert 20 * np.log10(out[-1]) == pytest.approx(curve_db(level_db, effect), abs=1e-3)
