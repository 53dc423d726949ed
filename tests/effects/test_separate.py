"""The separator as an effect: levels per stem, exact sums, latency, mono, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.models.stems import STEMS
from rtaudio.shipped import shipped_models

RATE = 44100
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 12000)).astype(np.float32)


@pytest.mark.parametrize("rate", [RATE, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_at_rest_it_is_a_delay(play, separator, rate, channels):
    program = rt.Separate(separator).compile(rate, 64, in_channels=channels)
    out = play(program, NOISE[:channels])
    late = program.latency_samples
    assert program.out_channels == channels
    np.testing.assert_allclose(out[:, late:], NOISE[:channels, : 12000 - late], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "gain"),
    [
        ({"vocals_mute": True}, 0.6),
        ({"drums_solo": True}, 0.3),
        ({"drums_solo": True, "bass_solo": True, "bass_mute": True}, 0.3),
        ({"vocals_db": 6.0}, 0.6 + 0.4 * 10 ** (6 / 20)),
        ({"other_db": -80.0}, 0.9),
        ({"other_mute": True, "vocals_db": -20.0}, 0.5 + 0.04),
    ],
)
def test_levels_mute_and_solo(separator, settings, gain):
    wet = rt.Separate(separator, **settings)(NOISE, RATE)
    np.testing.assert_allclose(wet, gain * NOISE, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_stems_on_channels_of_their_own_add_up(separator, channels):
    wet = rt.Separate(separator, output="stems")(NOISE[:channels], 48000)
    stems = wet.reshape(4, channels, -1)
    np.testing.assert_allclose(stems.sum(axis=0), NOISE[:channels], atol=1e-6)
    middle = slice(2000, 10000)
    power = (stems[..., middle] ** 2).mean(axis=(1, 2)) ** 0.5
    np.testing.assert_allclose(power[:3] / power[:3].sum(), np.array([4, 3, 2]) / 9, atol=0.01)


def test_the_residual_goes_with_the_others(write_separator, tmp_path):
    path = write_separator(tmp_path / "two.onnx", {"vocals": 0.4, "residual": 0.6})
    wet = rt.Separate(path, other_mute=True)(NOISE, RATE)
    np.testing.assert_allclose(wet, 0.4 * NOISE, atol=1e-5)
    assert rt.Separate(path, output="stems")(NOISE, RATE).shape == (4, 12000)


@pytest.mark.parametrize("block", [64, 256, 480, 512, 1024])
def test_latency_is_what_is_measured(play, separator, block):
    program = rt.Separate(separator, worker=False, drums_solo=True).compile(RATE, block)
    impulse = np.zeros((1, 8192), np.float32)
    impulse[:, 100] = 1.0
    out = play(program, impulse, splits=(block,))
    assert np.abs(out).argmax() == 100 + program.latency_samples
    hop = 512
    assert program.latency_samples == 512 + hop - np.gcd(hop, block)


def test_latency_of_open_unmix_in_any_block(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from export.exporter import export_model
    from training.models.open_unmix import OpenUnmix

    card = {"name": "test", "sample_rate": RATE, "license": "Apache-2.0", "provenance": {}}
    export_model(OpenUnmix(hidden=4, targets=["vocals"]).eval(), card, tmp_path / "net.onnx")
    for block, latency in {1024: 3072, 512: 3584, 256: 3840, 480: 4064, 441: 4095}.items():
        plan = rt.Separate(tmp_path / "net.onnx", worker=False).plan(RATE, block, in_channels=2)
        assert plan.output.latency_samples == latency == 4096 - np.gcd(block, 1024)


def test_switches_ramp(play, separator):
    program = rt.Separate(separator, worker=False).compile(RATE, 64, in_channels=1)
    changes = {
        8192: {("separate", "vocals_mute"): 1.0},
        16384: {("separate", "vocals_mute"): 0.0, ("separate", "drums_solo"): 1.0},
        24576: {("separate", "drums_db"): -80.0},
    }
    sine = 0.5 * np.sin(2 * np.pi * 60.0 / RATE * np.arange(32768))
    step = np.abs(np.diff(play(program, sine, [64], changes)[0]))
    assert step[1024 + 2000 :].max() <= 1.1 * step[4096:8000].max()


def test_other_models_and_more_channels_are_refused(separator):
    with pytest.raises(rt.ParameterError, match="is no separator of a stereo signal"):
        rt.Separate(shipped_models()["denoise"])
    with pytest.raises(rt.ParameterError, match="one or two channels, not 3"):
        rt.Separate(separator).compile(RATE, 64, in_channels=3)
    assert rt.Separate(separator).card.stems == STEMS


PRESETS = {
    "karaoke": ("vocals_mute: true", 0.6),
    "backing-track": ("other_mute: true", 0.9),
    "drums-only": ("drums_solo: true", 0.3),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets(separator, tmp_path, name):
    setting, gain = PRESETS[name]
    path = tmp_path / f"{name}.yaml"
    path.write_text(f"chain: [separate: {{file: '{separator}', {setting}}}]")
    np.testing.assert_allclose(rt.load_preset(path)(NOISE, RATE), gain * NOISE, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("vocals_db: 7", r"vocals_db = 7 is out of range -80 \.\. 6 dB"),
        ("vocals_mute: loud", "vocals_mute"),
        ("output: all", "output"),
        ("piano_db: 1", "piano_db"),
    ],
)
def test_wrong_values_are_one_line(separator, tmp_path, setting, text):
    path = tmp_path / "wrong.yaml"
    path.write_text(f"chain: [separate: {{file: '{separator}', {setting}}}]")
    with pytest.raises(rt.PresetError, match=text) as error:
        rt.load_preset(path)
    assert "\n" not in str(error.value)
