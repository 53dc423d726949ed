"""Every rule of the contract: a file that keeps it is read, a file that breaks it is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from rtaudio.errors import ContractError
from rtaudio.models.contract.card import GOLDEN_SAMPLES, Card, Golden, ModelParameter
from rtaudio.models.contract.check import check_model, read_model
from rtaudio.models.contract.metadata import write_metadata

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def card(**changes) -> Card:
    fields = {
        "name": "thru",
        "sample_rate": 48000,
        "channels": (1, 1),
        "hop": 0,
        "latency": 0,
        "license": "Apache-2.0",
        "provenance": {"data": "none"},
    }
    return Card(**{**fields, **changes})


def golden(before=(1, GOLDEN_SAMPLES), after=(1, GOLDEN_SAMPLES)) -> Golden:
    return Golden(np.zeros(before, np.float32), np.zeros(after, np.float32))


def model(
    *,
    nodes=None,
    inputs=None,
    outputs=None,
    initializers=(),
    functions=(),
    the_card=None,
    the_golden=None,
    axis="frames",
    opset=17,
):
    """audio_out = audio + state.m; next.m = state.m."""
    nodes = nodes or [
        helper.make_node("Add", ["audio", "state.m"], ["audio_out"]),
        helper.make_node("Identity", ["state.m"], ["next.m"]),
    ]
    inputs = inputs or [value("audio", [1, 1, axis]), value("state.m", [1, 1, 1])]
    outputs = outputs or [value("audio_out", [1, 1, axis]), value("next.m", [1, 1, 1])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    domains = [("", opset), *((f.domain, 1) for f in functions)]
    imports = [helper.make_opsetid(*domain) for domain in domains]
    proto = helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=9)
    write_metadata(proto, the_card or card(), the_golden or golden())
    return proto


def with_node(op, inputs, **attributes):
    """The valid model with one more node, whose output is unused."""
    base = model().graph
    extra = helper.make_node(op, inputs, ["extra"], name="extra_node", **attributes)
    return model(nodes=[*base.node, extra])


def with_metadata(key, text):
    proto = model()
    for entry in proto.metadata_props:
        if entry.key == key:
            entry.value = text
    return proto


def changed_card(**changes):
    content = json.loads(card().model_dump_json(by_alias=True))
    content.update(changes)
    return with_metadata("rtaudio", json.dumps(content))


def changed_golden(**changes):
    proto = model()
    content = next(json.loads(e.value) for e in proto.metadata_props if e.key == "rtaudio.golden")
    content.update(changes)
    return with_metadata("rtaudio.golden", json.dumps(content))


def save(proto, folder: Path) -> Path:
    path = folder / "amp.onnx"
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    return path


def test_a_model_file_is_read(tmp_path):
    read = read_model(save(model(), tmp_path))
    assert read.card == card()
    assert [(s.input_name, s.output_name, s.shape, s.dtype) for s in read.states] == [
        ("state.m", "next.m", (1, 1, 1), "float32")
    ]
    assert not read.has_params
    assert read.codes_shape is None
    assert read.golden_input.shape == read.golden_output.shape == (1, GOLDEN_SAMPLES)
    assert read.golden_input.dtype == np.float32
    np.testing.assert_array_equal(read.states[0].zeros(), np.zeros((1, 1, 1), np.float32))


def test_metadata_comes_back_as_written():
    generator = np.random.default_rng(0)
    vector = Golden(*generator.standard_normal((2, 1, GOLDEN_SAMPLES)).astype(np.float32))
    written = card(metrics={"esr": 0.01}, levels={"loudness_db": -18.0}, description="é")
    read = check_model(model(the_card=written, the_golden=vector), "amp.onnx")
    assert read.card == written
    np.testing.assert_array_equal(read.golden_input, vector.input)
    np.testing.assert_array_equal(read.golden_output, vector.output)


def test_the_keys_of_a_card_are_those_of_the_file():
    """Attributes have units in their names; files keep the old keys."""
    by_key = card(sample_rate=44100, latency=7)
    by_name = Card(
        name="thru",
        rate_hz=44100,
        channels=(1, 1),
        hop=0,
        latency_samples=7,
        license="Apache-2.0",
        provenance={"data": "none"},
    )
    assert by_key == by_name
    assert (by_key.rate_hz, by_key.latency_samples) == (44100, 7)
    entry = model(the_card=by_key).metadata_props[0]
    content = json.loads(entry.value)
    assert (content["sample_rate"], content["latency"]) == (44100, 7)
    assert not content.keys() & {"rate_hz", "latency_samples"}


def test_a_fixed_hop_is_read():
    assert check_model(model(axis=64, the_card=card(hop=64)), "x.onnx").card.hop == 64


def test_parameters_and_counters_are_read():
    knob = ModelParameter(name="gain", min=0.0, max=10.0, default=5.0, unit="dB")
    proto = model(
        nodes=[
            helper.make_node("Mul", ["audio", "params"], ["audio_out"]),
            helper.make_node("Identity", ["state.count"], ["next.count"]),
        ],
        inputs=[
            value("audio", [1, 1, "frames"]),
            value("params", [1, 1]),
            value("state.count", [1], INT64),
        ],
        outputs=[value("audio_out", [1, 1, "frames"]), value("next.count", [1], INT64)],
        the_card=card(parameters=(knob,)),
    )
    read = check_model(proto, "x.onnx")
    assert read.has_params
    assert read.card.parameters == (knob,)
    assert read.states[0].zeros().dtype == np.int64


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_codecs_are_read(kind):
    frames = -(-GOLDEN_SAMPLES // 320) * 2
    audio, codes = np.zeros((1, GOLDEN_SAMPLES), np.float32), np.zeros((4, frames), np.int64)
    axis = helper.make_tensor("axis", INT64, [4], [1, 1, 1, 320])
    if kind == "encoder":
        nodes = [
            helper.make_node(
                "Constant", [], ["codes"], value=helper.make_tensor("c", INT64, [1, 4, 2], [0] * 8)
            )
        ]
        sides = [value("audio", [1, 1, 320])], [value("codes", [1, 4, 2], INT64)]
        channels, vector, initializers = (1, 0), Golden(audio, codes), []
    else:
        nodes = [
            helper.make_node("Cast", ["codes"], ["f"], to=FLOAT),
            helper.make_node("ReduceSum", ["f"], ["s"]),
            helper.make_node("Expand", ["s", "axis3"], ["audio_out"]),
        ]
        axis = helper.make_tensor("axis3", INT64, [3], [1, 1, 320])
        sides = [value("codes", [1, 4, 2], INT64)], [value("audio_out", [1, 1, 320])]
        channels, vector, initializers = (0, 1), Golden(codes, audio), [axis]
    proto = model(
        nodes=nodes,
        inputs=sides[0],
        outputs=sides[1],
        initializers=initializers,
        the_card=card(kind=kind, hop=320, channels=channels),
        the_golden=vector,
    )
    read = check_model(proto, "x.onnx")
    assert read.codes_shape == (4, 2)
    assert {read.golden_input.shape, read.golden_output.shape} == {(1, GOLDEN_SAMPLES), (4, frames)}


def lstm(initial=("state.h", "state.c"), *, the_card=None, **attributes):
    zeros = [("W", [1, 8, 1]), ("R", [1, 8, 2]), ("B", [1, 16]), ("zero", [1, 1, 2])]
    if attributes.get("direction") == "bidirectional":
        zeros = [(name, [2, *shape[1:]]) for name, shape in zeros]
    states = [value("state.h", [1, 1, 2]), value("state.c", [1, 1, 2])]
    nexts = [value("next.h", [1, 1, 2]), value("next.c", [1, 1, 2])]
    return model(
        nodes=[
            helper.make_node("Transpose", ["audio"], ["x"], perm=[2, 0, 1]),
            helper.make_node(
                "LSTM",
                ["x", "W", "R", "B", "", *initial],
                ["y", "next.h", "next.c"],
                name="cell",
                hidden_size=2,
                **attributes,
            ),
            helper.make_node("ReduceMean", ["y"], ["m"], axes=[1, 3], keepdims=0),
            helper.make_node("Transpose", ["m"], ["t"], perm=[1, 0]),
            helper.make_node("Unsqueeze", ["t", "first"], ["audio_out"]),
            helper.make_node("Add", ["state.h", "state.c"], ["unused"]),
        ],
        inputs=[value("audio", [1, 1, "frames"]), *states],
        outputs=[value("audio_out", [1, 1, "frames"]), *nexts],
        initializers=[
            *(helper.make_tensor(n, FLOAT, s, np.zeros(s).ravel()) for n, s in zeros),
            helper.make_tensor("first", INT64, [1], [0]),
        ],
        the_card=the_card,
    )


def test_a_recurrent_net_with_its_state_outside_is_read():
    assert [s.name for s in check_model(lstm(), "x.onnx").states] == ["h", "c"]


@pytest.mark.parametrize("direction", ["forward", "bidirectional", "reverse"])
def test_a_node_that_the_card_says_runs_across_bins_needs_no_state(direction):
    read = check_model(
        lstm(("zero", "zero"), direction=direction, the_card=card(across_bins=["cell"])), "x.onnx"
    )
    assert read.card.across_bins == ("cell",)
    with pytest.raises(ContractError, match=r"looks ahead|forgets"):
        check_model(
            lstm(("zero", "zero"), direction=direction, the_card=card(across_bins=["other"])),
            "x.onnx",
        )


def external():
    proto = model(initializers=[helper.make_tensor("w", FLOAT, [2], [1, 2])])
    tensor = proto.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return proto


def huge_tensor():
    proto = model(initializers=[helper.make_tensor("w", FLOAT, [2], [1, 2])])
    proto.graph.initializer[0].dims[:] = [1 << 40, 1 << 20]
    return proto


def branch():
    arms = [
        helper.make_graph(
            [helper.make_node("RandomNormal", [], [f"a{i}"], shape=[1])],
            f"g{i}",
            [],
            [value(f"a{i}", [1])],
        )
        for i in range(2)
    ]
    return with_node("If", ["state.m"], then_branch=arms[0], else_branch=arms[1])


def in_function(op, *inputs, **attributes):
    inner = helper.make_node(op, list(inputs), ["y"], **attributes)
    function = helper.make_function("my", "F", ["x"], ["y"], [inner], [helper.make_opsetid("", 17)])
    base = model().graph
    call = helper.make_node("F", ["audio"], ["extra"], domain="my")
    return model(nodes=[*base.node, call], functions=[function])


def without(side, name):
    proto = model()
    values = getattr(proto.graph, side)
    kept = [v for v in values if v.name != name]
    del values[:]
    values.extend(kept)
    return proto


def reshaped(side, name, shape, kind=FLOAT):
    proto = model()
    for entry in getattr(proto.graph, side):
        if entry.name == name:
            entry.CopyFrom(value(name, shape, kind))
    return proto


def renamed_state(shape, kind=FLOAT):
    proto = reshaped("input", "state.m", shape, kind)
    for entry in proto.graph.output:
        if entry.name == "next.m":
            entry.CopyFrom(value("next.m", shape, kind))
    return proto


nan_vector = base64.b64encode(np.full(GOLDEN_SAMPLES, np.nan, "<f4").tobytes()).decode()
knob_json = {"name": "gain", "min": 0, "max": 1, "default": 0, "unit": ""}

BROKEN = {
    "empty": (b"", "the file is empty"),
    "text": (b"RIFF this is a wav file, honestly", "not an ONNX file"),
    "zeros": (bytes(64), "not an ONNX file"),
    "empty graph": (onnx.ModelProto(ir_version=9), "not an ONNX file"),
    "no metadata": (with_metadata("rtaudio", "{}"), "contract version None"),
    "metadata not JSON": (with_metadata("rtaudio", "{"), "not a JSON object"),
    "metadata a list": (with_metadata("rtaudio", "[]"), "not a JSON object"),
    "version": (changed_card(contract=2), "contract version 2"),
    "extra key": (changed_card(colour="red"), "card.colour"),
    "misspelt key": (changed_card(sample_rat=48000), "did you mean 'sample_rate'?"),
    "missing key": (with_metadata("rtaudio", '{"contract": 1}'), "card.name"),
    "rate as text": (changed_card(sample_rate="48000"), "card.sample_rate"),
    "negative latency": (
        changed_card(latency=-1),
        "card.latency = -1 is out of range",
    ),
    "huge hop": (changed_card(hop=1 << 40), "card.hop"),
    "parameter out of range": (
        changed_card(parameters=[{**knob_json, "default": 2}]),
        "min <= default <= max",
    ),
    "parameter twice": (changed_card(parameters=[knob_json, knob_json]), "a name occurs twice"),
    "encoder with channels out": (changed_card(kind="encoder", hop=64), "do not fit the kind"),
    "encoder without hop": (changed_card(kind="encoder", channels=[1, 0]), "needs a hop"),
    "params missing": (changed_card(parameters=[knob_json]), "no input 'params'"),
    "params without knobs": (
        model(
            inputs=[
                value("audio", [1, 1, "frames"]),
                value("state.m", [1, 1, 1]),
                value("params", [1, 2]),
            ]
        ),
        "has an input 'params'",
    ),
    "params too many": (
        model(
            inputs=[
                value("audio", [1, 1, "frames"]),
                value("state.m", [1, 1, 1]),
                value("params", [1, 2]),
            ],
            the_card=card(
                parameters=(ModelParameter(**knob_json | {"min": 0.0, "max": 1.0, "default": 0.0}),)
            ),
        ),
        "not float32 [1, 1]",
    ),
    "external data": (external(), "is in another file"),
    "huge tensor": (huge_tensor(), "which its data do not fill"),
    "if": (branch(), "control flow (If)"),
    "random": (with_node("RandomNormalLike", ["audio"]), "randomness (RandomNormalLike)"),
    "bernoulli": (with_node("Bernoulli", ["audio"]), "randomness (Bernoulli)"),
    "random in function": (in_function("RandomUniformLike", "x"), "randomness (RandomUniformLike)"),
    "training dropout": (with_node("Dropout", ["audio", "", "state.m"]), "randomness (Dropout)"),
    "batch statistics": (
        with_node("BatchNormalization", ["audio"] + ["state.m"] * 4, training_mode=1),
        "batch statistics",
    ),
    "foreign operator": (
        with_node("FusedGemm", ["audio"], domain="com.microsoft"),
        "not standard ONNX",
    ),
    "invalid graph": (with_node("Add", ["audio", "nowhere"]), "not a valid ONNX graph"),
    "no audio": (without("input", "audio"), "not a valid ONNX graph"),
    "no audio_out": (without("output", "audio_out"), "no graph output 'audio_out'"),
    "no next": (without("output", "next.m"), "no output 'next.m'"),
    "next of other shape": (reshaped("output", "next.m", [1, 1, 2]), "they must be equal"),
    "next of other type": (reshaped("output", "next.m", [1, 1, 1], INT64), "they must be equal"),
    "free state": (renamed_state([1, 1, "n"]), "fixed shape"),
    "zero state": (renamed_state([1, 0, 1]), "fixed shape"),
    "double state": (renamed_state([1, 1, 1], TensorProto.DOUBLE), "state is float32"),
    "huge state": (renamed_state([1 << 40, 1 << 20, 1]), "numbers of state"),
    "free channels": (reshaped("input", "audio", [1, "c", "frames"]), "has c channels"),
    "stereo graph": (reshaped("input", "audio", [1, 2, "frames"]), "has 2 channels"),
    "wrong axis name": (model(axis="n"), "needs 'frames'"),
    "undeclared axis": (model(axis=None), "needs 'frames'"),
    "fixed for hop 0": (model(axis=64), "needs 'frames'"),
    "free for hop 64": (changed_card(hop=64), "needs 64"),
    "double audio": (reshaped("input", "audio", [1, 1, "frames"], TensorProto.DOUBLE), "is double"),
    "flat audio": (reshaped("input", "audio", ["frames"]), "not float32"),
    "stray input": (
        model(
            inputs=[
                value("audio", [1, 1, "frames"]),
                value("state.m", [1, 1, 1]),
                value("seed", [1]),
            ]
        ),
        "input 'seed' is not in the contract",
    ),
    "stray output": (
        model(
            outputs=[
                value("audio_out", [1, 1, "frames"]),
                value("next.m", [1, 1, 1]),
                value("next.x", [1, 1, 1]),
            ],
            nodes=[*model().graph.node, helper.make_node("Identity", ["state.m"], ["next.x"])],
        ),
        "output 'next.x' is not in the contract",
    ),
    "golden not JSON": (with_metadata("rtaudio.golden", "x"), "is not JSON"),
    "golden key": (changed_golden(extra=1), "needs exactly the keys"),
    "golden length": (changed_golden(samples=1024), "1024 samples"),
    "golden short": (changed_golden(input="AAAA"), "has 3 bytes"),
    "golden no base64": (changed_golden(input="*"), "not base64"),
    "golden number": (changed_golden(input=3), "not base64"),
    "golden NaN": (changed_golden(output=nan_vector), "NaN"),
    "golden channels": (changed_golden(channels=[1, 2]), "says [1, 2] channels"),
    "stateless recurrence": (lstm(initial=("zero", "zero")), "forgets everything"),
    "half stateless": (lstm(initial=("state.h", "zero")), "forgets everything"),
    "no start state": (lstm(initial=()), "forgets everything"),
    "bidirectional": (lstm(direction="bidirectional"), "looks ahead"),
    "reverse": (lstm(direction="reverse"), "looks ahead"),
    "recurrence in function": (
        in_function("LSTM", "x", "x", "x", hidden_size=1),
        "cannot be followed",
    ),
}


@pytest.mark.parametrize(("proto", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused_in_one_line(proto, reason, tmp_path):
    path = save(proto, tmp_path)
    with pytest.raises(ContractError) as caught:
        read_model(path)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(str(path))
    assert "\n" not in message


@pytest.mark.parametrize("key", ["rtaudio", "rtaudio.golden"])
def test_missing_metadata_is_refused(key, tmp_path):
    proto = model()
    kept = [e for e in proto.metadata_props if e.key != key]
    del proto.metadata_props[:]
    proto.metadata_props.extend(kept)
    with pytest.raises(ContractError, match=r"no metadata|no golden vector"):
        read_model(save(proto, tmp_path))


def with_halves(uses=1, to=FLOAT):
    """The valid model with numbers of half precision that are cast to others."""
    tensor = onnx.numpy_helper.from_array(np.arange(2048, dtype=np.float16), "w.half")
    base = model().graph
    casts = [helper.make_node("Cast", ["w.half"], [f"w.{k}"], to=to) for k in range(uses)]
    return model(nodes=[*casts, *base.node], initializers=[tensor])


def test_weights_of_half_precision_are_read_as_single(tmp_path):
    read = read_model(save(with_halves(), tmp_path))
    [weight] = read.proto.graph.initializer
    assert weight.name == "w.0"
    values = onnx.numpy_helper.to_array(weight)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.arange(2048))
    assert all(node.op_type != "Cast" for node in read.proto.graph.node)
    assert onnx.ModelProto.FromString(read.data) == read.proto


@pytest.mark.parametrize("proto", [with_halves(uses=2), with_halves(to=INT64)])
def test_halves_of_another_use_stay_in_the_graph(proto, tmp_path):
    read = read_model(save(proto, tmp_path))
    assert read.proto == proto
    assert read.data == proto.SerializeToString()


def test_dropout_that_does_nothing_is_allowed():
    base = model().graph
    off = helper.make_tensor("off", TensorProto.BOOL, [], [False])
    drop = helper.make_node("Dropout", ["audio", "", "off"], ["extra"])
    check_model(model(nodes=[*base.node, drop], initializers=[off]), "x.onnx")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.onnx"):
        read_model(tmp_path / "nothing.onnx")


WHOLE = lstm().SerializeToString()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, len(WHOLE) - 1))
def test_a_file_cut_anywhere_is_refused(tmp_path, cut):
    with pytest.raises(ContractError):
        read_model(save(WHOLE[:cut], tmp_path))


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_never_worse(tmp_path, place, byte):
    path = save(WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :], tmp_path)
    message = ""
    try:
        read_model(path)
    except ContractError as error:
        message = str(error)
    assert "\n" not in message
