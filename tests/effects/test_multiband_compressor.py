"""The bands of the multiband compressor, and each compressor, against scipy and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

RATE = 48000
BANDS = ("low", "low_mid", "high_mid", "high")
NEUTRAL = {f"{band}_ratio": 1.0 for band in BANDS}


def bands_of(x, rate, crossovers):
    """The bands by scipy, from the description: low-pass, and the delayed input less it."""
    lows, rest = [], x.astype(float)
    for hz in crossovers:
        delay = max(1, round(np.sqrt(2) / np.tan(np.pi * hz / rate)))
        g = np.sqrt(2) / delay
        corner = rate / np.pi * np.arctan(g)
        sos = scipy.signal.butter(2, corner, fs=rate, output="sos")
        low = scipy.signal.sosfilt(np.concatenate([sos, sos]), rest)
        late = np.pad(rest, (delay, 0))[: len(rest)]
        lows = [np.pad(each, (delay, 0))[: len(x)] for each in lows] + [low]
        rest = late - low
    return [*lows, rest]


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    low=st.floats(60, 180),
    mid=st.floats(250, 900),
    high=st.floats(1200, 12000),
    rate=st.sampled_from([44100, 48000, 96000, 192000]),
    stereo=st.sampled_from(["linked", "left-right", "mid-side"]),
)
def test_neutral_is_the_delayed_input_bit_by_bit(play, low, mid, high, rate, stereo):
    x = np.random.default_rng(0).standard_normal((2, 8000)).astype("f4")
    effect = rt.MultibandCompressor(low_hz=low, mid_hz=mid, high_hz=high, stereo=stereo, **NEUTRAL)
    program = effect.compile(rate, 64, in_channels=2)
    lag = program.latency_samples
    np.testing.assert_array_equal(play(program, x)[:, lag:], x[:, :-lag])


@pytest.mark.parametrize("band", range(4))
@pytest.mark.parametrize("rate", [44100, 96000])
def test_a_gain_adds_its_band_and_nothing_else(play, rate, band):
    x = np.random.default_rng(0).standard_normal(9000).astype("f4")
    program = rt.MultibandCompressor(**NEUTRAL, **{f"{BANDS[band]}_gain_db": 6.0}).compile(rate, 64)
    lag = program.latency_samples
    expected = np.pad(x, (lag, 0))[: len(x)].astype(float)
    expected += (10 ** (6 / 20) - 1) * bands_of(x, rate, (120, 800, 5000))[band]
    np.testing.assert_allclose(play(program, x)[0], expected, atol=3e-6)


def test_the_bands_are_where_they_should_be():
    impulse = np.zeros(1 << 15)
    impulse[0] = 1.0
    level = [np.abs(np.fft.rfft(b)) for b in bands_of(impulse, RATE, (120, 800, 5000))]
    hertz = np.fft.rfftfreq(1 << 15, 1 / RATE)
    for band, hz in enumerate((40, 300, 2000, 12000)):
        at = np.argmin(np.abs(hertz - hz))
        assert 0.85 < level[band][at] < 1.15
        assert all(level[other][at] < 0.3 for other in range(4) if abs(other - band) > 0)


@pytest.mark.parametrize("stereo", ["linked", "left-right", "mid-side"])
def test_follows_its_definition(play, stereo):
    """Every band through the compressor of the single effect's definition, by a plain loop."""
    rng = np.random.default_rng(2)
    x = (np.repeat([0.02, 0.8, 0.1], 3000) * rng.standard_normal((2, 9000))).astype("f4")
    x[1] *= 0.3
    effect = rt.MultibandCompressor(stereo=stereo, knee_db=0.0, attack_ms=3.0, release_ms=40.0)
    program = effect.compile(RATE, 64, in_channels=2)
    lag = program.latency_samples
    fed = np.stack([x[0] + x[1], x[0] - x[1]]) / 2 if stereo == "mid-side" else x
    parts = np.array([bands_of(each, RATE, (120, 800, 5000)) for each in fed.astype(float)])
    level = np.abs(parts)
    if stereo == "linked":
        level = np.broadcast_to(level.max(axis=0), level.shape)
    level_db = 20 * np.log10(np.maximum(level, 1e-9))
    needed = np.maximum(0.0, level_db + 24.0) * 0.5
    change = np.zeros_like(parts)
    for c, b in np.ndindex(2, 4):
        pace = (2.0, 1.0, 0.7, 0.5)[b]
        attack, release = (np.exp(-1000 / (ms * pace * RATE)) for ms in (3.0, 40.0))
        held = reduction = 0.0
        for n, want in enumerate(needed[c, b]):
            held = max(want, release * held + (1 - release) * want)
            reduction = attack * reduction + (1 - attack) * held
            change[c, b, n] = 10 ** (-reduction / 20) - 1
    added = (change * parts).sum(axis=1)
    if stereo == "mid-side":
        added = np.stack([added[0] + added[1], added[0] - added[1]])
    expected = np.pad(x, ((0, 0), (lag, 0)))[:, :9000] + added
    np.testing.assert_allclose(play(program, x), expected, atol=2e-5)


def test_crossovers_that_do_not_ascend_are_refused():
    with pytest.raises(rt.RtaudioError, match="must ascend"):
        rt.MultibandCompressor(mid_hz=3000.0, high_hz=2000.0).compile(RATE, 64)
