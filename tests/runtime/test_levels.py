"""Calibration and loudness of models: every gain against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.analysis.loudness import loudness_db, standard_clip
from rtaudio.effects.gain import Gain
from rtaudio.effects.model import Model
from rtaudio.preset.load import load_preset
from rtaudio.preset.save import save_preset
from rtaudio.runtime.offline import run
from rtaudio.settings import Settings, load_settings, save_settings, settings_path

RATE = 48000
ONES = np.ones(4800, np.float32)
STATED = {"loudness_db": -24.0, "input_dbu": 14.5, "output_dbu": 4.0}


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    for name in ("XDG_CONFIG_HOME", "APPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def halved(model_file):
    """A model that halves the level."""
    return model_file("knob", levels=STATED)


def gain_db(effect, channels=1):
    return 20 * np.log10(np.atleast_2d(effect(np.tile(ONES, (channels, 1)), RATE))[:, -1] / 0.5)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("fields", "wanted_db"),
    [
        ({}, 0.0),
        ({"input": "calibrated"}, 12.0 - 14.5),
        ({"input": "calibrated", "interface_dbu": 20.0}, 20.0 - 14.5),
        ({"output": "normalized"}, -18.0 + 24.0),
        ({"output": "calibrated"}, 4.0 - 12.0),
        ({"input": "calibrated", "output": "calibrated", "interface_dbu": 3.0}, 4.0 - 14.5),
        ({"input": "calibrated", "output": "normalized"}, 12.0 - 14.5 + 6.0),
    ],
)
def test_the_gain_is_that_of_its_formula(halved, channels, fields, wanted_db):
    np.testing.assert_allclose(gain_db(Model(halved, **fields), channels), wanted_db, atol=1e-5)


def test_the_level_of_the_interface_is_set_once(halved):
    model = Model(halved, input="calibrated")
    assert gain_db(model) == pytest.approx(-2.5, abs=1e-5)
    save_settings(Settings(interface_dbu=17.0))
    assert gain_db(model) == pytest.approx(2.5, abs=1e-5)
    assert gain_db(Model(halved, input="calibrated", interface_dbu=9.0)) == pytest.approx(-5.5)


def test_the_level_of_the_interface_can_be_changed_while_it_plays(halved):
    program = Model(halved, name="amp", input="calibrated", output="normalized").compile(RATE, 64)
    steady = run(program, ONES[None])[0, -1]
    program.set("amp.interface_dbu", 18.0)
    out = run(program, ONES[None])[0]
    assert out[-1] == pytest.approx(steady * 10 ** (6 / 20), rel=1e-6)
    assert np.abs(np.diff(out, prepend=steady)).max() < 1.01 * (out[-1] - steady) / 960
    program.set("amp.level", 1.0)
    assert run(program, ONES[None])[0, -1] == pytest.approx(2 * out[-1], rel=1e-6)
    with pytest.raises(ValueError, match=r"amp\.interface_dbu = 99"):
        program.set("amp.interface_dbu", 99.0)


def test_a_model_that_does_not_use_it_has_no_such_parameter(halved):
    program = Model(halved, name="amp", output="normalized").compile(RATE, 64)
    with pytest.raises(ValueError, match="no parameter 'interface_dbu'"):
        program.set("amp.interface_dbu", 18.0)


@pytest.mark.parametrize("level", [True, "loud", 41.0, float("nan")])
def test_a_level_that_is_none_is_refused(halved, level):
    with pytest.raises(ValueError, match="interface_dbu"):
        Model(halved, interface_dbu=level)


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_file_without_a_level_is_refused_with_the_remedy(model_file, side):
    path = model_file("knob")
    with pytest.raises(ValueError, match=f"does not state its {side} level") as error:
        Model(path, **{side: "calibrated"})
    assert "\n" not in str(error.value)


def test_a_file_without_a_loudness_is_measured(model_file):
    clip = standard_clip(RATE)
    for kind in ("knob", "lstm"):
        out = Model(model_file(kind), output="normalized")(clip, RATE)
        assert 10 * np.log10(np.mean(out.astype(float) ** 2)) == pytest.approx(-18.0, abs=1e-3)


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_the_standard_clip_is_pink_and_at_its_level(rate):
    clip = standard_clip(rate).astype(float)
    assert 10 * np.log10(np.mean(clip**2)) == pytest.approx(-15.0, abs=1e-6)
    power = np.abs(np.fft.rfft(clip)) ** 2
    octaves = [power[low : 2 * low].sum() for low in (40, 80, 160, 320, 640, 1280, 2560, 5120)]
    np.testing.assert_allclose(octaves / np.mean(octaves), 1.0, rtol=0.03)
    assert loudness_db(Gain(gain_db=-3.0), rate) == pytest.approx(-18.0, abs=1e-4)


def test_presets_carry_the_modes_but_not_the_machine(halved, tmp_path):
    from rtaudio.effects.chain import Chain

    save_settings(Settings(interface_dbu=17.0))
    model = Model(halved, input="calibrated", output="normalized")
    save_preset(Chain([model]), tmp_path / "a.yaml")
    text = (tmp_path / "a.yaml").read_text()
    assert "calibrated" in text
    assert "interface" not in text
    again = load_preset(tmp_path / "a.yaml").effects[0]
    assert gain_db(again) == pytest.approx(17.0 - 14.5 + 6.0, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[", "not valid YAML"),
        ("- 1", "not a mapping"),
        ("interface_dbu: loud", "interface_dbu = 'loud'"),
        ("interface_dbu: .nan", "interface_dbu"),
        ("interface_dbu: 100", r"interface_dbu = 100 is out of range -20 \.\. 40 dBu"),
        ("interfaces: 1", "interfaces: unknown key; did you mean 'interface_dbu'"),
    ],
)
def test_settings_that_cannot_be_understood_are_refused_in_one_line(text, fault):
    settings_path().parent.mkdir(parents=True)
    settings_path().write_text(text)
    with pytest.raises(ValueError, match=fault) as error:
        load_settings()
    assert str(error.value).startswith(str(settings_path()))
    assert "\n" not in str(error.value)


@pytest.mark.data
def test_agrees_with_the_loudness_that_captures_state(data_folder):
    """The Neural Amp Modeler measured them on a clip of its own."""
    for name in ("ampeg", "deluxe", "jcm", "nam_plugin_demo", "core_lstm"):
        model = Model(data_folder / "guitar" / "captures" / f"{name}.nam")
        stated_db = model.card.levels["loudness_db"]
        assert loudness_db(model, RATE) == pytest.approx(stated_db, abs=0.5)
