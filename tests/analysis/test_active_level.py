"""The active level against a search over all thresholds, and without its pauses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.analysis.active_level import ActiveLevel

RATE, FRAME = 8000, 160


def measured(x):
    meter = ActiveLevel(RATE, len(x))
    meter.add(x)
    return meter.levels_db()


def by_search(x):
    """The level over the highest threshold, in whole decibels, that is 15.9 dB below it."""
    powers = np.mean(np.square(x.reshape(-1, FRAME), dtype=np.float64), axis=1)
    levels_db = np.floor(10 * np.log10(powers + 1e-30))
    found = -np.inf
    for threshold_db in range(50, -101, -1):
        active = powers[levels_db >= threshold_db]
        if active.size:
            found = 10 * np.log10(active.mean())
            if found - (threshold_db - 1) > 15.9:
                break
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-130, 20), min_size=1, max_size=40))
def test_the_level_is_that_of_the_frames_above_the_threshold(levels_db):
    """Constant frames of any levels: the threshold follows from the level that it leads to."""
    x = np.repeat(10 ** (np.float32(levels_db) / 20), FRAME)[None]
    [level_db] = measured(x)
    assert level_db == pytest.approx(by_search(x[0]), abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("noise_db", [-200.0, -50.0])
def test_pauses_do_not_count(share, noise_db):
    random = np.random.default_rng(0)
    speech = 0.1 * random.standard_normal(100 * FRAME)
    speech[round(100 * share) * FRAME :] = 0.0
    x = speech + 10 ** (noise_db / 20) * random.standard_normal(speech.size)
    [level_db] = measured(x[None].astype(np.float32))
    assert level_db == pytest.approx(-20.0, abs=0.3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=10))
def test_pieces_of_any_size_are_the_whole(sizes):
    x = np.random.default_rng(1).normal(0.0, 0.1, (2, sum(sizes))).astype(np.float32)
    x[1] = 0.0
    meter = ActiveLevel(RATE, 2)
    for part in np.split(x, np.cumsum(sizes)[:-1], axis=1):
        meter.add(part)
    assert meter.levels_db() == pytest.approx(measured(x), abs=1e-9)
    assert meter.levels_db()[1] == -np.inf
