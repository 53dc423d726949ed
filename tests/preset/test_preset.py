"""Presets: a chain comes back as it was saved, and every fault is one line that helps."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import rtaudio as rt
from rtaudio.audio.riff import riff
from rtaudio.effects.base import Effect
from rtaudio.effects.registry import effect_class, effect_kinds
from rtaudio.errors import PresetError
from rtaudio.preset.load import load_preset
from rtaudio.preset.save import save_preset
from rtaudio.shipped import shipped_models, shipped_presets

KINDS = effect_kinds()
CONTAINERS = ("chain", "parallel")
MODELS = sorted(
    file
    for file in shipped_models().values()
    if not file.stem.startswith("denoise")  # no amp: has a hop, cannot be oversampled
)
QUICK = settings(
    deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


# -- presets made of the classes' own fields -------------------------------------------------------


def bound(field, end):
    return next((getattr(m, end) for m in field.metadata if hasattr(m, end)), None)


def value_of(field, annotation):
    """Return a strategy for valid values of a field."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    arguments = typing.get_args(annotation)
    if annotation is bool:
        return st.booleans()
    if annotation is float or annotation is int:
        low, high = bound(field, "ge"), bound(field, "le")
        numbers = st.floats(low, high, allow_subnormal=False)
        return numbers.map(int) if annotation is int else numbers
    if annotation is str:
        return st.sampled_from(["", "amp", "a b", "1", "ü"])
    if typing.get_origin(annotation) is Literal:
        return st.sampled_from(arguments)
    if type(None) in arguments:
        return st.none() | value_of(field, next(a for a in arguments if a is not type(None)))
    if typing.get_origin(annotation) in (list, tuple):
        return st.lists(value_of(field, arguments[0]), max_size=3)
    if typing.get_origin(annotation) is dict:
        return st.just({})
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return fields_of(annotation)
    raise AssertionError(f"no strategy for {annotation}")


def fields_of(cls, skip=()):
    """Return a strategy for mappings of some of a class's fields."""
    strategies = {
        name: value_of(field, field.annotation)
        for name, field in cls.model_fields.items()
        if name not in skip
    }
    needed = {n: s for n, s in strategies.items() if cls.model_fields[n].is_required()}
    optional = {n: s for n, s in strategies.items() if n not in needed}
    return st.fixed_dictionaries(needed, optional=optional)


def effect_of(kind, inner):
    cls = effect_class(kind)
    if kind == "chain":
        settings_ = st.builds(
            lambda own, chain: own | {"chain": chain}, fields_of(cls, ["effects"]), inner
        )
    elif kind == "parallel":
        path = st.builds(
            lambda own, chain: own | {"chain": chain}, fields_of(rt.Branch, ["effects"]), inner
        )
        settings_ = st.builds(
            lambda own, branches: own | {"branches": branches},
            fields_of(cls, ["branches"]),
            st.lists(path, min_size=1, max_size=3),
        )
    elif "file" in cls.model_fields:
        of_model = kind in ("model", "denoise")
        skip = ["file", "worker", "engine"] if of_model else ["file"]
        file = st.sampled_from([str(m) for m in MODELS]) if of_model else st.just("ir.wav")
        settings_ = st.builds(lambda own, name: own | {"file": name}, fields_of(cls, skip), file)
    else:
        settings_ = fields_of(cls)
    return settings_.map(lambda s: {kind: s})


SIMPLE = [k for k in KINDS if k not in (*CONTAINERS, "separate") and (k != "model" or MODELS)]
FLAT = st.lists(st.one_of([effect_of(kind, st.just([])) for kind in SIMPLE]), max_size=3)
CHAINS = st.lists(
    st.one_of(
        [effect_of(kind, FLAT) for kind in SIMPLE] + [effect_of(kind, FLAT) for kind in CONTAINERS]
    ),
    max_size=4,
)
PRESETS = st.builds(
    lambda own, chain: own | {"chain": chain}, fields_of(rt.Chain, ["effects"]), CHAINS
)
JUNK = ["40000", "-1e9", ".nan", ".inf", "loud", "[1, 2]", "{a: b}", "~", "true", "''", "0x1F",
        "2001-01-01", "1:30", "&a 1", "*a", "!!python/name:os.system x", "<<", "- 1", "\t", "\0",
        ":", "é"]  # fmt: skip


def broken(text, random):
    """Return the text of a preset with up to three random injuries."""
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(text))
        text = text[:at] + random.choice(["", *JUNK]) + text[at + random.randint(0, 12) :]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    taps = np.exp(-np.arange(200) / 20.0) * np.cos(np.arange(200))
    soundfile.write(folder / "ir.wav", taps, 48000, subtype="FLOAT")
    return folder


def loaded(folder, text):
    path = folder / "preset.yaml"
    path.write_text(text, "utf-8", newline="")
    return load_preset(path)


def check_line(error):
    line = str(error)
    assert "\n" not in line
    assert len(line) < 600
    assert "preset.yaml:" in line or not isinstance(error, PresetError)


def check_sound(chain, channels, block):
    """Play a few blocks of noise: finite sound of the right shape, or one line."""
    from rtaudio.runtime.offline import run

    try:
        program = chain.compile(48000, block, in_channels=channels, offline=True)
    except ValueError as error:
        check_line(error)
        return
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (channels, 4 * block))
    wet = run(program, sound.astype(np.float32))
    assert wet.shape == (program.out_channels, 4 * block)
    assert np.isfinite(wet).all()


@settings(QUICK, max_examples=200)
@given(preset=PRESETS, flow=st.booleans(), random=st.randoms(use_true_random=False))
def test_a_broken_preset_gives_a_chain_or_one_line(folder, preset, flow, random):
    text = yaml.safe_dump(preset, default_flow_style=flow)
    for _ in range(20):
        try:
            chain = loaded(folder, broken(text, random))
        except PresetError as error:
            check_line(error)
        else:
            check_sound(chain, channels=1, block=64)


@settings(QUICK, max_examples=500)
@given(preset=PRESETS)
def test_a_preset_comes_back_as_it_was_saved(folder, preset):
    try:
        chain = loaded(folder, yaml.safe_dump(preset))
    except PresetError as error:  # two fields that do not go together
        check_line(error)
        return
    save_preset(chain, folder / "again.yaml", "about")
    assert load_preset(folder / "again.yaml") == chain


@settings(QUICK, max_examples=500)
@given(preset=PRESETS, channels=st.integers(1, 2), block=st.sampled_from([32, 64, 113]))
def test_a_preset_gives_sound(folder, preset, channels, block):
    try:
        chain = loaded(folder, yaml.safe_dump(preset))
    except PresetError as error:  # two fields that do not go together
        check_line(error)
    else:
        check_sound(chain, channels, block)


# -- what the lines say ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the file is empty; a preset needs a list `chain:`"),
        ("- gain", 1, "a preset is a mapping"),
        ("name: x", 1, "no list `chain:`"),
        ("chain: 3", 1, "preset.chain = 3 is not a list"),
        ("name: 3\nchain: []", 1, "preset.name = 3 is not text; put it in quotes"),
        ("chain: []\nchian: []", 2, "preset: unknown key 'chian'; did you mean 'chain'?"),
        ("chain: []\nchain: []", 2, "preset: the key 'chain' occurs twice; remove one"),
        ("chain:\n- gian", 2, "unknown effect 'gian'; did you mean 'gain'?"),
        ("chain:\n- gain: {gain_bd: 1}", 2, "gain: unknown key 'gain_bd'; did you mean 'gain_db'?"),
        ("chain:\n- gain: {gain_db: 400}", 2, "gain.gain_db = 400 is out of range -80 .. 40 dB"),
        ("chain:\n- gain:\n    gain_db: loud", 3, "gain.gain_db = loud is not a number in"),
        ("chain:\n- gain: {gain_db: .nan}", 2, "gain.gain_db = .nan is not a number"),
        ("chain:\n- gain: {gain_db: true}", 2, "gain.gain_db = true is not a number in -80 .. 40"),
        ("chain:\n- limiter: {lookahead_ms: no}", 2, "limiter.lookahead_ms = no is not a number"),
        ("chain:", 1, "preset.chain is empty; write []"),
        ("chain:\n- parallel:\n    paths:", 3, "parallel.paths is empty; write []"),
        ("chain:\n- gain: {name: a}\n- chain: [gain: {name: a}]", 3,
         "the name 'a' stands in line 2, too; choose another"),
        ("chain:\n- gain: {name: a}\nname: a", 3, "the name 'a' stands in line 2, too"),
        ("chain:\n- gain: {bypass: perhaps}", 2, "gain.bypass = perhaps is neither true nor false"),
        ("chain:\n- gain: {gain_db: 1, mix: 1}\n  pan: 0", 2, "an item of a chain is one effect"),
        ("chain:\n- noise_gate: {threshold_db: 40}", 2,
         "noise_gate.threshold_db = 40 is out of range -100 .. 0 dB"),
        ("chain:\n- cabinet", 2, "cabinet.file is missing"),
        ("chain:\n- cabinet: {file: no.wav}", 2, "cabinet.file = no.wav: no such file"),
        ("chain:\n- cabinet: {file: preset.yaml}", 2, "not a sound file"),
        ("chain:\n- parallel: []", 2, "parallel.paths needs 1 or more items"),
        ("chain:\n- parallel:\n  - {pan: 0}\n  - {pan: 2}", 4,
         "parallel.paths[1].pan = 2 is out of range -1 .. 1"),
        ("a: &x [1]\nchain: *x", 1, "anchors and aliases"),
        ("chain: !!python/object:os.system x", 1, "tags"),
        ("chain: " + "[" * 100, 1, "nested deeper than 32 levels"),
        ("chain: [", 1, "not valid YAML"),
        ("chain: []\n---\nchain: []", 2, "not valid YAML"),
        ("chain: [gain: {gain_db: 2001-99-99}]", 1, "2001-99-99 is not a value"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(folder, text, line, said):
    with pytest.raises(PresetError) as caught:
        loaded(folder, text)
    check_line(caught.value)
    assert said in str(caught.value)
    assert f"preset.yaml:{line}: " in str(caught.value) or "not valid YAML" in said


def test_a_preset_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "preset.yaml"
    path.write_bytes(b"chain: \xff\xfe")
    with pytest.raises(PresetError, match="not a text file in UTF-8"):
        load_preset(path)
    path.write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(PresetError, match="larger than 1 MiB"):
        load_preset(path)
    with pytest.raises(PresetError, match="not a file"):
        load_preset(tmp_path)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(
        FileNotFoundError, match="no preset or model 'bypos'; did you mean 'bypass'"
    ):
        load_preset("bypos")
    with pytest.raises(FileNotFoundError, match=r"none\.yaml: no such preset file; shipped"):
        load_preset("none.yaml")


# -- shipped presets, short forms, one declaration -------------------------------------------------


@pytest.mark.parametrize("name", shipped_presets())
def test_a_shipped_preset_carries_its_name_and_plays(name):
    chain = load_preset(name)
    assert chain.name == name
    dry = 0.1 * np.sin(np.arange(4800) / 30.0).astype(np.float32)
    wet = np.atleast_2d(chain(dry, 48000))
    assert wet.shape[1] == 4800
    assert np.abs(wet).max() > 1e-3


def test_shipped_presets_are_the_promised_ones():
    assert {"bypass", "clean", "crunch", "crunch-stereo"} <= set(shipped_presets())


def test_bypass_is_a_wire():
    dry = np.random.default_rng(0).uniform(-1, 1, (2, 1000)).astype(np.float32)
    np.testing.assert_array_equal(load_preset("bypass")(dry, 48000), dry)


def test_short_forms(folder):
    long = "chain: [{gain: {}}, {chain: {chain: [{gain: {}}]}}, {parallel: {paths: [{chain: []}]}}]"
    short = "chain: [gain, {chain: [gain]}, {parallel: [{chain: []}]}]"
    assert loaded(folder, long) == loaded(folder, short)


def test_files_are_found_beside_the_preset(folder, tmp_path):
    chain = loaded(folder, "chain: [{cabinet: {file: ./ir.wav}}]")
    assert Path(chain.effects[0].file) == folder / "ir.wav"
    save_preset(chain, tmp_path / "other.yaml")
    assert load_preset(tmp_path / "other.yaml") == chain


def test_a_cabinet_without_a_file_cannot_be_saved(tmp_path):
    chain = rt.Chain([rt.Cabinet.from_array(np.ones(3), 48000)])
    with pytest.raises(PresetError, match="cabinet: was not made from a file"):
        save_preset(chain, tmp_path / "x.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_keys_and_defaults_are_those_of_the_constructor(folder, kind):
    """A preset that names an effect and nothing else is the constructor without arguments."""
    cls = effect_class(kind)
    assert cls.kind == kind
    assert issubclass(cls, Effect)
    needs = {"cabinet": "{file: ir.wav}", "parallel": "[{chain: []}]"}
    if kind == "model":
        needs["model"] = f"{{file: '{MODELS[0]}'}}"
    effect = loaded(folder, f"chain: [{{{kind}: {needs.get(kind, '{}')}}}]").effects[0]
    for name, field in cls.model_fields.items():
        if name not in ("file", "branches"):
            assert getattr(effect, name) == field.get_default(call_default_factory=True)


def test_every_effect_has_a_public_name():
    for kind in KINDS:
        assert effect_class(kind).__name__ in dir(rt)
        assert getattr(rt, effect_class(kind).__name__) is effect_class(kind)


def test_a_model_file_plays_as_a_preset():
    file = shipped_models()["crunch"]
    chain = load_preset(file)
    kinds = [effect.kind for effect in chain.effects]
    assert kinds == ["noise_gate", "gain", "model", "dc_block", "tone_stack", "gain", "limiter"]
    assert (chain.name, chain.effects[2].file, chain.effects[2].name) == ("crunch", file, "amp")


def test_the_knobs_of_a_model_file_start_neutral_and_turn():
    file = shipped_models()["crunch"]
    plain = rt.Chain(
        [rt.NoiseGate(), rt.Model(file, output="normalized"), rt.DcBlock(), rt.Limiter()]
    )
    dry = riff(48000)[:24000]
    flat = plain(dry, 48000)
    np.testing.assert_array_equal(load_preset(file)(dry, 48000), flat)
    for name, parameter, value in (
        ("noise_gate", "threshold_db", -10.0),
        ("input", "gain_db", 6.0),
        ("tone", "treble", 8.0),
        ("output", "gain_db", -6.0),
        ("limiter", "ceiling_db", -20.0),
    ):
        chain = load_preset(file)
        effect = next(e for e in chain.effects if name in (e.name, e.kind))
        effect.set_live(parameter, value)
        assert not np.array_equal(chain(dry, 48000), flat), name


def test_slim_is_for_a_model_file_of_several_sizes():
    with pytest.raises(ValueError, match=r"crunch\.onnx: has one size only"):
        load_preset(shipped_models()["crunch"], slim=0.5)
    with pytest.raises(PresetError, match="names its own slim; --slim is for a model file"):
        load_preset("crunch", slim=0.5)


def test_a_file_that_is_called_as_its_effect_plays():
    chain = load_preset(shipped_models()["denoise"])
    assert chain.name == "denoise"
    assert chain(np.zeros(960, np.float32), 48000).shape == (960,)


def test_a_damaged_model_file_is_refused_as_such(tmp_path):
    (tmp_path / "amp.nam").write_text("{}")
    with pytest.raises(ValueError, match=r"amp\.nam: "):
        load_preset(tmp_path / "amp.nam")


def test_a_cabinet_goes_behind_a_model_file_only():
    file = shipped_models()["crunch"]
    kinds = [e.kind for e in load_preset(file, cabinet="british-4x12").effects]
    assert kinds == [
        "noise_gate", "gain", "model", "dc_block", "tone_stack", "cabinet", "gain", "limiter",
    ]  # fmt: skip
    with pytest.raises(PresetError, match="names its own cabinet"):
        load_preset("crunch", cabinet="british-4x12")
    with pytest.raises(FileNotFoundError, match="no-such"):
        load_preset(file, cabinet="no-such.wav")
