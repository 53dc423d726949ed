"""The test signal: what it promises to those who play it and to those who read it back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rtaudio.capture.passage import play_passage
from rtaudio.capture.signal import capture_signal, recognise

RATE = 12000


def test_it_is_the_same_at_every_call_and_cannot_be_changed(own):
    again = capture_signal.__wrapped__(RATE)
    np.testing.assert_array_equal(own.audio, again.audio)
    assert own.sections == again.sections
    with pytest.raises(ValueError, match="read-only"):
        own.audio[0] = 1.0


def test_it_stays_a_decibel_below_full_scale_and_starts_and_ends_silent(own):
    peak = 20 * np.log10(np.abs(own.audio).max())
    assert peak == pytest.approx(-1.0, abs=0.01)
    for name in ("silence", "rests"):
        start, stop = own.sections[name]
        assert not own.audio[start:stop].any()
    assert own.audio.dtype == np.float32


@pytest.mark.parametrize("rate_hz", [8000, 22050])
def test_every_rate_has_the_same_plan(own, rate_hz):
    other = capture_signal(rate_hz)
    assert list(other.sections) == list(own.sections)
    for name, (start, stop) in own.sections.items():
        assert other.sections[name][0] / rate_hz == pytest.approx(start / RATE, abs=1e-2)
        assert other.sections[name][1] / rate_hz == pytest.approx(stop / RATE, abs=1e-2)
    assert 165 < other.audio.size / rate_hz < 195


def test_sections_follow_each_other(own):
    ranges = list(own.sections.values())
    assert all(a < b for a, b in ranges)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ranges))
    assert ranges[-1][1] == own.audio.size


def test_both_takes_are_equal_last_nine_seconds_and_stay_out_of_training(own):
    (a, b), (c, d) = own.sections["take"], own.sections["take again"]
    assert b - a == 9 * RATE
    np.testing.assert_array_equal(own.audio[a:b], own.audio[c:d])
    start, stop = own.training
    assert b <= start < stop <= c


def test_blips_stand_alone_and_at_distances_that_are_all_different(own):
    for at in own.blips:
        assert own.audio[at] == np.abs(own.audio).max()
        around = own.audio[at - 1000 : at + 1000].copy()
        around[1000] = 0.0
        assert not around.any()
    first = np.array(own.blips[:4])
    distances = [b - a for a, b in itertools.combinations(first, 2)]
    assert len(set(distances)) == len(distances)


def test_the_playing_covers_soft_and_hard_and_the_whole_neck():
    sound = play_passage(RATE)
    pieces = sound[: sound.size // 1600 * 1600].reshape(-1, 1600)
    level_db = 10 * np.log10(np.mean(pieces**2, axis=1) + 1e-20)
    assert np.quantile(level_db, 0.98) - np.quantile(level_db, 0.1) > 18.0
    power = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(sound.size, 1 / RATE)
    total = power.sum()
    for low, high in ((35, 80), (80, 330), (330, 1300), (1300, 5000)):
        assert power[(hertz > low) & (hertz < high)].sum() > 1e-3 * total


@pytest.mark.parametrize("change", [
    lambda x: 0.1 * x,
    lambda x: np.round(x * 32767) / 32768,
    lambda x: x[:-8000],
    lambda x: np.concatenate([x, np.zeros(5000)]),
])  # fmt: skip
def test_it_is_recognised_at_any_level_in_16_bit_and_at_other_lengths(own, change):
    found = recognise(change(own.audio).astype(np.float32), RATE)
    assert found is not None
    assert found.sections == own.sections


@pytest.mark.parametrize("change", [
    lambda x: -x,
    lambda x: np.zeros_like(x),
    lambda x: np.random.default_rng(0).uniform(-1, 1, x.size),
    lambda x: x[:100000],
    lambda x: np.roll(x, 500),
    lambda x: np.tanh(20 * x),
])  # fmt: skip
def test_other_sounds_are_not_taken_for_it(own, change):
    assert recognise(change(own.audio).astype(np.float32), RATE) is None
