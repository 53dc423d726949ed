"""The resampler against exact sines: pass band, aliases, pieces, lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.audio.resampler import Resampler
from rtaudio.errors import ParameterError

RATES = [
    (48000, 44100), (44100, 48000), (8000, 48000), (48000, 8000), (16000, 48000), (96000, 48000),
    (48000, 96000), (22050, 48000), (192000, 44100), (384000, 11025), (44101, 48000),
    (48000, 47999), (383999, 8000),
]  # fmt: skip


def sine(hz, rate_hz, samples, phase=0.3):
    return np.sin(2 * np.pi * hz / rate_hz * np.arange(samples) + phase)


def level_db(x):
    return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)) / 0.5 + 1e-30)


def inside(y, from_hz, to_hz):
    """The samples that the ends of the input do not touch."""
    edge = int(100 * max(1.0, to_hz / from_hz))
    return y[edge:-edge]


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
@pytest.mark.parametrize("part", [0.01, 0.3, 0.7, 0.9])
def test_a_sine_is_the_sine_at_its_place(from_hz, to_hz, part):
    """No delay, and no change of the level: the same sine, evaluated at the other times."""
    hz = part * min(from_hz, to_hz) / 2
    samples = 600 * max(1, from_hz // to_hz)
    y = Resampler(from_hz, to_hz).process(sine(hz, from_hz, samples).astype(np.float32), last=True)
    wanted = sine(hz, to_hz, y.size)
    assert level_db(inside(y - wanted, from_hz, to_hz)) < -90


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [rates for rates in RATES if rates[0] > 1.05 * rates[1]]
)
@pytest.mark.parametrize("part", [1.002, 1.1, 1.5, 3.0])
def test_sound_above_the_lower_nyquist_frequency_is_removed(from_hz, to_hz, part):
    hz = min(part * to_hz / 2, 0.99 * from_hz / 2)
    samples = 600 * max(1, from_hz // to_hz)
    y = Resampler(from_hz, to_hz).process(sine(hz, from_hz, samples).astype(np.float32), last=True)
    assert level_db(inside(y, from_hz, to_hz)) < -80


@pytest.mark.parametrize(("from_hz", "to_hz"), [rates for rates in RATES if rates[0] < rates[1]])
def test_images_above_the_lower_nyquist_frequency_are_not_made(from_hz, to_hz):
    x = sine(0.45 * from_hz, from_hz, 4000).astype(np.float32)
    y = inside(Resampler(from_hz, to_hz).process(x, last=True), from_hz, to_hz)
    spectrum = np.abs(np.fft.rfft(y * np.blackman(y.size))) ** 2
    above = np.fft.rfftfreq(y.size, 1 / to_hz) > 0.52 * from_hz
    if above.any():
        assert 10 * np.log10(spectrum[above].max() / spectrum.max()) < -80


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([8000, 11025, 16000, 44100, 48000, 96000, 47999]),
    st.sampled_from([8000, 16000, 44100, 48000, 96000]),
    st.lists(st.integers(0, 900), min_size=1, max_size=12),
)
def test_pieces_of_any_size_are_the_whole(from_hz, to_hz, sizes):
    x = np.random.default_rng(0).uniform(-1, 1, (2, sum(sizes))).astype(np.float32)
    whole = Resampler(from_hz, to_hz).process(x, last=True)
    pieces = Resampler(from_hz, to_hz)
    parts = np.split(x, np.cumsum(sizes)[:-1], axis=1)
    y = [pieces.process(part, last=at == len(parts)) for at, part in enumerate(parts, 1)]
    np.testing.assert_array_equal(np.concatenate(y, axis=1), whole)
    mono = pieces.process(x[1], last=True)  # the end was a fresh start
    np.testing.assert_array_equal(mono, whole[1])


@settings(max_examples=60, deadline=None)
@given(st.integers(8000, 384000), st.integers(8000, 384000), st.integers(0, 3000))
def test_the_length_is_exact(from_hz, to_hz, samples):
    y = Resampler(from_hz, to_hz).process(np.ones(samples, np.float32), last=True)
    assert y.size == -(-samples * to_hz // from_hz)
    assert y.dtype == np.float32
    assert np.abs(y).max(initial=0) < 1.2


def test_one_rate_is_a_wire():
    x = np.random.default_rng(0).uniform(-1, 1, (3, 100)).astype(np.float32)
    y = Resampler(44100, 44100).process(x)
    np.testing.assert_array_equal(y, x)
    assert y is not x


def test_a_rate_out_of_range_is_refused():
    with pytest.raises(ParameterError, match=r"to_hz = 100 is out of range 8000 \.\. 384000 Hz"):
        Resampler(48000, 100)
