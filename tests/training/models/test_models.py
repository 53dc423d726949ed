"""The nets: they stream, they rest in silence, knobs act, and their hints name their weights."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import onnx  # noqa: E402

from export.exporter import export_model  # noqa: E402
from export.streaming import StreamingModule  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from rtaudio.models.formats.nam.reader import read_nam  # noqa: E402
from training.guitar.teacher import Teacher  # noqa: E402
from training.models import NETS, net_arguments, net_class  # noqa: E402

GAIN = {"name": "gain", "min": 0, "max": 10, "default": 7, "unit": ""}
TONE = {"name": "tone", "min": -1.0, "max": 1.0, "default": 0.5}
RECURRENT = [
    (kind, arguments)
    for kind in ("lstm", "gru")
    for arguments in (
        {},
        {"layers": 2},
        {"layers": 3, "residual": False},
        {"knobs": [GAIN, TONE]},
        {"layers": 2, "knobs": [GAIN], "conditioning": "film"},
    )
]
EVERY = [(kind, {"hidden": 5, **arguments}) for kind, arguments in RECURRENT] + [
    ("wavenet", {"size": "nano", **arguments})
    for arguments in ({}, {"knobs": [GAIN, TONE]}, {"knobs": [GAIN], "conditioning": "film"})
]
every_net = pytest.mark.parametrize(("kind", "arguments"), EVERY)


@torch.inference_mode(mode=False)
def trained(kind, arguments):
    """A net whose every trainable weight has moved, as after some steps of training."""
    torch.manual_seed(0)
    net = NETS[kind](**arguments)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(3):
        x = 0.5 * torch.randn(2, 1, 50)
        knobs = (torch.tensor([[2.0, -0.5], [9.0, 0.8]])[:, : len(net.controls)],)
        y, _ = net(x, net.initial_state(2), *(knobs if net.controls else ()))
        optimizer.zero_grad()
        (y - torch.tanh(3 * x) - 0.1).square().mean().backward()
        optimizer.step()
    return net.eval()


def settings(net, value=0.3):
    """The same place of every knob's travel, as the third argument of the net."""
    row = [knob.min + value * (knob.max - knob.min) for knob in net.controls]
    return (torch.tensor([row]),) if row else ()


@every_net
@torch.inference_mode()
def test_blocks_and_whole_are_the_same(kind, arguments):
    net = trained(kind, arguments)
    x = torch.randn(1, 1, 300)
    whole, end = net(x, net.initial_state(), *settings(net))
    state, pieces = net.initial_state(), []
    for piece in x.split([1, 17, 64, 200, 18], dim=-1):
        y, state = net(piece, state, *settings(net))
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, -1), whole, rtol=0, atol=1e-6)
    for name, value in end.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "arguments"), RECURRENT)
@torch.inference_mode()
def test_silence_stays_silent_wherever_the_knobs_stand(kind, arguments):
    net = trained(kind, {"hidden": 5, **arguments})
    for place in (0.0, 0.4, 1.0):
        y, state = net(torch.zeros(1, 1, 200), net.initial_state(), *settings(net, place))
        assert not y.any()
        assert not any(value.any() for value in state.values())


@every_net
@torch.inference_mode()
def test_every_knob_is_heard(kind, arguments):
    net = trained(kind, arguments)
    x = torch.randn(1, 1, 100)
    middle = [0.5 * (knob.min + knob.max) for knob in net.controls]
    for place, knob in enumerate(net.controls):
        turned = [*middle[:place], knob.max, *middle[place + 1 :]]
        a, b = (net(x, net.initial_state(), torch.tensor([v]))[0] for v in (middle, turned))
        assert (a - b).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("lstm", {"hidden": 5}),
        ("lstm", {"hidden": 3, "layers": 3, "knobs": [GAIN]}),
        ("lstm", {"hidden": 3, "knobs": [GAIN], "conditioning": "film"}),
        ("gru", {"hidden": 5, "layers": 2, "knobs": [GAIN, TONE]}),
        ("wavenet", {"size": "nano"}),
        ("wavenet", {"size": "nano", "knobs": [GAIN], "conditioning": "film"}),
    ],
)
def test_the_hint_names_every_weight_of_the_graph(kind, arguments, tmp_path):
    net = trained(kind, arguments)
    card = {"name": "amp", "sample_rate": 48000, "license": "MIT", "provenance": {}}
    export_model(net, card, tmp_path / "amp.onnx")
    model = read_model(tmp_path / "amp.onnx")
    sizes = {t.name: onnx.numpy_helper.to_array(t).size for t in model.proto.graph.initializer}
    hint = model.card.architecture
    assert hint["type"] == (kind + "_film" if "conditioning" in arguments else kind)
    assert hint["knobs"] == [knob.name for knob in model.card.parameters]
    named = list(leaves(hint["weights"]))
    assert len(named) == len(set(named))
    total = sum(sizes[name] for name in named)
    # FiLM of the recurrent nets is in the graph, but in no hint: no kernel plays it
    film = sum(p.numel() for name, p in net.named_parameters() if name == "film.weight")
    assert total + film == sum(p.numel() for p in net.parameters())


def leaves(tree):
    if isinstance(tree, str):
        yield tree
    else:
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(branch)


@pytest.mark.parametrize(
    ("kind", "hidden", "count"),
    [
        ("lstm", 8, 361),
        ("lstm", 12, 733),
        ("lstm", 16, 1233),
        ("lstm", 20, 1861),
        ("lstm", 24, 2617),
        ("lstm", 32, 4513),
        ("lstm", 40, 6921),
        ("lstm", 64, 17217),
        ("lstm", 96, 38113),
        ("lstm", 128, 67201),
        ("gru", 8, 273),
    ],
)
def test_parameter_counts(kind, hidden, count):
    assert sum(p.numel() for p in NETS[kind](hidden=hidden).parameters()) == count


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_without_head_the_amp_is_a_wire(kind):
    net = NETS[kind](hidden=4)
    torch.nn.init.zeros_(net.head.weight)
    x = torch.randn(1, 1, 100)
    y, _ = net(x, net.initial_state())
    torch.testing.assert_close(y, x, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "units"), [("lstm", 16), ("gru", 16)])
def test_the_units_start_with_memories_spread_over_a_decade(kind, units):
    """An impulse moves each unit; the slowest remembers it a hundred times longer."""
    torch.manual_seed(0)
    net = NETS[kind](hidden=units)
    biases = net.rnn.cell.get_parameter("bias_ih_l0").detach()[units : 2 * units]
    samples = 1 / (1 - torch.sigmoid(biases))
    assert samples.min() == pytest.approx(2, rel=1e-3)
    assert samples.max() == pytest.approx(500, rel=1e-2)
    ratio = samples[1:] / samples[:-1]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-2, atol=0)


A1_COUNTS = {"standard": 13802, "lite": 6554, "feather": 3026, "nano": 842}


def flat_weights(net):
    """The weights in the order of a ``.nam`` file; the unheard last 1x1 is zero."""
    state = net.state_dict()
    values = []
    for names in net.architecture()["weights"]["arrays"]:
        keys = [names["rechannel"]]
        for layer in names["layers"]:
            keys += [layer["conv"], layer["conv_bias"], layer["mixer"]]
            if "out" in layer:
                keys += [layer["out"], layer["out_bias"]]
        values += [state[key].ravel() for key in keys]
        if "out" not in names["layers"][-1]:
            channels = state[names["layers"][-1]["conv_bias"]].numel()
            values.append(torch.zeros(channels * channels + channels))
        values += [state[names[key]].ravel() for key in ("head", "head_bias") if key in names]
    return [*torch.cat(values).tolist(), net.architecture()["head_scale"]]


@pytest.mark.parametrize("size", A1_COUNTS)
def test_a_wavenet_has_the_weights_of_its_size(size):
    assert len(flat_weights(NETS["wavenet"](size=size))) == A1_COUNTS[size]


@torch.inference_mode()
def test_a_wavenet_is_that_of_a_nam_file(tmp_path):
    torch.manual_seed(0)
    net = NETS["wavenet"](size="nano")
    weights = flat_weights(net)
    arrays = net.architecture()["arrays"]
    sizes = [1, *(array["channels"] for array in arrays), 1]
    path = tmp_path / "amp.nam"
    path.write_text(
        json.dumps(
            {
                "version": "0.5.2",
                "architecture": "WaveNet",
                "weights": weights,
                "config": {
                    "head": None,
                    "head_scale": 0.02,
                    "layers": [
                        {
                            "input_size": sizes[n],
                            "condition_size": 1,
                            "channels": array["channels"],
                            "head_size": sizes[n + 2],
                            "kernel_size": array["kernel"],
                            "activation": "Tanh",
                            "dilations": array["dilations"],
                            "gated": False,
                            "head_bias": n == 1,
                        }
                        for n, array in enumerate(arrays)
                    ],
                },
            }
        )
    )
    dry = 0.5 * np.random.default_rng(0).standard_normal(500).astype(np.float32)
    silence = torch.zeros(1, 1, net.receptive_field)
    _, state = net(silence, net.initial_state())
    y, _ = net(torch.from_numpy(dry)[None, None], state)
    np.testing.assert_allclose(y[0, 0].numpy(), Teacher(read_nam(path))(dry), atol=1e-6)


class Own(StreamingModule):
    def __init__(self, gain: float = 2.0) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(gain))

    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        return self.gain * x, state


class Half(StreamingModule):
    def initial_state(self, batch=1):
        return {}


def test_a_net_of_ones_own_needs_no_entry(monkeypatch):
    monkeypatch.setitem(
        __import__("sys").modules,
        "own_nets",
        __import__("types").SimpleNamespace(Own=Own, Half=Half, number=3),
    )
    kind = net_class("own_nets:Own")
    assert kind is Own
    assert net_arguments(kind)().model_dump() == {"gain": 2.0}
    with pytest.raises(ValueError, match=r"own_nets:Half: lacks the method forward\(\)"):
        net_class("own_nets:Half")
    with pytest.raises(ValueError, match="not a class derived from"):
        net_class("own_nets:number")


@pytest.mark.parametrize("name", ["transformer", "nowhere:Net", "export.layers:Nothing", ":"])
def test_an_unknown_net_is_named(name):
    with pytest.raises(ValueError, match=name) as caught:
        net_class(name)
    assert "\n" not in str(caught.value)


def test_more_than_four_knobs_are_refused():
    with pytest.raises(ValueError, match="5 knobs"):
        NETS["lstm"](hidden=2, knobs=[{**GAIN, "name": f"k{n}"} for n in range(5)])
