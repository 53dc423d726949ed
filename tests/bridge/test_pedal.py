"""The effects of pedalboard as ours: the samples of pedalboard's own render of a whole file."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import soundfile

import rtaudio as rt
from rtaudio.bridge.library import built_in_effects
from rtaudio.bridge.pedal import WHOLE_ONLY
from rtaudio.bridge.unit import Unit
from rtaudio.runtime.worker import worker_latency_samples

RATE = 44100
SETTINGS = {
    "Bitcrush": {"bit_depth": 6.0},
    "Delay": {"delay_seconds": 0.1, "feedback": 0.4},
    "Gain": {"gain_db": -3.0},
    "GSMFullRateCompressor": {"quality": "Linear"},
    "LadderFilter": {"mode": "BPF12", "cutoff_hz": 900.0, "drive": 2.0},
    "PitchShift": {"semitones": 3.0},
    "Resample": {"target_sample_rate": 8000.0},
    "Reverb": {"room_size": 0.8, "wet_level": 0.5},
}
"""Away from the defaults, where those would do nothing or hide a fault."""


def names():
    pytest.importorskip("pedalboard", reason="pedalboard is not installed (its extra)")
    return sorted(built_in_effects())


def noise(channels=2, seconds=0.7, seed=0):
    bursts = np.random.default_rng(seed).standard_normal((channels, round(seconds * RATE)))
    bursts *= np.linspace(0.0, 0.3, bursts.shape[1])
    return bursts.astype(np.float32)


def pedal(name, tmp_path):
    settings = SETTINGS.get(name, {})
    if name == "Convolution":
        response = np.exp(-np.arange(400) / 60.0)
        soundfile.write(tmp_path / "response.wav", response, RATE)
        settings = {"impulse_response_filename": str(tmp_path / "response.wav"), "mix": 0.7}
    return rt.Pedal(name, dict(settings))


def test_there_are_the_effects_that_pedalboard_lists():
    assert len(names()) >= 20
    assert {"Reverb", "Compressor", "PitchShift", "MP3Compressor"} <= set(names())
    assert not {"VST3Plugin", "Chain", "Pedalboard", "Mix"} & set(names())


@pytest.mark.parametrize("name", names())
def test_offline_equals_pedalboard(name, tmp_path, pedalboard):
    effect = pedal(name, tmp_path)
    x = noise()
    own = effect._new(effect.values())
    expected = pedalboard.Pedalboard([own])(x, RATE)
    wet = effect(x, RATE)
    assert wet.shape == x.shape
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(wet, expected, rtol=0.0, atol=1e-6)
    if name not in WHOLE_ONLY:
        rendered = rt.Chain(effect)(x, RATE, block=100)
        np.testing.assert_allclose(rendered, expected, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("name", ["Reverb", "Delay", "MP3Compressor"])
def test_a_stream_is_the_whole_in_pieces_of_any_size(name, tmp_path):
    x = noise(channels=1)
    stream = pedal(name, tmp_path).stream(RATE)
    cuts = np.cumsum([1, 2, 700, 63, 64, 3000, 511, 513])
    pieces = [stream.process(piece) for piece in np.split(x, cuts, axis=1)]
    pieces.append(stream.process(np.zeros((1, 0), np.float32), last=True))
    late = np.concatenate(pieces, axis=1)[:, stream.latency_samples :]
    again = pedal(name, tmp_path).stream(RATE)
    whole = again.process(x, last=True)[:, again.latency_samples :]
    np.testing.assert_allclose(late, whole, rtol=0, atol=2e-6)
    if name != "MP3Compressor":
        assert stream.latency_samples == 63
        np.testing.assert_allclose(late, pedal(name, tmp_path)(x, RATE), rtol=0, atol=1e-6)


def test_a_pedal_is_an_effect_with_mix_bypass_name_and_parameters():
    hall = rt.Pedal("Reverb", {"room_size": 0.9}, name="hall", mix=0.3)
    program = rt.Chain(hall, rt.Gain()).compile(RATE, 64, offline=True)
    assert program.get("hall.room_size") == np.float32(0.9)
    program.set("hall.room_size", 0.2)
    assert hall.parameters["room_size"] == 0.2
    assert program.plan.controls["hall.room_size"].range == (0.0, 1.0, "")
    assert program.plan.controls["hall.room_size"].default == 0.5
    x = noise(1)
    dry = rt.Pedal("GSMFullRateCompressor", bypass=True)(x, RATE)
    np.testing.assert_array_equal(dry, x)


def test_parameters_change_between_the_pieces_of_a_stream():
    quiet = rt.Pedal("Gain", {"gain_db": 0.0})
    stream = quiet.stream(RATE)
    x = np.ones(2000, np.float32)
    assert np.allclose(stream.process(x)[-100:], 1.0, atol=1e-4)
    quiet.parameters = {"gain_db": -20.0}
    assert np.allclose(stream.process(x)[-100:], 0.1, atol=1e-4)


def test_copies_and_pickles_are_equal():
    hall = rt.Pedal("Reverb", {"room_size": 0.9}, name="hall")
    for twin in (copy.deepcopy(hall), pickle.loads(pickle.dumps(hall))):
        assert twin == hall
        twin.parameters = {"room_size": 0.1}
        assert twin != hall


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rt.Pedal("Revreb"), "pedalboard has no effect 'Revreb'; did you mean 'Reverb'?"),
        (
            lambda: rt.Pedal("Reverb", {"room_szie": 1.0}),
            "reverb: has no parameter 'room_szie'; did you mean 'room_size'?",
        ),
        (lambda: rt.Pedal("Invert", {"a": 1.0}), "invert: has no parameters; remove 'a'"),
        (
            lambda: rt.Pedal("Reverb", {"room_size": 2.0}, name="hall"),
            "hall.room_size = 2 is out of range 0 .. 1",
        ),
        (lambda: rt.Pedal("Reverb", {"room_size": "big"}), "room_size = 'big' is not a number"),
        (lambda: rt.Pedal("LadderFilter", {"mode": "LPF13"}), "did you mean 'LPF12'?"),
        (lambda: rt.Pedal("MP3Compressor")(noise(1), 50000), "mp3compressor: "),
        (lambda: rt.Pedal("VST3Plugin"), "pedalboard has no effect 'VST3Plugin'"),
    ],
)
def test_bad_values_are_refused_in_one_line(make, words):
    with pytest.raises(rt.RtaudioError) as error:
        make()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_without_the_extra_one_line_has_the_remedy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(rt.PluginError, match=r"pip install 'rtaudio\[pedalboard\]'$"):
        rt.Pedal("Reverb")


@pytest.mark.parametrize("name", WHOLE_ONLY)
def test_what_pedalboard_cannot_play_in_pieces_is_refused(name):
    """Once pedalboard plays them in pieces, this fails, and the refusal can go."""
    shift = rt.Pedal(name)
    with pytest.raises(rt.PluginError, match="cannot play it in pieces"):
        rt.Chain(shift).plan(RATE, 64)
    with pytest.raises(rt.PluginError, match="cannot play it in pieces"):
        rt.Board([shift]).process(noise(), RATE, reset=False)
    theirs, x = shift._new(shift.values()), noise(1, 3.0)
    out = [theirs.process(piece, RATE, reset=False) for piece in np.split(x, 300, axis=1)]
    whole = shift(x, RATE)
    assert np.abs(whole).max() > 0.1
    assert np.abs(np.concatenate(out, axis=1)).max() < 0.3 * np.abs(whole).max()


def test_what_is_held_back_is_waited_for_and_never_lost():
    unit = Unit("coder", rt.Pedal("MP3Compressor").load(), RATE, 1, 512, {})
    x = noise(1)
    pieces = [unit.process(x[:, at : at + 512]) for at in range(0, x.shape[1] - 511, 512)]
    late = np.concatenate(pieces, axis=1)[:, unit.latency_samples :]
    assert unit._wet.lost == 0
    whole = rt.Pedal("MP3Compressor")(x, RATE)
    np.testing.assert_allclose(late, whole[:, : late.shape[1]], atol=1e-6)


def test_live_the_latency_is_that_of_the_worker():
    plan = rt.Board([rt.Pedal("Gain"), rt.Pedal("Invert")]).plan(48000, 64)
    assert plan.latency_samples == worker_latency_samples(256, 64)
    assert plan.latency_parts == {"gain + invert": plan.latency_samples}
    assert len(plan.workers) == 1
    own = rt.Board([rt.Pedal("Gain", chunk=64), rt.Gain(), rt.Pedal("Invert", chunk=64)])
    assert own.plan(48000, 64).latency_samples == 2 * worker_latency_samples(64, 64)
