"""Effects as Python objects: built by place, copied, compared, shown, and chains as lists."""

from __future__ import annotations

import copy
import pickle
import pydoc

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.effects.registry import class_name, effect_class, effect_kinds

KINDS = effect_kinds()
SCREEN_LINES = 60


def examples():
    model = rt.shipped_models()["crunch-light"]
    cabinet = rt.shipped_cabinets()["british-4x12"]
    yield rt.Gain(6, name="input")
    yield rt.Model(model, name="amp", output="normalized")
    yield rt.Cabinet(cabinet, gain_db=-3)
    yield rt.Cabinet.from_array([1.0, 0.5], 48000, gain_db=-3)
    yield rt.Denoise(pause_db=10)
    yield rt.Codec(bitrate_kbps=3)
    yield rt.Chain(rt.Gain(1), rt.Parallel(rt.Branch(rt.Gain(2), pan=-1), rt.Branch()), name="all")


EXAMPLES = {repr(effect).partition("(")[0]: effect for effect in examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_copies_and_pickles_are_equal_and_independent(name):
    effect = EXAMPLES[name]
    for twin in (copy.deepcopy(effect), pickle.loads(pickle.dumps(effect)), copy.copy(effect)):
        assert twin is not effect
        assert twin == effect
        twin.mix = 0.25
        assert twin != effect
    whole = copy.deepcopy(effect)
    if isinstance(whole, rt.Chain):
        whole[0].gain_db = 9
        assert effect[0].gain_db == 1
    assert effect != object()


def test_a_copy_sounds_the_same():
    cabinet = EXAMPLES["Cabinet.from_array"]
    x = np.random.default_rng(0).uniform(-1, 1, 500).astype(np.float32)
    np.testing.assert_array_equal(copy.deepcopy(cabinet)(x, 48000), cabinet(x, 48000))
    other = rt.Cabinet.from_array([1.0, 0.4], 48000, gain_db=-3)
    assert other != cabinet


def test_own_fields_are_given_by_place_in_the_order_of_the_docstring():
    assert rt.Gain(6) == rt.Gain(gain_db=6)
    assert rt.Delay(120, 0.5) == rt.Delay(time_ms=120, feedback=0.5)
    assert rt.ToneStack(6, 4.5, 7) == rt.ToneStack(bass=6, middle=4.5, treble=7)
    assert rt.Limiter(-3, name="end") == rt.Limiter(ceiling_db=-3, name="end")
    with pytest.raises(rt.ParameterError, match=r"^gain takes no value without a name but gain_db"):
        rt.Gain(6, 7)
    with pytest.raises(rt.ParameterError, match=r"^dc_block takes no value without a name; 1 are"):
        rt.DcBlock(1)
    with pytest.raises(rt.ParameterError, match=r"^gain\.gain_db is given twice; remove one$"):
        rt.Gain(6, gain_db=6)


def test_a_chain_is_a_list_of_effects():
    gain, drive, limiter = rt.Gain(), rt.Gain(3, name="drive"), rt.Limiter()
    chain = rt.Chain(gain, drive)
    assert chain == rt.Chain([gain, drive]) == rt.Chain(effects=[gain, drive])
    chain.append(limiter)
    assert len(chain) == 3
    assert [*chain] == [gain, drive, limiter]
    assert chain[0] is chain["gain"] is gain
    assert chain[-1] is chain["limiter"] is limiter
    assert chain["drive"] is drive
    assert chain[1:] == [drive, limiter]
    assert gain in chain
    assert "drive" in chain
    assert "amp" not in chain
    chain.insert(0, rt.NoiseGate())
    assert [effect.kind for effect in chain] == ["noise_gate", "gain", "gain", "limiter"]
    chain.remove(drive)
    chain.remove("noise_gate")
    assert [*chain] == [gain, limiter]
    chain["gain"] = drive
    del chain["limiter"]
    assert [*chain] == [drive]
    with pytest.raises(IndexError):
        chain[1]
    with pytest.raises(rt.ParameterError, match="chain has no effect 'drvie'; did you mean"):
        chain["drvie"]
    with pytest.raises(rt.ParameterError, match=r"chain: Limiter\(\) is not in it"):
        chain.remove(limiter)
    for wrong in (lambda: chain.append(3), lambda: chain.insert(0, "gain"), lambda: rt.Chain(3)):
        with pytest.raises(
            rt.ParameterError, match=r"^chain\.effects\[\d\] = .* is not an Effect$"
        ):
            wrong()
    assert [*chain] == [drive]


def test_of_two_equal_effects_the_very_one_is_removed():
    first, second = rt.Gain(), rt.Gain()
    chain = rt.Chain(first, second)
    chain.remove(second)
    assert chain[0] is first


def test_a_chain_inside_a_chain_is_one_effect():
    inner = rt.Chain(rt.Gain(), rt.Gain())
    assert len(rt.Chain(inner, rt.Limiter())) == 2


def test_the_repr_shows_what_is_not_default_and_can_be_read_back():
    for effect in EXAMPLES.values():
        if "from_array" not in repr(effect):
            assert eval(repr(effect), vars(rt) | {n: getattr(rt, n) for n in dir(rt)}) == effect
    assert repr(rt.Limiter()) == str(rt.Limiter()) == "Limiter()"
    assert repr(rt.Chain(rt.Gain(6), rt.Limiter(-3), name="a")) == (
        "Chain(Gain(gain_db=6), Limiter(ceiling_db=-3), name='a')"
    )
    assert repr(rt.Cabinet.from_array([1.0, 0.5], 48000)) == "Cabinet.from_array(<2 taps>, 48000)"


def test_a_notebook_shows_a_table_without_foreign_markup():
    chain = rt.Chain(rt.Gain(6), rt.Limiter(name="<script>"), name="amp")
    assert chain._repr_html_() == (
        "<b>Chain</b> <code>name=&#x27;amp&#x27;</code><ol>"
        "<li><b>Gain</b> <code>gain_db=6</code></li>"
        "<li><b>Limiter</b> <code>name=&#x27;&lt;script&gt;&#x27;</code></li></ol>"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_help_fits_a_screen(kind):
    text = pydoc.render_doc(effect_class(kind), renderer=pydoc.plaintext)
    assert text.count("\n") <= SCREEN_LINES
    assert "model_" not in text.replace("model_player", "")
    assert "Annotated" not in text
    for name in effect_class(kind).model_fields:
        assert name in text


def test_completion_offers_no_name_of_pydantic():
    for effect in (rt.Gain(), rt.Chain()):
        public = [name for name in dir(effect) if not name.startswith("_")]
        assert {"name", "mix", "bypass", "stream", "kind"} <= set(public)
        assert not [
            n for n in public if n.startswith(("model_", "parse_", "schema", "json", "dict"))
        ]


def test_the_names_of_the_package_are_the_public_ones():
    names = dir(rt)
    assert {class_name(kind) for kind in KINDS} <= set(names)
    assert {"Effect", "Host", "Stream", "RtaudioError", "ParameterError", "load_preset"} <= set(
        names
    )
    assert {"shipped_presets", "shipped_cabinets", "shipped_models", "save_preset"} <= set(names)
    for name in names:
        value = getattr(rt, name)
        assert name == "__version__" or value.__module__.startswith("rtaudio."), name
    assert sorted(rt.__all__) == [name for name in names if name != "__version__"]
    errors = {k for k, v in vars(rt.errors).items() if isinstance(v, type) and k.endswith("Error")}
    assert errors == {name for name in names if name.endswith("Error")}
