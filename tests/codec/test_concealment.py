"""Concealment and comfort noise: no jumps, no more power than the programme, the right spectrum."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.codec.comfort_noise import ComfortNoise
from rtaudio.codec.concealment import Concealment
from rtaudio.codec.noise_floor import NoiseFloor
from rtaudio.codec.noise_shape import ORDER, NoiseShape

FRAME = 960


@settings(deadline=None)
@given(st.lists(st.sampled_from(["codes", "lost", "pause"]), min_size=1, max_size=40))
def test_gains_never_jump_and_never_add_up_to_more_than_one(kinds):
    concealment = Concealment(FRAME)
    gains = [concealment.step(kind == "lost", kind == "pause") for kind in kinds]
    programme = np.concatenate([[1.0], *(gain.programme for gain in gains)])
    noise = np.concatenate([[0.0], *(gain.noise for gain in gains)])
    assert np.abs(np.diff(programme)).max() < 1.01 * 0.5 * np.pi / FRAME
    assert np.abs(np.diff(noise)).max() < 1.01 * 0.5 * np.pi / FRAME
    np.testing.assert_allclose(programme**2 + noise**2, 1.0, atol=1e-6)


def test_eighty_milliseconds_of_loss_are_bridged_then_noise_fades_in():
    concealment = Concealment(FRAME)
    for _ in range(4):
        assert np.all(concealment.step(True, False).programme == 1.0)
    falling = np.concatenate([concealment.step(True, False).programme for _ in range(2)])
    assert np.all(np.diff(falling) < 0)
    assert falling[-1] == pytest.approx(0.0, abs=1e-6)
    assert np.all(concealment.step(True, False).noise > 0.999)
    rising = concealment.step(False, False).programme
    assert np.all(np.diff(rising) > 0)
    assert rising[-1] == 1.0
    assert np.all(concealment.step(False, False).programme == 1.0)


def test_a_pause_fades_at_once():
    assert Concealment(FRAME).step(False, True).noise[-1] == pytest.approx(np.sqrt(0.5), abs=1e-6)


def test_one_lost_frame_in_a_pause_changes_nothing():
    concealment = Concealment(FRAME)
    for _ in range(3):
        concealment.step(False, True)
    assert np.all(concealment.step(True, False).noise > 0.999)


def pink(frames, seed=0):
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(FRAME * frames))
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    sound = np.fft.irfft(spectrum)
    return sound / np.sqrt(np.mean(sound**2))


def third_octaves_db(sound):
    power = np.abs(np.fft.rfft(sound)) ** 2
    edges = np.geomspace(200, 20_000, 20) / 24_000 * power.size
    return 10 * np.log10([power[int(a) : int(b)].mean() for a, b in pairwise(edges)])


def test_comfort_noise_has_the_level_and_the_spectrum_of_the_background():
    background = 0.01 * pink(200)
    shape = NoiseShape.of(background[: 20 * FRAME])
    assert shape.level_dbov == pytest.approx(-40, abs=1)
    assert len(shape.reflections) == ORDER
    noise = ComfortNoise(FRAME)
    made = np.concatenate([noise.frame(shape) for _ in range(200)])[FRAME:]
    assert made.dtype == np.float32
    assert 10 * np.log10(np.mean(made**2)) == pytest.approx(shape.level_dbov, abs=0.5)
    difference = third_octaves_db(made) - third_octaves_db(background[FRAME:])
    assert np.abs(difference).mean() < 2.0


def test_comfort_noise_has_no_seams():
    noise = ComfortNoise(FRAME)
    frames = np.stack([noise.frame(NoiseShape(-20)) for _ in range(2000)])[1:]
    power_db = 10 * np.log10(np.mean(frames**2, axis=0).reshape(20, -1).mean(1))
    assert np.ptp(power_db) < 0.4  # alike at the edges and in the middle of a frame


@settings(deadline=None)
@given(st.integers(-127, 0), st.lists(st.integers(-127, 127), max_size=16))
def test_any_description_makes_a_bounded_noise(level, steps):
    """Descriptions come from the network; the power is the level's, whatever the filter is."""
    noise = ComfortNoise(FRAME)
    frames = np.concatenate([noise.frame(NoiseShape(level, tuple(steps))) for _ in range(4)])
    assert np.all(np.isfinite(frames))
    assert np.sqrt(np.mean(frames**2)) <= 4 * 10 ** (level / 20)


@pytest.mark.parametrize(
    "sound", [np.zeros(FRAME), np.ones(FRAME), np.sin(0.1 * np.arange(FRAME)), np.zeros(0),
              np.full(FRAME, np.nan), np.full(FRAME, 1e30), np.ones(3)]
)  # fmt: skip
def test_odd_sounds_have_a_description(sound):
    shape = NoiseShape.of(sound)
    assert NoiseShape.from_bytes(shape.to_bytes()) == shape
    assert np.all(np.isfinite(ComfortNoise(FRAME).frame(shape)))


@settings(deadline=None)
@given(st.lists(st.floats(-80, 0), min_size=1, max_size=250), st.integers(-127, 0))
def test_the_floor_is_never_louder_than_the_programme(levels_db, told):
    floor = NoiseFloor()
    for level_db in levels_db:
        floor.update(np.full(FRAME, 10 ** (level_db / 20)))
    assert floor.shape.level_dbov <= min(levels_db[-50:]) + 1e-6
    assert floor.limited(NoiseShape(told)).level_dbov <= max(-50, max(levels_db) + 1e-6)
    assert floor.limited(NoiseShape(told)).level_dbov <= told


def test_the_floor_follows_a_louder_background():
    floor = NoiseFloor()
    for level in (0.001, 0.1):
        for _ in range(110):
            floor.update(np.full(FRAME, level))
    assert floor.shape.level_dbov == -20
