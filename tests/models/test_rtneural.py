"""RTNeural and AIDA-X files: against an oracle in float64, and RTNeural's own vectors."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from rtaudio.effects.chain import Chain
from rtaudio.effects.model import Model
from rtaudio.errors import ContractError, FormatError
from rtaudio.models.formats.rtneural import read_rtneural
from rtaudio.models.loader import load_model
from rtaudio.models.onnx_player import play
from rtaudio.runtime.offline import run

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 2048).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


ACTIVATIONS = {
    "": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "elu": lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1),
    "softmax": softmax,
}


def played(layer, x):
    """Apply one layer of Keras to x (frames, in)."""
    weights = [np.array(w, np.float32).astype(np.float64) for w in layer["weights"]]
    activation = ACTIVATIONS[layer.get("activation", "")]
    match layer["type"]:
        case "dense" | "time-distributed-dense":
            return activation(x @ weights[0] + (weights[1] if len(weights) > 1 else 0.0))
        case "conv1d":
            taps, _, out = weights[0].shape
            groups, dilation = layer.get("groups", 1), layer["dilation"][-1]
            columns, rows = x.shape[1] // groups, out // groups
            y = np.zeros((len(x), out))
            for tap in range(taps):
                late = (taps - 1 - tap) * dilation
                past = np.pad(x, ((late, 0), (0, 0)))[: len(x)]
                for g in range(groups):
                    y[:, g * rows : (g + 1) * rows] += (
                        past[:, g * columns : (g + 1) * columns]
                        @ weights[0][tap, :, g * rows : (g + 1) * rows]
                    )
            return activation(y + weights[1])
        case "lstm":
            size = len(weights[1])
            hidden, cell, rows = np.zeros(size), np.zeros(size), []
            for frame in x:
                i, f, c, o = np.split(frame @ weights[0] + hidden @ weights[1] + weights[2], 4)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
                hidden = sigmoid(o) * np.tanh(cell)
                rows.append(hidden)
            return np.array(rows)
        case "gru":
            size = len(weights[1])
            hidden, rows = np.zeros(size), []
            for frame in x:
                zx, rx, hx = np.split(frame @ weights[0] + weights[2][0], 3)
                zh, rh, hh = np.split(hidden @ weights[1] + weights[2][1], 3)
                z, r = sigmoid(zx + zh), sigmoid(rx + rh)
                hidden = z * hidden + (1 - z) * np.tanh(hx + r * hh)
                rows.append(hidden)
            return np.array(rows)
        case "prelu":
            return np.where(x > 0, x, weights[0] * x)
        case "batchnorm":
            scale, shift, mean, variance = weights if len(weights) == 4 else (1, 0, *weights)
            return scale * (x - mean) / np.sqrt(variance + layer["epsilon"]) + shift
        case "activation":
            return activation(x)
    raise KeyError(layer["type"])


def oracle(document, x, knobs=()):
    """Play x from the zero state."""
    audio = x.astype(np.float64) * 10 ** (document.get("in_gain", 0) / 20)
    signal = np.stack([audio, *(np.full(len(x), knob) for knob in knobs)], axis=1)
    for layer in document["layers"]:
        signal = played(layer, signal)
    y = signal[:, 0] + (audio if document.get("in_skip") else 0.0)
    return y * 10 ** (document.get("out_gain", 0) / 20)


def layer(kind, given, size, seed=0, **more):
    """One layer with random weights."""
    random = np.random.default_rng([seed, given, size])

    def draw(*shape):
        return (0.6 * random.standard_normal(shape)).astype(np.float32).tolist()

    taps, groups = more.get("kernel_size", [3])[0], more.get("groups", 1)
    weights = {
        "dense": lambda: [draw(given, size), draw(size)],
        "time-distributed-dense": lambda: [draw(given, size)],
        "conv1d": lambda: [draw(taps, given // groups, size), draw(size)],
        "lstm": lambda: [draw(given, 4 * size), draw(size, 4 * size), draw(4 * size)],
        "gru": lambda: [draw(given, 3 * size), draw(size, 3 * size), draw(2, 3 * size)],
        "prelu": lambda: [draw(1, size)],
        "batchnorm": lambda: [*draw(3, size), np.abs(draw(size)).tolist()],
        "activation": list,
    }[kind]()
    return {"type": kind, "activation": "", "shape": [None, None, size], "weights": weights} | more


def document(*layers, inputs=1, **more):
    return {"in_shape": [None, None, inputs], "layers": list(layers)} | more


HEAD = layer("dense", 5, 1)
DOCUMENTS = {
    "lstm": document(layer("lstm", 1, 5), HEAD),
    "lstm of two": document(layer("lstm", 1, 4), layer("lstm", 4, 5), HEAD),
    "gru": document(layer("gru", 1, 5), HEAD, in_skip=1, in_gain=-3.0, out_gain=2.5),
    "gru after dense": document(layer("dense", 1, 4, activation="relu"), layer("gru", 4, 5), HEAD),
    "conv after gru": document(layer("gru", 1, 4),
                                layer("conv1d", 4, 5, kernel_size=[3], dilation=[2]), HEAD),
    "convolutions": document(
        layer("conv1d", 1, 4, kernel_size=[3], dilation=[1], activation="tanh"),
        layer("batchnorm", 4, 4, epsilon=0.01), layer("prelu", 4, 4),
        layer("conv1d", 4, 6, kernel_size=[2], dilation=[7], groups=2),
        layer("activation", 6, 6, activation="elu"), layer("time-distributed-dense", 6, 1)),
    "soft": document(layer("dense", 1, 5, activation="softmax"),
                     layer("activation", 5, 5, activation="sigmoid"), HEAD),
    "one knob": document(layer("lstm", 2, 5), HEAD, inputs=2, in_gain=6.0, in_skip=1),
    "two knobs": document(layer("gru", 3, 5), HEAD, inputs=3),
}  # fmt: skip


def save(content, folder, name="amp.aidax"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def from_zero(model, engine, x):
    """Play x from the zero state, before any pre-warm, with all knobs at their defaults."""
    return play(model.file, model._makers[engine], x[None].astype(np.float32))[0]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_layer_sounds_as_in_keras(name, tmp_path):
    content = DOCUMENTS[name]
    model = load_model(save(content, tmp_path))
    wanted = oracle(content, NOISE, [0.0] * (content["in_shape"][-1] - 1))
    assert np.max(np.abs(wanted)) > 1e-2
    for engine in model.golden_errors:
        error = from_zero(model, engine, NOISE) - wanted
        assert np.max(np.abs(error)) <= 2e-6 * max(1.0, np.max(np.abs(wanted)))


@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_knobs_are_live_parameters(engine, tmp_path):
    content = DOCUMENTS["two knobs"]
    path = save(content, tmp_path)
    model = Model(path, name="amp", engine=engine, parameters={"param1": 0.25})
    assert list(model.live_values()) == ["mix", "bypass", "param1", "param2"]
    silence = np.zeros(2048, np.float32)
    program = Chain([model]).compile(RATE, 64)
    heard = run(program, NOISE[None])[0]
    wanted = oracle(content, np.concatenate([silence, NOISE]), [0.25, 0.0])[2048:]
    assert np.max(np.abs(heard - wanted)) <= 3e-6
    program.set("amp.param2", 0.75)
    after = run(program, np.tile(NOISE, 4)[None])[0][-2048:]
    wanted = oracle(content, np.tile(NOISE, 4), [0.25, 0.75])[-2048:]
    assert np.max(np.abs(after - wanted)) <= 1e-5
    with pytest.raises(ValueError, match="out of range"):
        program.set("amp.param1", 1.5)


def test_the_test_vector_of_a_file_is_its_golden_vector(tmp_path):
    content = copy.deepcopy(DOCUMENTS["gru"])
    content["input_batch"] = NOISE.tolist()
    content["output_batch"] = oracle(content, NOISE).tolist()
    net = read_rtneural(save(content, tmp_path))
    assert net.format == "aida-x"
    np.testing.assert_array_equal(net.golden.input[0], NOISE)
    model = load_model(net.path)
    assert max(model.golden_errors.values()) <= 2e-6
    content["output_batch"][1000] += 0.01
    with pytest.raises(ContractError, match="does not reproduce its golden vector"):
        load_model(save(content, tmp_path, "damaged.aidax"))


def test_the_metadata_of_the_file_are_kept(tmp_path):
    metadata = {"name": "Big One", "samplerate": "44100", "author": "me", "esr": 0.01}
    path = save(document(layer("lstm", 1, 5), HEAD, metadata=metadata), tmp_path)
    card = load_model(path).file.card
    assert (card.name, card.rate_hz, card.metrics) == ("Big One", 44100, {"esr": 0.01})
    assert "by me" in card.description
    assert card.prewarm_samples == 2048
    assert read_rtneural(save(DOCUMENTS["lstm"], tmp_path)).format == "rtneural"


def changed(content, *keys, to):
    result = copy.deepcopy(content)
    place = result
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    return result


LSTM, CONV, KNOB = DOCUMENTS["lstm"], DOCUMENTS["convolutions"], DOCUMENTS["one knob"]
BROKEN = {
    "no shape": (changed(LSTM, "in_shape", to=[]), "in_shape"),
    "text shape": (changed(LSTM, "in_shape", to=["1"]), "in_shape"),
    "time and frequency": (changed(LSTM, "in_shape", to=[None, 50, 23, 1]), "time and frequency"),
    "four inputs": (changed(LSTM, "in_shape", to=[None, None, 4]), "at most 2 knobs"),
    "no layers": (changed(LSTM, "layers", to=[]), "layers"),
    "layer": (changed(LSTM, "layers", 0, to=3), "layer 0"),
    "kind": (changed(LSTM, "layers", 0, "type", to="attention"), "attention"),
    "stereo": (changed(LSTM, "layers", to=LSTM["layers"][:1]), "5 outputs"),
    "hidden": (changed(LSTM, "layers", 0, "shape", to=[None, None, 6]), "layer 0 (lstm)"),
    "giant": (changed(LSTM, "layers", 0, "shape", to=[None, None, 10**9]), "size from 1 to 4096"),
    "ragged": (changed(LSTM, "layers", 0, "weights", 1, 2, to=[0.1]), "weights 1"),
    "bias": (
        changed(LSTM, "layers", 0, "weights", to=LSTM["layers"][0]["weights"][:2]),
        "weights 2",
    ),
    "deep": (changed(LSTM, "layers", 1, "weights", 1, to=[[0.1]]), "not a list of numbers"),
    "no weights": (changed(LSTM, "layers", 0, "weights", to=None), "weights is not a list"),
    "NaN": (
        changed(LSTM, "layers", 1, "weights", 1, to=[float("nan")]),
        "] is not a finite float32",
    ),
    "huge": (changed(LSTM, "layers", 1, "weights", 1, to=[1e39]), "not a finite float32"),
    "activation": (changed(CONV, "layers", 0, "activation", to="swish"), "swish"),
    "stride": (changed(CONV, "layers", 0, "strides", to=2), "strides"),
    "groups": (changed(CONV, "layers", 3, "groups", to=4), "groups"),
    "dilation": (changed(CONV, "layers", 0, "dilation", to=[0]), "dilation"),
    "long": (changed(CONV, "layers", 3, "dilation", to=[1 << 20]), "looks back"),
    "variance": (changed(CONV, "layers", 1, "epsilon", to=None), "epsilon"),
    "negative variance": (changed(CONV, "layers", 1, "weights", 3, 0, to=-5.0), "not positive"),
    "slopes": (changed(CONV, "layers", 2, "weights", to=[[[0.1, 0.2]]]), "slopes"),
    "skip": (changed(LSTM, "in_skip", to=2), "in_skip"),
    "gain": (changed(LSTM, "in_gain", to="loud"), "in_gain"),
    "gain too large": (changed(LSTM, "out_gain", to=1e300), "out_gain"),
    "rate": (changed(LSTM, "metadata", to={"samplerate": 3}), "sample_rate"),
    "vectors": ({**LSTM, "input_batch": [0.0] * 2048, "output_batch": [0.0] * 2047}, "2047"),
    "nothing known": ({"a": 1}, "neither"),
    "weights alone": ({"lstm.weight": [[1.0]]}, "without a description"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_refused_in_one_line(content, reason, tmp_path):
    path = save(content, tmp_path)
    with pytest.raises(FormatError) as caught:
        load_model(path)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 300 + len(str(path))


def vector(folder, name):
    return np.loadtxt(folder / "vectors" / f"{name}.csv", delimiter=",", ndmin=2)


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["conv", "conv_stateless", "dense", "gru", "gru_1d", "lstm", "lstm_1d"]
)
def test_vectors_of_rtneural_are_reproduced(name, data_folder):
    folder = data_folder / "guitar" / "formats" / "rtneural"
    model = load_model(folder / "models" / f"{name}.json")
    dry, wanted = vector(folder, f"{name}_x_python")[:, 0], vector(folder, f"{name}_y_python")[:, 0]
    for engine in model.golden_errors:
        # A net over whole takes has no output before its kernels are filled.
        error = from_zero(model, engine, dry)[-len(wanted) :] - wanted
        assert np.max(np.abs(error)) <= 2e-6 * max(1.0, np.max(np.abs(wanted)))


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    ["bad_lstm", "conv2d", "conv1d_torch", "convtranspose1d_torch", "gru_torch", "microtcn/conv1"],
)
def test_files_of_rtneural_that_do_not_stream_are_refused(name, data_folder):
    folder = data_folder / "guitar" / "formats" / "rtneural" / "models"
    with pytest.raises(FormatError):
        load_model(folder / f"{name}.json")


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["centaur_0", "centaur_50", "centaur", "centaur_small", "centaur_large"]
)
def test_nets_of_the_klon_sound_as_in_keras(name, data_folder):
    path = data_folder / "guitar" / "formats" / "klon_nets" / f"{name}.json"
    model = load_model(path)
    wanted = oracle(json.loads(path.read_text()), NOISE, [0.0] * len(model.file.card.parameters))
    for engine in model.golden_errors:
        assert np.max(np.abs(from_zero(model, engine, NOISE) - wanted)) <= 3e-6
