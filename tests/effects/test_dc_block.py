"""The DC blocker against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, lfilter

import rtaudio as rt


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_is_a_butterworth_high_pass_at_5_hz(rate, channels):
    x = 0.3 + 0.2 * np.random.default_rng(0).standard_normal((channels, 20000)).astype(np.float32)
    expected = lfilter(*butter(1, 5.0, "high", fs=rate), x.astype(float), axis=1)
    np.testing.assert_allclose(rt.DcBlock()(x, rate), expected, atol=1e-6)


def test_takes_an_offset_away_and_leaves_the_lowest_note():
    tone = 0.5 * np.sin(2 * np.pi * 41.0 / 48000 * np.arange(144000))
    out = rt.DcBlock()((tone + 0.4).astype(np.float32), 48000)[96000:]
    assert abs(out.mean()) < 1e-4
    assert 20 * np.log10(out.std() / tone.std()) == pytest.approx(0.0, abs=0.07)
