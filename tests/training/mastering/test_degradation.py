"""Degradations: known settings, in range, repeatable, and no sample moved."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from rtaudio.analysis.programme_loudness import programme_loudness
from training.mastering.degradation import (
    KINDS,
    MISALIGNING,
    check_kinds,
    draw_degradation,
)

RATE = 44100


def noise(seconds=1.0, seed=0):
    generator = np.random.default_rng(seed)
    return (0.1 * generator.standard_normal((2, round(seconds * RATE)))).astype(np.float32)


def level_db(x, low, high):
    power = np.abs(np.fft.rfft(x)) ** 2
    hertz = np.fft.rfftfreq(x.shape[-1], 1 / RATE)
    return 10 * np.log10(power[:, (hertz >= low) & (hertz < high)].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_each_keeps_every_sample_in_its_place(kind):
    x = noise()
    y = draw_degradation(np.random.default_rng(1), [kind])(x, RATE)
    assert y.shape == x.shape
    assert not np.array_equal(y, x)
    middle = x[:, 4096:-4096]
    lags = [(y[:, 4096 + lag : x.shape[1] - 4096 + lag] * middle).sum() for lag in range(-40, 41)]
    assert int(np.argmax(lags)) == 40


def test_the_same_seed_is_the_same_sound_and_settings():
    x = noise()
    one, two = (draw_degradation(np.random.default_rng(3), KINDS) for _ in range(2))
    assert one.settings == two.settings
    assert np.array_equal(one(x, RATE), two(x, RATE))
    assert draw_degradation(np.random.default_rng(4), KINDS).settings != one.settings


def test_what_is_measured_is_what_the_settings_say():
    x = noise(4.0)
    generator = np.random.default_rng(0)
    for _ in range(4):
        degradation = draw_degradation(generator, ["noise"])
        assert 0.001 <= degradation.noise <= 0.015
        assert (degradation(x, RATE) - x).std() == pytest.approx(degradation.noise, rel=0.02)
        degradation = draw_degradation(generator, ["gain"])
        factor = 10 ** (degradation.settings["gain"]["gain_db"] / 20)
        assert 0.9 <= factor <= 1.1
        np.testing.assert_allclose(degradation(x, RATE), factor * x, rtol=1e-5, atol=1e-7)
        degradation = draw_degradation(generator, ["tilt"])
        y = degradation(x, RATE)
        rise = [level_db(y, hz, 1.2 * hz) - level_db(x, hz, 1.2 * hz) for hz in (250, 4000)]
        slope = degradation.settings["tilt"]["db_per_octave"]
        assert (rise[1] - rise[0]) / 4 == pytest.approx(slope, abs=0.1)
        degradation = draw_degradation(generator, ["bands"])
        y = degradation(x, RATE)
        change = level_db(y, 20, 60) - level_db(x, 20, 60)
        assert change == pytest.approx(degradation.settings["bands"]["low_shelf_db"], abs=1.0)
        degradation = draw_degradation(generator, ["resonance"])
        hz = degradation.settings["resonance"]["peak2_hz"]
        y = degradation(x, RATE)
        change = level_db(y, 0.99 * hz, 1.01 * hz) - level_db(x, 0.99 * hz, 1.01 * hz)
        assert change == pytest.approx(degradation.settings["resonance"]["peak2_db"], abs=1.0)
        degradation = draw_degradation(generator, ["width"])
        y = degradation(x, RATE)
        change = level_db(y[:1] - y[1:], 50, 500) - level_db(x[:1] - x[1:], 50, 500)
        wanted = 20 * np.log10(degradation.settings["width"]["low_width"])
        assert change == pytest.approx(wanted, abs=0.5)
        swelling = x * np.linspace(0.1, 3, x.shape[1], dtype=np.float32)
        y = draw_degradation(generator, ["compression"])(swelling, RATE)
        crests = [programme_loudness(each, RATE).crest_db for each in (swelling, y)]
        assert crests[1] < crests[0] - 1


def test_what_moves_samples_is_refused_with_the_reason():
    assert not set(MISALIGNING) & set(KINDS)
    for name in MISALIGNING:
        with pytest.raises(ValueError, match=f"{name} moves samples in time"):
            check_kinds(["noise", name])
    with pytest.raises(ValueError, match="unknown degradation 'hum'; choose from tilt"):
        check_kinds(["hum"])
