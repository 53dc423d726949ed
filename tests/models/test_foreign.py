"""Third-party model files as ours: complete, started settled, and damaged ones refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtaudio.effects.model import Model
from rtaudio.errors import ContractError, FormatError
from rtaudio.models.contract.check import read_model
from rtaudio.models.formats.read import model_file, read_foreign
from rtaudio.models.loader import load_model
from rtaudio.shipped import shipped_models

RANDOM = np.random.default_rng(0)


def floats(*shape):
    return (0.5 * RANDOM.standard_normal(shape)).round(3).tolist()


NAM = {
    "version": "0.5.4",
    "architecture": "ConvNet",
    "sample_rate": 44100,
    "metadata": {
        "name": "Big\tOne",
        "loudness": -18.5,
        "gear_make": "Acme",
        "training": {"validation_esr": 0.02},
    },
    "config": {"channels": 2, "dilations": [1, 5], "batchnorm": False, "activation": "Tanh"},
    "weights": floats(4 + 2 + 8 + 2 + 2 + 1),
}
AIDA = {
    "in_shape": [None, None, 2],
    "layers": [
        {"type": "dense", "shape": [None, None, 3], "weights": [floats(2, 3), floats(3)],
         "activation": "tanh"},
        {"type": "gru", "shape": [None, None, 2], "weights": [floats(3, 6), floats(2, 6),
                                                              floats(2, 6)]},
        {"type": "dense", "shape": [None, None, 1], "weights": [floats(2, 1), floats(1)]},
    ],
}  # fmt: skip
GUITARML = {
    "model_data": {
        "model": "SimpleRNN",
        "input_size": 1,
        "skip": 1,
        "output_size": 1,
        "unit_type": "LSTM",
        "num_layers": 1,
        "hidden_size": 1,
        "bias_fl": True,
    },
    "state_dict": {
        "rec.weight_ih_l0": floats(4, 1),
        "rec.weight_hh_l0": floats(4, 1),
        "rec.bias_ih_l0": floats(4),
        "rec.bias_hh_l0": floats(4),
        "lin.weight": floats(1, 1),
        "lin.bias": floats(1),
    },
}
FILES = {"amp.nam": NAM, "amp.aidax": AIDA, "amp.json": GUITARML}


@pytest.mark.parametrize("name", FILES)
def test_a_file_saved_as_one_of_ours_is_the_same_model(name, tmp_path):
    path = tmp_path / name
    path.write_text(json.dumps(FILES[name]))
    file = model_file(read_foreign(path))
    ours = tmp_path / "amp.onnx"
    ours.write_bytes(file.data)
    assert read_model(ours).card == file.card
    dry = RANDOM.uniform(-0.5, 0.5, 3000).astype(np.float32)
    rate = file.card.rate_hz
    heard = [Model(each, engine="onnx")(dry, rate) for each in (path, ours)]
    np.testing.assert_array_equal(*heard)


def test_the_card_has_the_metadata_of_the_file(tmp_path):
    path = tmp_path / "amp.nam"
    path.write_text(json.dumps(NAM))
    card = load_model(path).file.card
    assert (card.name, card.description, card.rate_hz) == ("Big One", "Acme", 44100)
    assert card.levels == {"loudness_db": -18.5}
    assert card.metrics == {"esr": 0.02}
    assert card.prewarm_samples == 6
    assert card.provenance == {"format": "nam", "version": "0.5.4"}


def test_one_of_our_files_is_prewarmed_by_its_card(tmp_path):
    """A convolution with a bias starts at another value than it settles to."""
    path, ours = tmp_path / "amp.nam", tmp_path / "amp.onnx"
    path.write_text(json.dumps(NAM))
    for prewarm_samples in (0, 6):
        net = dataclasses.replace(read_foreign(path), prewarm_samples=prewarm_samples)
        ours.write_bytes(model_file(net).data)
        silence = Model(ours)(np.zeros(100, np.float32), 44100)
        assert (np.ptp(silence) < 1e-6) == (prewarm_samples > 0)


def test_a_net_that_makes_no_finite_numbers_is_refused(tmp_path):
    path = tmp_path / "amp.nam"
    huge = {**NAM["config"], "activation": "ReLU"}
    path.write_text(json.dumps({**NAM, "config": huge, "weights": [1e38] * len(NAM["weights"])}))
    with pytest.raises(FormatError, match="no usable signal"):
        load_model(path)


@pytest.mark.parametrize("slim", [-0.1, 1.1, float("nan")])
def test_slim_is_a_share(slim, tmp_path):
    path = tmp_path / "amp.nam"
    path.write_text(json.dumps(NAM))
    with pytest.raises(ValueError, match="slim"):
        load_model(path, slim=slim)


@pytest.mark.parametrize("name", FILES)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_is_read_or_refused_never_worse(name, tmp_path, place, byte, cut):
    whole = json.dumps(FILES[name]).encode()
    place %= len(whole)
    path = tmp_path / name
    path.write_bytes(whole[:place] if cut else whole[:place] + bytes([byte]) + whole[place + 1 :])
    message = ""
    try:
        model_file(read_foreign(path))
    except (FormatError, ContractError) as error:
        message = str(error)
        assert message.startswith(str(path))
    assert "\n" not in message
    assert message or not cut


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def paths(value, prefix=()):
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*prefix, key)
            yield from paths(value[key], (*prefix, key))


@pytest.mark.parametrize("name", FILES)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_value_of_any_other_kind_is_read_or_refused_never_worse(name, tmp_path, data):
    document = json.loads(json.dumps(FILES[name]))
    *keys, last = data.draw(st.sampled_from(list(paths(document))))
    value = document
    for key in keys:
        value = value[key]
    value[last] = data.draw(VALUES)
    path = tmp_path / name
    path.write_text(json.dumps(document))
    message = ""
    try:
        model_file(read_foreign(path))
    except (FormatError, ContractError) as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))


# -- what playing does not need --------------------------------------------------------------------


def save(content, path):
    path.write_text(json.dumps(content))
    return path


ODD = [float("nan"), float("inf"), -float("inf"), "loud", True, [], {}, 1e9, 10**400]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
def test_an_odd_level_is_unknown_and_told(tmp_path, value):
    content = {**NAM, "metadata": {"name": "amp", "loudness": value}}
    net = read_foreign(save(content, tmp_path / "amp.nam"))
    assert net.levels == {}
    (warning,) = net.warnings
    assert warning.startswith("metadata.loudness ")
    assert warning.endswith(" was ignored")
    assert load_model(tmp_path / "amp.nam").file.card.name == "amp"


@pytest.mark.parametrize("value", [float("nan"), "0.01", True, 10**400], ids=range(4))
@pytest.mark.parametrize("place", ["training", "esr"])
def test_an_odd_error_of_the_training_is_unknown(tmp_path, value, place):
    about = {"validation_esr": value} if place == "training" else value
    content = {**NAM, "metadata": {place: about}}
    assert load_model(save(content, tmp_path / "amp.nam")).file.card.metrics == {}


@pytest.mark.parametrize("about", [[], "text", 3, float("nan"), {"tone": [{"x": float("nan")}]}])
@pytest.mark.parametrize("content", [NAM, AIDA, GUITARML], ids=["nam", "aida", "guitarml"])
def test_odd_metadata_are_ignored_and_told(tmp_path, content, about):
    path = save({**content, "metadata": about}, tmp_path / "amp.json")
    (warning,) = read_foreign(path).warnings
    assert warning.startswith("metadata")
    assert load_model(path).file.card.metrics == {}


def test_a_number_that_is_not_finite_is_named_where_it_is_played(tmp_path):
    content = {**NAM, "weights": [*NAM["weights"][:-1], float("nan")]}
    with pytest.raises(FormatError, match=r"weights\[18\] is not a finite float32"):
        read_foreign(save(content, tmp_path / "amp.nam"))


# -- rates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("content", "usual"), [(GUITARML, 44100), (AIDA, 48000)])
def test_a_rate_that_no_file_states_can_be_said(tmp_path, content, usual):
    path = save(content, tmp_path / "amp.json")
    assert (read_foreign(path).rate_hz, read_foreign(path).rate_assumed) == (usual, True)
    net = read_foreign(path, rate_hz=96000)
    assert (net.rate_hz, net.rate_assumed) == (96000, False)
    stated = save(content | {"sample_rate": 96000, "samplerate": 96000}, tmp_path / "stated.json")
    assert read_foreign(stated).prewarm_samples == net.prewarm_samples
    assert not read_foreign(stated).rate_assumed
    noise = RANDOM.standard_normal(4800).astype(np.float32) / 4
    said = Model(path, rate_hz=96000)
    np.testing.assert_array_equal(said(noise, 96000), Model(stated)(noise, 96000))
    assert said.card.rate_hz == 96000
    assert Model(path).card.rate_hz == usual


def test_a_stated_rate_is_not_overruled(tmp_path):
    path = save(GUITARML | {"sample_rate": 44100}, tmp_path / "amp.json")
    assert read_foreign(path, rate_hz=44100).rate_hz == 44100
    with pytest.raises(FormatError, match="rate_hz = 96000: the file states 44100 Hz"):
        Model(path, rate_hz=96000)
    with pytest.raises(ContractError, match="states its rate; remove rate_hz"):
        load_model(shipped_models()["crunch"], rate_hz=96000)


def test_inspect_says_that_a_rate_is_assumed(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("rtaudio.cli.inspect.REPEATS", 3)
    path = save(GUITARML, tmp_path / "amp.json")
    assert "44100 Hz, assumed: the file states none" in cli("inspect", path).out
    save(GUITARML | {"sample_rate": 44100}, path)
    assert "assumed" not in cli("inspect", path).out
