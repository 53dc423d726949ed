"""Oversampling against scipy: the same filters on the whole signal, and each copy by itself."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter, upfirdn

from rtaudio.analysis.aliasing import aliasing_db
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.gain import Gain
from rtaudio.effects.model import Model
from rtaudio.models.contract.check import read_model
from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.kernels.oversampler import oversampled_node
from rtaudio.runtime.kernels.resampler import low_pass
from rtaudio.runtime.offline import run
from rtaudio.runtime.words import address_of, struct_at

RATE = 48000
CURVE = state_dtype(("drive", "f4"))
POLE = state_dtype(("pole", "f4"), ("y", "f4"))
curve_at, pole_at = struct_at(CURVE), struct_at(POLE)


@kernel(CURVE)
def curve(state, src, dst, frames):
    """Distort, without memory."""
    s = curve_at(address_of(state))
    for i in range(frames):
        dst[i] = math.tanh(s.drive * src[i])
    return 0


@kernel(POLE)
def one_pole(state, src, dst, frames):
    """Filter, without distortion."""
    s = pole_at(address_of(state))
    for i in range(frames):
        s.y = src[i] + s.pole * s.y
        dst[i] = s.y
    return 0


class Shaper(Effect):
    """Copies of a node, oversampled."""

    factor: int = 1

    def copy(self):
        return Node(curve, drive=8.0)

    def build(self, builder, x, slots):
        copies = [self.copy() for _ in range(self.factor)]
        if self.factor == 1:
            return builder.run_each(copies, x)
        return builder.run_each([oversampled_node(copies, builder.rate_hz, builder.block)], x)


class Filter(Shaper):
    def copy(self):
        return Node(one_pole, pole=0.9)


def by_onnx_runtime(path, x):
    """Play a model over a whole signal with ONNX Runtime's own Python binding."""
    model = read_model(path)
    session = onnxruntime.InferenceSession(model.data)
    state = {s.input_name: s.zeros() for s in model.states}
    return session.run(["audio_out"], {"audio": x.reshape(1, 1, -1), **state})[0][0, 0]


def reference(x, factor, of_phase):
    """Oversample a whole signal by definition; late by the delay of both filters."""
    taps = low_pass(RATE, factor * RATE, half_multiple=factor // 2)
    late = (len(taps) - 1) // factor
    high = upfirdn(factor * taps, np.pad(x, (0, 2 * late)), factor)
    high = high[: len(high) // factor * factor]
    phases = [of_phase(high[p::factor]) for p in range(factor)]
    both = np.ravel(np.stack(phases, axis=1))
    return upfirdn(taps, both, 1, factor)[late : late + len(x)]


@pytest.mark.parametrize("factor", [2, 4])
@settings(deadline=None, max_examples=10, derandomize=True)
@given(block=st.integers(1, 700), seed=st.integers(0, 99))
def test_is_its_definition_at_any_block_size(factor, block, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, 2000).astype(np.float32)
    out = Shaper(factor=factor)(x, RATE, block=block)
    wanted = reference(x, factor, lambda phase: np.tanh(8.0 * phase))
    np.testing.assert_allclose(out, wanted, atol=5e-6)
    whole = Shaper(factor=factor)(x, RATE, block=2000)
    np.testing.assert_array_equal(out, whole)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_what_does_not_distort_is_only_delayed_by_the_reported_latency(factor, rate):
    """Below 20 kHz a filter stays itself: its time constants are those of its own rate."""
    spectrum = np.zeros(8192, complex)
    inside = slice(10, int(0.88 * min(20000, 0.907 * rate / 2) / rate * 16382))
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, 8192)
    spectrum[inside] = np.exp(1j * phase[inside])
    period = np.fft.irfft(spectrum)
    x = np.tile(period / np.abs(period).max(), 3).astype(np.float32)
    out = Filter(factor=factor)(x, rate)
    plain = lfilter([1.0], [1.0, -0.9], x)
    middle = slice(2000, -2000)
    assert np.abs(out - plain)[middle].max() < 3e-5 * np.abs(plain).max()


def test_removes_aliases_of_a_tanh():
    """Sines through tanh(8 x): from 2.5 to 5 kHz the aliases fall by 30 dB at 2x; at 4x to -69."""
    sines = (2503, 3541, 4999, 7001, 9001)
    plain, twice, four = (
        np.array(list(aliasing_db(Shaper(factor=f), sines_hz=sines).values())) for f in (1, 2, 4)
    )
    assert plain.max() > -20.0
    assert np.all((plain - twice)[:3] > 30.0)
    assert np.all((plain - twice)[3:] > 13.0)
    assert np.all(four < -69.0)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("engine", ["onnx", "native"])
def test_a_model_plays_each_phase_by_itself(model_file, factor, engine):
    path = model_file("lstm")
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 3000).astype(np.float32)
    out = Model(path, oversample=factor, engine=engine)(x, RATE)
    wanted = reference(x, factor, lambda phase: by_onnx_runtime(path, phase.astype(np.float32)))
    np.testing.assert_allclose(out, wanted, atol=2e-5)


def test_a_model_at_another_rate_is_oversampled_at_its_own(model_file):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 3000).astype(np.float32)
    path = model_file("lstm", rate=44100)
    program = Model(path, oversample=2).compile(RATE, 64)
    plain = Model(path).compile(RATE, 64)
    own = (len(low_pass(44100, 88200)) - 1) // 2 * 48000 / 44100
    assert abs(program.latency_samples - plain.latency_samples - own) <= 1.0
    sizes = [Model(path, oversample=2)(x, RATE, block=block) for block in (64, 1000)]
    np.testing.assert_allclose(*sizes, atol=1e-6)


def test_a_knob_reaches_every_copy(model_file):
    program = Model(model_file("knob"), oversample=4, name="amp").compile(RATE, 64)
    run(program, np.ones((1, 6400), np.float32))
    program.set("amp.level", 2.0)
    out = run(program, np.ones((1, 6400), np.float32))[0]
    np.testing.assert_allclose(out[3200:], 2.0, rtol=1e-4)


def test_what_cannot_be_oversampled_is_refused_in_one_line(model_file):
    for path in (model_file("lag", hop=64), model_file("lag", channels=2)):
        with pytest.raises(ValueError, match="oversample = 2: only models of one channel") as error:
            Model(path, oversample=2)
        assert "\n" not in str(error.value)


def test_stereo_has_copies_of_its_own(model_file):
    path = model_file("lstm")
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2000)).astype(np.float32)
    both = Chain([Gain(), Model(path, oversample=2)])(x, RATE)
    for channel in range(2):
        np.testing.assert_array_equal(both[channel], Model(path, oversample=2)(x[channel], RATE))


@pytest.mark.data
def test_a_captured_amp_sounds_the_same_without_its_aliases(data_folder):
    """A guitar has no treble to fold: what it plays does not change, a sine of 5 kHz does."""
    path = data_folder / "guitar" / "captures" / "dumble.nam"
    di, rate = soundfile.read(data_folder / "guitar" / "di" / "guitar_nam_plugin.flac")
    di = di[2 * rate : 4 * rate].astype(np.float32)
    plain, twice = (Model(path, oversample=factor) for factor in (1, 2))
    wanted = plain(di, rate)
    error = np.sum((twice(di, rate) - wanted) ** 2) / np.sum(wanted**2)
    assert 10 * np.log10(error) < -80.0
    aliases = [aliasing_db(model, rate, sines_hz=[4999])[4999] for model in (plain, twice)]
    assert aliases[0] - aliases[1] > 12.0
