"""One base for all errors, and the same words for the same fault wherever it comes from."""

from __future__ import annotations

import inspect

import pytest

import rtaudio as rt
from rtaudio import errors
from rtaudio.preset.load import load_preset
from rtaudio.preset.save import save_preset
from rtaudio.settings import Settings

WORDS = "gain.gain_db = 99 is out of range -80 .. 40 dB"


def test_a_value_out_of_range_is_reported_alike_wherever_it_comes_from(tmp_path):
    with pytest.raises(errors.ParameterError) as made:
        rt.Gain(gain_db=99)
    gain = rt.Gain()
    with pytest.raises(errors.ParameterError) as assigned:
        gain.gain_db = 99
    with rt.Host(rt.Gain(), device="clock") as host, pytest.raises(errors.ParameterError) as live:
        host.set("gain.gain_db", 99)
    preset = tmp_path / "loud.yaml"
    preset.write_text("chain:\n  - gain: {gain_db: 99}\n")
    with pytest.raises(errors.PresetError) as read:
        load_preset(preset)
    assert [str(e.value) for e in (made, assigned, live)] == [WORDS] * 3
    assert str(read.value) == f"{preset}:2: {WORDS}"
    assert gain.gain_db == 0.0


def test_the_name_of_the_effect_leads():
    with pytest.raises(errors.ParameterError, match=r"^drive\.gain_db = 99 is out of range"):
        rt.Gain(name="drive", gain_db=99)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rt.Gain(gian_db=1), "gain.gian_db: unknown key; did you mean 'gain_db'?"),
        (lambda: rt.Gain(volume=1), "gain.volume: unknown key; remove it"),
        (lambda: rt.Gain(gain_db="loud"), "gain.gain_db = 'loud' is not a number in -80 .. 40 dB"),
        (lambda: rt.Gain(bypass="no way"), "gain.bypass = 'no way' is neither true nor false"),
        (lambda: rt.Gain(name=3), "gain.name = 3 is not text; put it in quotes"),
        (lambda: rt.Parallel([]), "parallel.branches needs 1 or more items"),
        (
            lambda: rt.Denoise(attenuation_limit_db=101),
            "denoise.attenuation_limit_db = 101 is out of range 0 .. 100 dB",
        ),
    ],
)
def test_no_fault_speaks_of_pydantic(make, words):
    with pytest.raises(errors.ParameterError) as error:
        make()
    assert str(error.value) == words


def test_a_chain_that_cannot_be_built_is_a_parameter_error_too():
    gain = rt.Gain()
    for make, words in (
        (lambda: gain.compile(100, 64), "rate_hz = 100 is out of range 8000 .. 384000 Hz"),
        (lambda: gain.compile(48000, 0), "block = 0 is out of range 1 .. 65536 frames"),
        (
            lambda: rt.Chain([gain, gain]).compile(48000, 64),
            "gain-2: the same effect stands twice in the chain; make two",
        ),
        (
            lambda: rt.Chain([rt.Gain(name="a"), rt.Gain(name="a")]).compile(48000, 64),
            "two effects are named 'a'; give each its own name",
        ),
        (
            lambda: rt.Host(gain, device="clock").set("amp.gain_db", 0),
            "'amp.gain_db': no effect is named 'amp'; there are: gain",
        ),
        (
            lambda: rt.Host(gain, device="clock", out_channels=list(range(9))),
            "at most 8 channels can play in each direction",
        ),
    ):
        with pytest.raises(errors.ParameterError) as error:
            make()
        assert str(error.value) == words


def test_all_errors_stand_in_the_drawing_and_have_one_base():
    drawing = errors.__doc__
    found = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    ]
    assert len(found) > 10
    for kind in found:
        assert issubclass(kind, errors.RtaudioError)
        assert kind.__name__ in drawing
    assert issubclass(errors.RtaudioError, ValueError)
    assert rt.RtaudioError is errors.RtaudioError


def test_an_open_range_says_so():
    assert errors.out_of_range("--seconds", -1, 0.0, None) == (
        "--seconds = -1 is out of range: 0 or more"
    )
    with pytest.raises(errors.SettingsError, match=r"^interface_dbu = -21 is out of range -20"):
        Settings(interface_dbu=-21)


def test_the_error_of_saving_is_one_of_ours(tmp_path):
    chain = rt.Chain([rt.Cabinet.from_array([1.0, 0.5], 48000)])
    with pytest.raises(errors.RtaudioError, match="was not made from a file"):
        save_preset(chain, tmp_path / "x.yaml")
