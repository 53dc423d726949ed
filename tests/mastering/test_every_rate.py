"""The live presets keep their promises at every rate, block size and number of channels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from rtaudio.preset.load import load_preset
from rtaudio.runtime.offline import run

BLOCKS = (64, 100, 441, 512, 1024)
SECONDS = 0.3

pytestmark = [
    pytest.mark.parametrize("channels", [1, 2]),
    pytest.mark.parametrize("rate", [44100, 48000, 88200, 96000]),
    pytest.mark.parametrize("name", ["master", "master-podcast", "broadcast"]),
]


def played(chain, x, rate, block):
    return run(chain.compile(rate, block, in_channels=len(x), offline=True), x)


def noise(rate, channels):
    return np.random.default_rng(0).standard_normal((channels, round(SECONDS * rate)), np.float32)


def rough(rate, channels):
    """Return silence, denormal numbers, a constant, a square wave, and noise far above 0 dBFS."""
    x = noise(rate, channels)
    pieces = np.array_split(x, 5, axis=1)
    pieces[0][:] = 0.0
    pieces[1] *= np.float32(1e-39)
    pieces[2][:] = 0.9
    pieces[3][:] = np.sign(np.sin(2 * np.pi * 997 / rate * np.arange(pieces[3].shape[1])))
    pieces[4] *= 10.0
    return np.concatenate(pieces, axis=1)


def test_latency_and_sound_do_not_depend_on_the_block(name, rate, channels):
    chain, x = load_preset(name), rough(rate, channels)
    late = {chain.compile(rate, b, in_channels=channels).latency_samples for b in BLOCKS}
    assert len(late) == 1
    first, *others = (played(chain, x, rate, block) for block in BLOCKS)
    assert first.shape == x.shape
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_the_reported_latency_is_where_sound_and_input_agree_best(name, rate, channels):
    chain, x = load_preset(name), 0.1 * noise(rate, channels)
    program = chain.compile(rate, 512, in_channels=channels, offline=True)
    y, size = run(program, x), 2 * x.shape[1]
    both = np.fft.irfft(np.fft.rfft(y, size) * np.fft.rfft(x, size).conj())
    assert np.abs(both).argmax(axis=1).tolist() == [program.latency_samples] * channels


def test_no_true_peak_is_above_the_ceiling(name, rate, channels):
    """By scipy, 16 times oversampled; without the limiter that leaves the last one little to do."""
    chain = load_preset(name)
    if name != "broadcast":
        chain["peaks"].bypass = True
    y = played(chain, rough(rate, channels), rate, 441)
    peak_db = 20.0 * np.log10(np.abs(resample_poly(y, 16, 1, axis=1)).max())
    assert -3.0 < peak_db <= -1.0 + 0.02


def test_what_is_no_sound_is_kept_out(name, rate, channels):
    x = 0.1 * noise(rate, channels)
    for place, value in ((1000, np.nan), (3000, np.inf), (5000, -np.inf), (7000, 3e38)):
        x[:, place : place + 20] = value
    y = played(load_preset(name), x, rate, 100)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 1.0
    assert y[:, -1000:].any()
