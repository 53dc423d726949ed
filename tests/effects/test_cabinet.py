"""The cabinet against scipy, and every way a file can be wrong."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

import rtaudio as rt
from rtaudio.effects.cabinet import normalized, resampled
from training.guitar.cabinets import FOLDER


def response(taps, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((channels, taps)) * np.exp(-5.0 * np.arange(taps) / taps)


def close(actual, expected):
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= 2e-6 * np.abs(expected).max()


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    taps=st.one_of(st.integers(1, 700), st.sampled_from([127, 128, 129, 256, 257, 4096, 96000])),
    block=st.integers(1, 4096),
    channels=st.integers(1, 2),
)
def test_is_a_convolution(taps, block, channels):
    x = np.random.default_rng(1).standard_normal((channels, 3000)).astype(np.float32)
    h = response(taps)
    wet = rt.Cabinet.from_array(h, 48000)(x, 48000, block=block)
    close(wet, fftconvolve(x.astype(float), normalized(h, 48000), axes=1)[:, :3000])


@pytest.mark.parametrize("channels", [1, 2])
def test_a_stereo_response_makes_stereo(channels):
    x = np.random.default_rng(1).standard_normal((channels, 3000)).astype(np.float32)
    h = response(1000, 2)
    wet = rt.Cabinet.from_array(h, 48000)(x, 48000)
    both = np.broadcast_to(x, (2, 3000)).astype(float)
    close(wet, fftconvolve(both, normalized(h, 48000), axes=1)[:, :3000])


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 48000), (96000, 48000), (48000, 96000)])
def test_another_rate_is_the_same_cabinet(from_hz, to_hz):
    """A response given at two rates has one magnitude in the audible band."""
    t = np.arange(from_hz // 10) / from_hz
    decay = np.exp(-300.0 * t) * (1 - np.exp(-6000.0 * t)) ** 3
    h = (decay * np.sin(2 * np.pi * 900.0 * t))[None]
    out = resampled(h, from_hz, to_hz)
    f = np.arange(100.0, 5000.0, 50.0)
    there, here = (
        r[0] @ np.exp(-2j * np.pi * np.arange(r.shape[1])[:, None] * f / rate)
        for r, rate in ((h, from_hz), (out, to_hz))
    )
    assert np.abs(there - here).max() < 1e-4 * np.abs(there).max()


def test_swapping_cabinets_keeps_the_loudness():
    rng = np.random.default_rng(0)
    pink = np.fft.irfft(np.fft.rfft(rng.standard_normal(96000)) / np.sqrt(np.arange(1, 48002)))
    pink /= pink.std()
    levels = [
        rt.Cabinet.from_array(scale * response(taps, seed=taps), rate)(pink, 48000)[20000:].std()
        for taps, scale, rate in ((200, 1.0, 48000), (9000, 0.01, 44100), (2000, 30.0, 96000))
    ]
    assert 20 * np.log10(max(levels) / min(levels)) < 3.0


def test_gain_is_live(play):
    cabinet = rt.Cabinet.from_array([1.0], 48000)
    program = cabinet.compile(48000, 64)
    out = play(program, np.ones(4800), [64], {2400: {("cabinet", "gain_db"): -20.0}})[0]
    np.testing.assert_allclose([out[2399], out[-1]], [1.0, 0.1], rtol=1e-5)
    assert np.abs(np.diff(out[1:])).max() < 1.1 * 0.9 / 960


def test_reads_a_file(tmp_path):
    path = tmp_path / "cab.wav"
    h = response(500)
    soundfile.write(path, h.T, 44100, subtype="FLOAT")
    x = np.random.default_rng(2).standard_normal(2000).astype(np.float32)
    np.testing.assert_allclose(
        rt.Cabinet(str(path))(x, 48000), rt.Cabinet.from_array(h, 44100)(x, 48000), atol=1e-5
    )


@pytest.mark.parametrize(
    ("samples", "remedy"),
    [
        (np.zeros((0, 1)), "is empty"),
        (np.zeros((100, 1)), "is silent"),
        (np.full((100, 1), np.nan), "contains NaN"),
        (np.ones((100, 3)), "has 3 channels; make it mono or stereo"),
        (np.ones((96001, 1)), "cut it to 2 s"),
    ],
)
def test_refuses_a_useless_file_with_one_line(tmp_path, samples, remedy):
    path = tmp_path / "cab.wav"
    soundfile.write(path, samples, 48000, subtype="FLOAT")
    with pytest.raises(ValueError, match=remedy) as error:
        rt.Cabinet(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_refuses_what_is_not_a_sound_file(tmp_path):
    path = tmp_path / "cab.wav"
    path.write_text("not a wav")
    with pytest.raises(ValueError, match=r"cab\.wav: not a sound file"):
        rt.Cabinet(path)
    with pytest.raises(FileNotFoundError, match=r"none\.wav: no such file"):
        rt.Cabinet(tmp_path / "none.wav")
    with pytest.raises(FileNotFoundError):
        rt.Cabinet(tmp_path)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.wav")), ids=lambda file: file.stem)
@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_the_shipped_cabinets_sound_the_same_at_every_rate(file, rate):
    """Their level from 100 Hz to 6 kHz does not move by half a decibel."""
    frequency = np.geomspace(100.0, 6000.0, 60)

    def level_db(rate):
        impulse = np.zeros(rate // 4, np.float32)
        impulse[0] = 1.0
        waves = np.exp(-2j * np.pi * np.outer(frequency, np.arange(rate // 4)) / rate)
        return 20 * np.log10(np.abs(waves @ rt.Cabinet(file)(impulse, rate)))

    assert np.abs(level_db(rate) - level_db(48000)).max() < 0.5
