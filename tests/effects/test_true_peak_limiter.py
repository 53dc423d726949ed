"""The ceiling holds between the samples, by three meters that are not the limiter's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

RATE = 48000

# ITU-R BS.1770-5, annex 2: the filter of the example, phases 0 and 1; 2 and 3 are their mirrors.
ANNEX_2 = np.array([
    [0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875,
     0.1373291015625, 0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250,
     0.0148925781250, -0.0083007812500],
    [-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500,
     0.4650878906250, 0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625,
     0.0330810546875, -0.0189208984375],
])  # fmt: skip


def annex_2_db(x):
    phases = [*ANNEX_2, ANNEX_2[1, ::-1], ANNEX_2[0, ::-1]]
    return 20 * np.log10(max(np.abs(np.convolve(x, phase)).max() for phase in phases))


def oversampled_db(x, factor):
    padded = np.pad(x.astype(float), 512)
    curve = np.fft.irfft(np.fft.rfft(padded), len(padded) * factor) * factor
    return 20 * np.log10(np.abs(curve).max())


def below_20_khz(x):
    spectrum = np.fft.rfft(x)
    spectrum[np.fft.rfftfreq(len(x), 1 / 44100) > 20000] = 0.0
    return np.fft.irfft(spectrum, len(x))


def waves(rng, frames):
    n = np.arange(frames)
    hz = np.exp(rng.uniform(np.log(40), np.log(9000)))
    return {
        "noise": rng.standard_normal(frames),
        "rare peaks": rng.standard_normal(frames) ** 3,
        "square": np.sign(np.sin(2 * np.pi * hz / RATE * n + rng.uniform(0, 6))),
        "random signs": np.sign(rng.standard_normal(frames)),
        "clicks": (rng.random(frames) < 0.01) * rng.standard_normal(frames),
        "peaks between samples": np.sin(np.pi / 2 * n + np.pi / 4),
        "bursts": np.repeat(rng.random(frames // 100 + 1) ** 4, 100)[:frames]
        * rng.standard_normal(frames),
    }


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    kind=st.sampled_from(sorted(waves(np.random.default_rng(0), 100))),
    ceiling_db=st.floats(-20, 0),
    level=st.floats(0.2, 30),
    release_ms=st.floats(1, 300),
    lookahead_ms=st.floats(0.5, 2.5),
    seed=st.integers(0, 9999),
)
def test_the_ceiling_holds(kind, ceiling_db, level, release_ms, lookahead_ms, seed):
    x = level * below_20_khz(waves(np.random.default_rng(seed), 8192)[kind])
    x *= min(1.0, 500.0 / np.abs(x).max())  # below what counts as runaway
    limiter = rt.TruePeakLimiter(
        ceiling_db=ceiling_db, release_ms=release_ms, lookahead_ms=lookahead_ms
    )
    out = limiter(x, RATE)
    assert oversampled_db(out, 4) <= ceiling_db
    assert oversampled_db(out, 16) <= ceiling_db + 0.05


@pytest.mark.parametrize("kind", sorted(waves(np.random.default_rng(0), 100)))
def test_the_standard_meter_agrees_up_to_half_the_sample_rate(kind):
    """The 12 taps of the standard are exact to a few tenths of a decibel."""
    x = 3 * waves(np.random.default_rng(1), RATE)[kind]
    out = rt.TruePeakLimiter(ceiling_db=-1.0)(x, RATE)
    assert annex_2_db(out) <= -1.0 + 0.3
    assert np.abs(out).max() <= 10 ** (-1 / 20)


@pytest.mark.parametrize("rate", [44100, 48000, 96000, 192000])
def test_the_latency_stays_below_5_ms(rate):
    for lookahead_ms in (0.5, 1.5, 2.5):
        program = rt.TruePeakLimiter(lookahead_ms=lookahead_ms).compile(rate, 64)
        assert 1000 * program.latency_samples / rate < 5.0


def test_below_the_ceiling_it_is_a_wire(play):
    x = np.random.default_rng(0).uniform(-0.3, 0.3, 20000).astype(np.float32)
    program = rt.TruePeakLimiter(ceiling_db=-1.0).compile(RATE, 64)
    lag = program.latency_samples
    np.testing.assert_array_equal(play(program, x)[0, lag:], x[:-lag])


def test_after_a_peak_it_becomes_a_wire_again(play):
    x = np.random.default_rng(0).uniform(-0.2, 0.2, 96000).astype(np.float32)
    x[100] = 5.0
    program = rt.TruePeakLimiter(release_ms=5.0).compile(RATE, 64)
    lag = program.latency_samples
    np.testing.assert_array_equal(play(program, x)[0, 80000:], x[80000 - lag : -lag])


def gain_db(x, release_ms=50.0):
    """The gain that a soft tone gets beside what is limited."""
    out = rt.TruePeakLimiter(ceiling_db=-6.0, release_ms=release_ms)(x, RATE)
    return 20 * np.log10(np.abs(out) / np.abs(x))


def test_what_lasted_recovers_more_slowly_than_a_short_peak():
    calm = np.full(2 * RATE, 0.1)
    short, long = calm.copy(), calm.copy()
    short[RATE - 10 : RATE] = 1.0
    long[:RATE] = 1.0
    at = RATE + RATE // 8
    assert gain_db(short)[at] > -1.0
    assert gain_db(long)[at] < -2.0
    assert gain_db(long)[-1] > gain_db(long)[at]


def test_both_channels_share_the_gain():
    x = np.random.default_rng(0).standard_normal((2, RATE))
    x[1] *= 0.01
    out = rt.TruePeakLimiter(ceiling_db=-10.0)(x, RATE)
    np.testing.assert_allclose(out[1] / x[1], out[0] / x[0], rtol=1e-4)
