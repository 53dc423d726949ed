"""The presets for the end of a live chain: any input, one loudness, a knob, a fair bypass."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.preset.load import load_preset

TARGETS = {"master": -14.0, "master-podcast": -16.0, "broadcast": -23.0}
HEARD_AFTER_S = 10


def programme(rate, level):
    """Return 24 s with beats every half second, verses and choruses 4 dB louder."""
    rng = np.random.default_rng(0)
    frames = 24 * rate
    hertz = np.maximum(np.fft.rfftfreq(frames, 1.0 / rate), 30.0)
    noise = rng.standard_normal((2, frames))
    x = np.fft.irfft(np.fft.rfft(noise) * (hertz / 1000) ** -0.75 * (hertz < 18000), frames)
    at = np.arange(frames) / rate
    beat = 0.2 + np.exp(-8.0 * (at % 0.5))
    x *= beat * np.where(at % 14 < 7, 1.0, 1.6)
    return (level * x / np.sqrt(np.mean(x**2))).astype(np.float32)


def after_start(x, rate):
    return programme_loudness(x[:, HEARD_AFTER_S * rate :], rate)


@pytest.mark.parametrize(
    ("name", "rate", "level", "block"),
    [
        ("master", 44100, 0.01, 64),
        ("master-podcast", 48000, 0.02, 480),
        ("broadcast", 96000, 0.3, 1024),
    ],
)
def test_any_input_gets_the_target_and_stays_below_the_ceiling(name, rate, level, block):
    out = load_preset(name)(programme(rate, level), rate, block=block)
    found = after_start(out, rate)
    assert found.integrated_lufs == pytest.approx(TARGETS[name], abs=0.5)
    assert programme_loudness(out, rate).true_peak_dbtp <= -1.0 + 0.01


def test_intensity_and_its_bypass_do_not_change_the_loudness():
    levels, sounds = [], []
    for mix, bypass in ((0.0, False), (1.0, False), (1.0, True)):
        chain = load_preset("master")
        chain["intensity"].mix, chain["intensity"].bypass = mix, bypass
        sounds.append(chain(programme(44100, 0.1), 44100))
        levels.append(after_start(sounds[-1], 44100).integrated_lufs)
    assert max(levels) - min(levels) < 0.5
    np.testing.assert_array_equal(sounds[0], sounds[2])
    assert np.abs(sounds[0] - sounds[1]).max() > 0.01
