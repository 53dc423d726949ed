"""The average spectrum of what plays, beside that of a style."""

from __future__ import annotations

import time

import numpy as np
import pytest

from rtaudio.analysis.third_octaves import CENTRES_HZ, third_octaves_db
from rtaudio.control.tonal_balance import TonalBalance
from rtaudio.effects.gain import Gain
from rtaudio.effects.tilt import Tilt
from rtaudio.errors import ParameterError
from rtaudio.live.host import Host
from rtaudio.mastering.find_goal import find_goal

RATE = 48000
PATIENCE_S = 60


def test_it_is_that_of_the_sound_and_the_style_lies_at_its_level():
    noise = np.random.default_rng(0).standard_normal(60 * RATE)
    sound = (0.05 * Tilt(db_per_octave=-3)(noise, RATE)).astype(np.float32)
    with Host(Gain(-6.0), "clock", RATE, source=sound) as host:
        balance, found = TonalBalance(host, "speech"), None
        end = time.monotonic() + PATIENCE_S
        while found is None:
            assert time.monotonic() < end
            time.sleep(0.05)
            found = balance.read()
    average_db, target_db = found
    middle = (CENTRES_HZ >= 100) & (CENTRES_HZ <= 10_000)
    wanted_db = third_octaves_db(sound, RATE) - 6.0
    np.testing.assert_allclose(average_db[middle], wanted_db[middle], atol=4.0)
    assert np.mean((average_db - target_db)[middle]) == pytest.approx(0.0, abs=1e-9)
    assert np.ptp(target_db - find_goal("speech").levels_db) == pytest.approx(0.0, abs=1e-9)


def test_an_unknown_style_is_refused():
    with pytest.raises(ParameterError, match="did you mean 'speech'"):
        TonalBalance(Host(Gain(), "clock", RATE), "speach")
