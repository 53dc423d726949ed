"""The tilt is a straight line in dB over the octaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt


@settings(deadline=None, max_examples=12, derandomize=True)
@given(
    slope=st.floats(-6, 6),
    pivot=st.floats(100, 5000),
    rate=st.sampled_from([44100, 48000, 96000, 192000]),
)
def test_the_response_is_a_line_through_the_pivot(slope, pivot, rate):
    impulse = np.zeros(1 << 17)
    impulse[0] = 1.0
    out = rt.Tilt(db_per_octave=slope, pivot_hz=pivot)(impulse, rate)
    hertz = np.fft.rfftfreq(1 << 17, 1 / rate)
    level_db = 20 * np.log10(np.abs(np.fft.rfft(out.astype(float))))
    heard = (hertz >= 30) & (hertz <= 16000)
    line = slope * np.log2(hertz[heard] / pivot)
    # towards half the sample rate the line bends, as the poles end there
    share = np.where((hertz[heard] > 8000) & (rate < 96000), 0.7, 0.4)
    tolerance = share * abs(slope) + 0.02
    assert (np.abs(level_db[heard] - line) <= tolerance).all()
    at = np.argmin(np.abs(hertz - pivot))
    assert level_db[at] == pytest.approx(slope * np.log2(hertz[at] / pivot), abs=0.03)


def test_0_db_is_a_wire():
    x = np.random.default_rng(0).standard_normal((2, 5000)).astype("f4")
    np.testing.assert_array_equal(rt.Tilt(pivot_hz=3000.0)(x, 48000), x)
