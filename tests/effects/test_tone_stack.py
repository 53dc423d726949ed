"""The tone stack against the equalizer, which is tested against scipy, and its own figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt

import rtaudio as rt

knob = st.floats(0, 10, width=32)


@settings(deadline=None, max_examples=15, derandomize=True)
@given(rate=st.sampled_from([44100, 48000, 96000]), bass=knob, middle=knob, treble=knob)
def test_is_three_sections_of_the_cookbook(cookbook, rate, bass, middle, treble):
    x = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)
    sos = [
        cookbook("low_shelf", 150, rate, 4 * (bass - 5)),
        cookbook("peak", 425, rate, 3 * (middle - 5), 1.5 if middle < 5 else 0.7),
        cookbook("high_shelf", 1800, rate, 2 * (treble - 5)),
    ]
    expected = sosfilt([row / row[3] for row in sos], x.astype(float), axis=1)
    out = rt.ToneStack(bass=bass, middle=middle, treble=treble)(x, rate)
    assert np.abs(out - expected).max() <= 4e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "hz", "reach_db"), [("bass", 1.0, 20.0), ("middle", 425.0, 15.0), ("treble", 2e4, 10)]
)
def test_the_ends_of_the_knobs(name, hz, reach_db):
    impulse = np.zeros(96000, np.float32)
    impulse[0] = 1.0
    wave = np.exp(-2j * np.pi * hz / 96000 * np.arange(96000))
    for position, level_db in ((0.0, -reach_db), (5.0, 0.0), (10.0, reach_db)):
        out = rt.ToneStack(**{name: position})(impulse, 96000)
        assert 20 * np.log10(abs(out @ wave)) == pytest.approx(level_db, abs=0.1)


def test_at_noon_it_is_a_wire_again(play):
    program = rt.ToneStack(bass=9.0, middle=1.0, treble=8.0).compile(48000, 64)
    x = np.random.default_rng(0).standard_normal(9600).astype(np.float32)
    noon = {("tone_stack", name): 5.0 for name in ("bass", "middle", "treble")}
    out = play(program, x, [37], {4000: noon})[0]
    assert np.abs(out[3000:4000] - x[3000:4000]).max() > 0.1
    np.testing.assert_array_equal(out[5000:], x[5000:])
