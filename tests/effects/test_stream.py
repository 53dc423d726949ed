"""Sound in pieces: a stream is the render of the whole, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtaudio as rt

RATE = 48000
SMEARED = np.exp(-np.arange(900) / 100.0) * np.cos(0.1 * np.arange(900))
CHAINS = {
    "mono": lambda: rt.Chain(rt.NoiseGate(-40), rt.Cabinet.from_array(SMEARED, RATE), rt.Limiter()),
    "stereo": lambda: rt.Chain(rt.Compressor(-30), rt.Delay(10, ping_pong=True), rt.Equalizer(80)),
    "crunch": lambda: rt.load_preset("crunch"),
    "hop": lambda: rt.Chain(rt.Model(rt.shipped_models()["denoise"], worker=True)),
}
RATES = {"crunch": 44100}
every_chain = pytest.mark.parametrize("name", CHAINS)


def noise(frames, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.4, 0.4, (channels, frames)).astype(np.float32)


def played(stream, x, cuts):
    pieces = np.split(x, sorted(cuts), axis=1)
    return [stream.process(piece) for piece in pieces[:-1]] + [
        stream.process(pieces[-1], last=True)
    ]


@every_chain
def test_a_stream_is_the_render_of_the_whole_at_any_split(name):
    chain, rate = CHAINS[name](), RATES.get(name, RATE)
    streams = {channels: chain.stream(rate, channels) for channels in (1, 2)}

    @settings(deadline=None, max_examples=12, derandomize=True)
    @given(
        frames=st.integers(1, 3000),
        cuts=st.lists(st.integers(0, 3000), max_size=8),
        channels=st.integers(1, 2),
    )
    def check(frames, cuts, channels):
        x, stream = noise(frames, channels), streams[channels]
        wet = played(stream, x, [min(cut, frames) for cut in cuts])
        whole = chain(x, rate)
        late = stream.latency_samples
        joined = np.concatenate(wet, axis=1)
        assert joined.dtype == np.float32
        assert joined.shape == (stream.out_channels, frames + late)
        np.testing.assert_allclose(joined[:, late:], whole, atol=2e-6)

    check()


@every_chain
def test_each_piece_comes_back_as_long_as_it_was(name):
    stream = CHAINS[name]().stream(RATES.get(name, RATE))
    for frames in (0, 1, 20000, 7, 480):
        assert stream.process(np.zeros((1, frames), np.float32)).shape[1] == frames


def test_a_parameter_may_change_between_two_calls_and_is_a_ramp():
    gain = rt.Gain()
    stream = rt.Chain(gain, rt.ToneStack()).stream(RATE)
    stream.process(np.ones(100))
    gain.gain_db = -20
    wet = stream.process(np.ones(2000))
    assert wet[0] > 0.99
    assert np.abs(np.diff(wet)).max() < 0.9 / 900
    np.testing.assert_allclose(wet[960:], 0.1, atol=1e-6)


def test_clear_forgets_the_sound_and_takes_what_the_chain_is_now():
    chain = rt.Chain(rt.Delay(10, mix=1.0))
    stream = chain.stream(RATE)
    first = stream.process(np.ones(400))
    stream.process(np.ones(400))
    stream.clear()
    np.testing.assert_array_equal(stream.process(np.ones(400)), first)
    chain.append(rt.Limiter())
    assert stream.latency_samples == 0
    stream.clear()
    assert stream.latency_samples == 72


def test_after_the_last_piece_the_next_sound_begins():
    stream = rt.Chain(rt.Limiter()).stream(RATE)
    x = noise(500)[0]
    first, second = stream.process(x, last=True), stream.process(x, last=True)
    np.testing.assert_array_equal(first, second)


def test_a_wrong_piece_is_refused_and_leaves_the_stream_as_it_was():
    x = noise(1000, 2)
    stream, untouched = (rt.Chain(rt.Delay(5)).stream(RATE, channels=2) for _ in range(2))
    first = [s.process(x) for s in (stream, untouched)]
    for bad, words in (
        (x.T, r"\[2, frames\], not \(1000, 2\); turn it with \.T"),
        (x[0], r"\[2, frames\], not \(1, 1000\)"),
        (np.full((2, 3), np.nan), "NaN or infinite"),
        (b"\0\0", "np.frombuffer"),
    ):
        with pytest.raises(rt.AudioError, match=words):
            stream.process(bad)
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(stream.process(x), untouched.process(x))


def test_a_chain_that_cannot_play_is_refused_at_once():
    with pytest.raises(rt.ParameterError, match="rate_hz = 100 is out of range"):
        rt.Chain().stream(100)
