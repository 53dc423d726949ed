"""Written .nam files: a player computes the same from them as the net."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from export.cli import export
from export.errors import ExportError
from export.exporter import export_model
from export.loudness import Loudness, measure_loudness
from export.nam import nam_document
from export.parity import Parity
from rtaudio.cli import main
from rtaudio.models.contract.card import Card
from rtaudio.models.contract.check import read_model
from rtaudio.models.formats.nam.reader import read_nam
from rtaudio.models.loader import load_model
from rtaudio.models.net.from_graph import net_of
from rtaudio.models.net.types import Activation, Conv, WaveNet, WaveNetArray, WaveNetLayer
from training.cli import export as export_checkpoint
from training.models.gru import GruAmp
from training.models.lstm import LstmAmp
from training.models.wavenet import WaveNetAmp

DATA = Path(os.environ.get("RTAUDIO_DATA") or Path(__file__).parents[3] / "shared" / "data")
CAPTURES = DATA / "guitar" / "captures"
CARD = {
    "name": "amp", "sample_rate": 48000, "license": "MIT",
    "levels": {"input_dbu": 11.5, "output_dbu": -3.0},
    "provenance": {"date": "2026-03-04", "gear_make": "Acme", "gear_type": "amp",
                   "tone_type": "nonsense"},
    "metrics": {"validation_esr": 0.0125},
}  # fmt: skip
KNOB = {"name": "gain", "min": 0.0, "max": 10.0, "default": 5.0}
QUIET = Loudness(-20.0, 0.5)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Skip the proof of the ONNX export, which has its own tests."""
    monkeypatch.setattr("export.exporter.check_parity", lambda net, model: Parity(0.0, 0.0, 0))


def logistic(z):
    return 1 / (1 + np.exp(-z))


def player(document, x):
    """Play a file by the definition of the format, in double precision."""
    weights = iter(document["weights"])

    def take(*shape):
        return np.array([next(weights) for _ in range(np.prod(shape))], float).reshape(shape)

    def conv(weight, bias, y, dilation=1):
        past = (weight.shape[2] - 1) * dilation
        padded = np.pad(y, ((0, 0), (past, 0)))
        taps = (
            weight[:, :, k] @ padded[:, k * dilation : k * dilation + y.shape[1]]
            for k in range(weight.shape[2])
        )
        return sum(taps) + (0 if bias is None else bias[:, None])

    config = document["config"]
    x = np.asarray(x, float)
    if document["architecture"] == "LSTM":
        hidden, signal = config["hidden_size"], x[:, None]
        for _ in range(config["num_layers"]):
            matrix = take(4 * hidden, signal.shape[1] + hidden)
            bias, h, c = take(4 * hidden), take(hidden), take(hidden)
            outputs = []
            for sample in signal:
                i, f, g, o = (matrix @ np.r_[sample, h] + bias).reshape(4, hidden)
                c = logistic(f) * c + logistic(i) * np.tanh(g)
                h = logistic(o) * np.tanh(c)
                outputs.append(h)
            signal = np.array(outputs)
        y = signal @ take(hidden) + take(1)
    else:
        x = y = x[None]
        head = 0.0
        for array in config["layers"]:
            channels = array["channels"]
            y = take(channels, array["input_size"]) @ y
            kernels = array.get("kernel_sizes") or [array["kernel_size"]] * len(array["dilations"])
            for k, d in zip(kernels, array["dilations"], strict=True):
                weight, bias = take(channels, channels, k), take(channels)
                z = conv(weight, bias, y, d) + take(channels, 1) @ x
                z = np.tanh(z) if array["activation"] == "Tanh" else np.maximum(z, 0.01 * z)
                head = head + z
                out, bias = take(channels, channels), take(channels)
                y = y + out @ z + bias[:, None]
            form = array.get("head") or {
                "out_channels": array["head_size"],
                "kernel_size": 1,
                "bias": array["head_bias"],
            }
            weight = take(form["out_channels"], channels, form["kernel_size"])
            head = conv(weight, take(form["out_channels"]) if form["bias"] else None, head)
        y = (head * take(1))[0]
    assert next(weights, None) is None
    return y


def checkpoint(net, path):
    """Write a checkpoint of a net with random weights, as training does."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    kind = type(net)
    torch.save({"net": f"{kind.__module__}:{kind.__name__}", "arguments": net.made_with,
                "weights": net.state_dict(), "card": CARD}, path)  # fmt: skip
    return path


def made(kind, **arguments):
    net = kind(**arguments)
    net.made_with = arguments
    return net


NETS = {
    "lstm": lambda: made(LstmAmp, hidden=5, residual=False),
    "lstm with the dry signal": lambda: made(LstmAmp, hidden=5),
    "three layers with the dry signal": lambda: made(LstmAmp, hidden=3, layers=3),
    "wavenet nano": lambda: made(WaveNetAmp, size="nano"),
}


@pytest.mark.parametrize("name", NETS)
def test_a_trained_net_plays_the_same_as_a_nam_file(name, tmp_path):
    net, out = NETS[name](), tmp_path / "amp.nam"
    source = checkpoint(net, tmp_path / "best.pt")
    export_checkpoint(source, out)
    export_checkpoint(source, tmp_path / "amp.onnx")
    golden = read_model(tmp_path / "amp.onnx").golden
    document = json.loads(out.read_text())
    played = player(document, golden.input[0])
    np.testing.assert_allclose(played, golden.output[0], rtol=0, atol=1e-6)
    assert document["version"] == "0.5.4"
    assert document["sample_rate"] == 48000
    about = document["metadata"]
    assert about["name"] == "amp"
    assert about["date"] == {"year": 2026, "month": 3, "day": 4, "hour": 0, "minute": 0,
                             "second": 0}  # fmt: skip
    assert (about["input_level_dbu"], about["output_level_dbu"]) == (11.5, -3.0)
    assert about["gear_make"] == "Acme"
    assert about["gear_type"] == "amp"
    assert "tone_type" not in about
    assert about["training"] == {"validation_esr": 0.0125}
    assert 0 <= about["gain"] <= 1


@pytest.mark.data
@pytest.mark.parametrize("path", sorted(CAPTURES.glob("*.nam")), ids=lambda path: path.stem)
def test_a_file_read_and_written_has_the_same_weights(path, tmp_path):
    net = read_nam(path).net
    card = Card(**CARD, channels=(1, 1), hop=0, latency=0)
    if path.stem in ("core_wavenet_a2_max", "core_wavenet_condition_dsp"):
        with pytest.raises(ExportError, match="only plain WaveNets"):
            nam_document(net, card, QUIET)
        return
    document = nam_document(net, card, QUIET)
    (tmp_path / "again.nam").write_text(json.dumps(document))
    again = read_nam(tmp_path / "again.nam").net
    assert repr(again) == repr(net)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(again), arrays(net), strict=True))


def arrays(part):
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple | list):
        for inner in part:
            yield from arrays(inner)
    elif hasattr(part, "__dict__"):
        yield from arrays(list(vars(part).values()))


def test_layers_that_differ_in_kernel_need_the_newest_version():
    rng = np.random.default_rng(0)

    def conv(*shape, bias=True, dilation=1):
        weight, offset = (
            rng.uniform(-0.5, 0.5, size).astype(np.float32) for size in (shape, shape[0])
        )
        return Conv(weight, offset if bias else None, dilation)

    layers = tuple(
        WaveNetLayer(
            conv(3, 3, taps, dilation=dilation),
            conv(3, 1, 1, bias=False),
            Activation("leaky_relu", (0.01,)),
            conv(3, 3, 1),
        )
        for taps, dilation in ((2, 1), (4, 3))
    )
    net = WaveNet((WaveNetArray(conv(3, 1, 1, bias=False), layers, conv(1, 3, 5)),), 0.5)
    card = Card(**CARD, channels=(1, 1), hop=0, latency=0)
    document = nam_document(net, card, QUIET)
    assert document["version"] == "0.7.0"
    x = rng.uniform(-1, 1, 50)
    y = head = np.zeros((3, 50))
    y = net.arrays[0].rechannel.weight[:, :, 0] @ x[None]
    for layer in layers:
        z = (
            torch.nn.functional.conv1d(
                torch.tensor(np.pad(y, ((0, 0), (layer.conv.past, 0))))[None],
                torch.tensor(layer.conv.weight).double(),
                torch.tensor(layer.conv.bias).double(),
                dilation=layer.conv.dilation,
            )[0].numpy()
            + layer.mixer.weight[:, :, 0] @ x[None]
        )
        z = np.where(z > 0, z, 0.01 * z)
        head, y = head + z, y + layer.out.weight[:, :, 0] @ z + layer.out.bias[:, None]
    last = net.arrays[0].head
    head = torch.nn.functional.conv1d(
        torch.tensor(np.pad(head, ((0, 0), (4, 0))))[None],
        torch.tensor(last.weight).double(),
        torch.tensor(last.bias).double(),
    )[0, 0].numpy()
    np.testing.assert_allclose(player(document, x), 0.5 * head, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (lambda: made(LstmAmp, hidden=3, knobs=[KNOB]), "no knobs"),
        (lambda: made(GruAmp, hidden=3), "holds LSTMs"),
        (lambda: made(LstmAmp, hidden=3, knobs=[KNOB], conditioning="film"), "lstm_film"),
    ],
)
def test_an_unsupported_net_is_refused_and_nothing_is_written(net, reason, tmp_path):
    with pytest.raises(ExportError, match=reason):
        export_checkpoint(checkpoint(net(), tmp_path / "best.pt"), tmp_path / "amp.nam")
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_hint_that_lies_is_found_before_anything_is_written(tmp_path):
    net = made(LstmAmp, hidden=3, residual=False).eval()
    honest = net.architecture()
    net.architecture = lambda: {**honest, "residual": True}
    export_model(net, CARD, tmp_path / "amp.onnx")
    assert net_of(read_model(tmp_path / "amp.onnx")) is not None
    with pytest.raises(ExportError, match="not written: it would differ"):
        export(tmp_path / "amp.onnx", tmp_path / "amp.nam")
    assert not (tmp_path / "amp.nam").exists()


@pytest.mark.parametrize(
    ("source", "out", "reason"),
    [("amp.onnx", "amp.wav", "unknown suffix"), ("amp.onnx", "b.onnx", "empty"),
     ("amp.nam", "amp.nam", "is the file that is read"),
     ("none.nam", "amp.onnx", "no such model file")],
)  # fmt: skip
def test_the_command_line_refuses_in_one_line(source, out, reason, tmp_path, capsys):
    for name in ("amp.onnx", "amp.nam"):
        (tmp_path / name).touch()
    with pytest.raises(SystemExit) as stop:
        main(["export", str(tmp_path / source), str(tmp_path / out)])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_a_nam_file_becomes_a_model_file(tmp_path):
    export_checkpoint(
        checkpoint(made(LstmAmp, hidden=3, residual=False), tmp_path / "best.pt"),
        tmp_path / "amp.nam",
    )
    export(tmp_path / "amp.nam", tmp_path / "amp.onnx")
    file = read_model(tmp_path / "amp.onnx")
    assert file.card.levels["input_dbu"] == 11.5
    played = player(json.loads((tmp_path / "amp.nam").read_text()), file.golden_input[0])
    np.testing.assert_allclose(played, file.golden_output[0], rtol=0, atol=1e-6)


def test_loudness_of_known_systems():
    assert measure_loudness(lambda x: x, 48000) == pytest.approx((-15.0, 0.0), abs=0.01)
    constant = measure_loudness(lambda x: 0.1 * np.sign(x), 44100)
    assert constant.loudness_db == pytest.approx(-20.0, abs=0.01)
    assert constant.compression == pytest.approx(9 / 11, abs=1e-3)  # silence stays silent
    assert measure_loudness(np.zeros_like, 48000) == (-200.0, 0.0)


def test_a_net_that_does_not_rest_at_zero_is_pre_warmed(tmp_path):
    source = checkpoint(made(WaveNetAmp, size="nano"), tmp_path / "best.pt")
    export_checkpoint(source, tmp_path / "amp.onnx")
    export_checkpoint(source, tmp_path / "amp.nam")
    ours, theirs = (load_model(tmp_path / f"amp.{ending}") for ending in ("onnx", "nam"))
    assert ours.file.card.prewarm_samples == theirs.file.card.prewarm_samples == 4093
