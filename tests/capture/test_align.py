"""Latency, polarity, confidence and drift of synthetic gear, for the test signal and for others."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.capture.align import UNSURE, align, arrival, remove_latency

RATE = 12000
RNG = np.random.default_rng(3)


def find(dry, wet, own=None):
    return align(dry.astype(np.float32), wet.astype(np.float32), RATE, own)


@pytest.fixture(scope="module")
def playing(own, dry):
    """Any other signal: half a minute of playing, without blips or noise."""
    start = own.sections["playing"][0] + 40 * RATE
    return dry[start : start + 25 * RATE]


@pytest.mark.parametrize("samples", [0, 37, 9000, -25])
def test_a_wire_is_found_to_the_sample(gears, dry, playing, own, samples):
    for sound, signal in ((dry, own), (playing, None)):
        found = find(sound, 0.3 * gears.delayed(sound, samples), signal).arrival
        assert found.latency_samples == samples
        assert found.delay_samples == pytest.approx(samples, abs=0.01)
        assert found.polarity == 1
        assert found.confidence > 0.99


@pytest.mark.parametrize("sign", [1, -1])
def test_gear_of_minimum_phase_adds_nothing_to_the_latency(gears, dry, playing, own, sign):
    """The delay of a filter is for the model to learn, and is not taken away."""
    for sound, signal in ((dry, own), (playing, None)):
        wet = sign * gears.delayed(gears.cabinet(sound, RATE), 123)
        found = find(sound, wet, signal).arrival
        assert found.latency_samples == 123
        assert found.polarity == sign


def test_distortion_is_found_to_the_sample(gears, dry, own):
    for drive in (3.0, 300.0):
        found = find(dry, gears.delayed(np.tanh(drive * dry), 200), own).arrival
        assert found.latency_samples == 200


def test_high_gain_with_a_cabinet_is_within_two_samples(gears, dry, playing, own):
    wet = gears.delayed(gears.amp(dry, RATE), 300)
    assert 297 <= find(dry, wet, own).arrival.latency_samples <= 301
    wet = -gears.delayed(gears.amp(playing, RATE), 300)
    found = find(playing, wet).arrival
    assert 297 <= found.latency_samples <= 302
    assert found.polarity == -1


def test_a_part_of_a_sample_is_measured_and_left_in(gears, playing):
    for share in (0.25, 0.5, 0.75):
        wet = gears.fractionally_delayed(playing, 50.0 + share)
        found = find(playing, wet).arrival
        assert found.delay_samples == pytest.approx(50.0 + share, abs=0.01)
        assert found.latency_samples == 50


def test_noise_of_minus_40_db_moves_nothing(gears, dry, playing, own):
    for sound, signal in ((dry, own), (playing, None)):
        noise = 0.01 * np.sqrt(np.mean(sound**2)) * RNG.standard_normal(sound.size)
        found = find(sound, gears.delayed(gears.crunch(sound), 77) + noise, signal).arrival
        assert found.latency_samples in range(74, 78)


def test_blips_find_what_correlation_cannot(gears, dry, own):
    """A full-wave rectifier (an octave fuzz) has nothing in common with what goes in."""
    wet = gears.delayed(np.abs(dry), 64)
    found = find(dry, wet, own).arrival
    assert arrival(dry.astype(np.float32), wet.astype(np.float32), RATE).confidence < UNSURE
    assert found.latency_samples == 64
    assert found.confidence > 0.9


def test_unrelated_sounds_are_not_believed(playing, dry, own):
    noise = 0.1 * RNG.standard_normal(dry.size)
    assert find(dry, noise, own).arrival.confidence < UNSURE
    assert find(playing, dry[20 * RATE :][: playing.size]).arrival.confidence < UNSURE


@pytest.mark.parametrize("ppm", [50.0, -5.0, 1.0])
def test_two_clocks_are_told_in_ppm(gears, dry, own, ppm):
    wet = gears.on_another_clock(gears.delayed(gears.crunch(dry), 100), ppm)
    found = find(dry, wet, own)
    assert found.drift_ppm == pytest.approx(ppm, abs=0.15)
    assert abs(found.arrival.latency_samples - 100) <= 3 + abs(ppm) * 15e-6 * RATE


def test_two_clocks_are_told_without_the_test_signal(gears, playing):
    wet = gears.on_another_clock(gears.delayed(gears.crunch(playing), 100), 200.0)
    assert find(playing, wet).drift_ppm == pytest.approx(200.0, rel=0.15)
    assert abs(find(playing, gears.crunch(playing)).shift_samples) < 1.0


def test_what_is_aligned_lies_on_the_dry_signal():
    x = np.arange(1, 6, dtype=np.float32)
    np.testing.assert_array_equal(remove_latency(np.pad(x, (3, 0)), 3, 5), x)
    np.testing.assert_array_equal(remove_latency(x[2:], -2, 5), [0, 0, 3, 4, 5])
    np.testing.assert_array_equal(remove_latency(x, 2, 5), [3, 4, 5])
