"""Clock drift: the resampler against exact sines, and the loop against a drifting sender."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.codec.drift import DriftControl, DriftResampler
from rtaudio.codec.jitter import JitterBuffer
from rtaudio.codec.packets import Payload

RATE, FRAME = 48000, 960


@pytest.mark.parametrize("step", [0.998, 0.9999, 1.0, 1.0001, 1.002])
@pytest.mark.parametrize("hz", [100.0, 1000.0, 8000.0, 18000.0])
def test_a_sine_becomes_the_sine_of_the_other_rate(step, hz):
    x = np.sin(2 * np.pi * hz / RATE * np.arange(100 * FRAME)).astype(np.float32)
    resampler = DriftResampler()
    resampler._step = step
    y = np.concatenate([resampler.process(frame, step) for frame in x.reshape(-1, FRAME)])
    places = np.arange(y.size) * step - resampler.latency_samples
    wanted = np.sin(2 * np.pi * hz / RATE * places)
    error = (y - wanted)[200:]
    assert 10 * np.log10(np.mean(error**2) / 0.5) < -80.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 1500), min_size=1, max_size=20),
    st.floats(0.998, 1.002),
)
def test_pieces_of_any_size_are_the_whole(sizes, step):
    x = np.random.default_rng(0).uniform(-1, 1, sum(sizes)).astype(np.float32)
    whole, pieces = DriftResampler(), DriftResampler()
    whole._step = pieces._step = step
    y = whole.process(x, step)
    ends = np.cumsum(sizes)
    z = np.concatenate([pieces.process(part, step) for part in np.split(x, ends[:-1])])
    assert abs(y.size - z.size) <= 1
    size = min(y.size, z.size)
    np.testing.assert_allclose(z[:size], y[:size], atol=1e-5)


def test_a_change_of_the_step_does_not_click():
    """A click would be energy far from the sine: at most -70 dB above 4 kHz."""
    x = np.sin(2 * np.pi * 440 / RATE * np.arange(200 * FRAME)).astype(np.float32)
    resampler, random = DriftResampler(), np.random.default_rng(1)
    steps = 1 + random.uniform(-0.002, 0.002, 200)
    pairs = zip(x.reshape(-1, FRAME), steps, strict=True)
    y = np.concatenate([resampler.process(frame, step) for frame, step in pairs])[1000:]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size))) ** 2
    hz = np.fft.rfftfreq(y.size, 1 / RATE)
    assert 10 * np.log10(spectrum[hz > 4000].max() / spectrum.max()) < -70.0


@pytest.mark.parametrize("ppm", [-300, -50, 0, 50, 300])
def test_the_delay_stays_where_it_is_under_drift(ppm):
    """Five minutes with a sender whose clock is wrong: nothing is left out, waited for or lost."""
    random = np.random.default_rng(2)
    buffer, control = JitterBuffer(), DriftControl()
    sent, play_s, step, minutes = 0, 0.05, 1.0, 5
    codes = Payload(np.zeros((12, 1), np.int64))
    arrivals = np.arange(minutes * 3000) * 0.02 / (1 + ppm * 1e-6)
    arrivals = np.sort(arrivals + random.uniform(0, 0.005, arrivals.size))
    settled = None
    while play_s < arrivals[-1] - 0.1:
        while arrivals[sent] <= play_s:
            buffer.push(sent, codes, arrivals[sent])
            sent += 1
        buffer.pop(play_s)
        stats = buffer.stats
        step = control.step(stats.delay_ms, stats.target_ms)
        play_s += 0.02 / step
        if settled is None and play_s > 60.0:
            settled = stats
    assert settled is not None
    for count in ("lost", "waited", "dropped", "late"):
        assert getattr(stats, count) == getattr(settled, count), count
    assert 0.0 <= stats.delay_ms - stats.target_ms < 20.0
