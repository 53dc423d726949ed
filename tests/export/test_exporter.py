"""The exporter: a file equal to its net, or no file and a reason."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from export.cli import export_net  # noqa: E402
from export.errors import ExportError  # noqa: E402
from export.exporter import export_model  # noqa: E402
from export.layers import CausalConv1d, Gru, Lstm  # noqa: E402
from export.parity import run_onnx, run_torch  # noqa: E402
from export.streaming import StreamingModule  # noqa: E402
from rtaudio.models.contract.card import ModelParameter  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from training.models import NETS  # noqa: E402

CARD = {"name": "test", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}


class Net(StreamingModule):
    """A net whose ``forward`` is a given function."""

    def __init__(self, body=None, state=None, **modules):
        super().__init__()
        self.body = body or (lambda net, x, state: (x, {}))
        self.start = state or {}
        for name, module in modules.items():
            self.add_module(name, module)

    def initial_state(self, batch=1):
        return {k: v.clone() for k, v in self.start.items()}

    def forward(self, x, state):
        return self.body(self, x, state)


class Delay(Net):
    """A pure delay, which may report another latency."""

    def __init__(self, samples, reported):
        super().__init__(state={"line": torch.zeros(1, 1, samples)})
        self.latency_samples = reported

    def forward(self, x, state):
        line = torch.cat([state["line"], x], dim=-1)
        length = state["line"].shape[-1]
        return line[..., : x.shape[-1]], {"line": line[..., -length:]}


class Pair(StreamingModule):
    """Convolution, then GRU: two states of different kinds, and two channels out."""

    channels = (1, 2)

    def __init__(self):
        super().__init__()
        self.conv = CausalConv1d(1, 4, kernel=3, dilation=5)
        self.gru = Gru(4, 6)
        self.head = nn.Linear(6, 2)

    def initial_state(self, batch=1):
        return {**self.conv.initial_state(batch), **self.gru.initial_state(batch)}

    def forward(self, x, state):
        y, first = self.conv(x, {"past": state["past"]})
        y, second = self.gru(y.permute(2, 0, 1), {"h": state["h"]})
        return self.head(y).permute(1, 2, 0) + x, {**first, **second}


class Knob(StreamingModule):
    controls = (ModelParameter(name="gain", min=0.0, max=4.0, default=2.0),)

    def initial_state(self, batch=1):
        return {"last": torch.zeros(batch, 1, 1)}

    def forward(self, x, state, params):
        seen = torch.cat([state["last"], x], dim=-1)
        return params[..., None] * x + seen[..., :-1], {"last": seen[..., -1:]}


class Framed(Delay):
    """Takes whole blocks of 30 samples; 2,048 is not a multiple of them."""

    hop = 30

    def __init__(self):
        super().__init__(32, 32)


class Encoder(StreamingModule):
    """Codes a mean per hop of 32 samples, and the code before it."""

    kind = "encoder"
    channels = (1, 0)
    hop = 32
    codebooks, entries = 2, 16

    def initial_state(self, batch=1):
        return {"last": torch.zeros(batch, 1, dtype=torch.int64)}

    def forward(self, x, state):
        means = x.reshape(x.shape[0], -1, self.hop).mean(dim=2)
        now = (8 + 40 * means).round().clamp(0, 15).to(torch.int64)
        before = torch.cat([state["last"], now[:, :-1]], dim=1)
        return torch.stack([now, before], dim=1), {"last": now[:, -1:]}


class Fickle(Encoder):
    """Forgets the last code, so that frame by frame is not the whole."""

    def forward(self, x, state):
        codes, following = super().forward(x, state)
        return codes, {"last": following["last"] * 0}


class Decoder(StreamingModule):
    """Holds the code of each hop, without those that were not sent, over the level before."""

    kind = "decoder"
    channels = (0, 1)
    hop = 32
    codebooks, entries = 2, 16

    def initial_state(self, batch=1):
        return {"level": torch.zeros(batch, 1)}

    def forward(self, x, state):
        levels = [state["level"]]
        for frame in x.clamp(min=0).to(torch.float32).mean(dim=1, keepdim=True).unbind(2):
            levels.append(0.5 * levels[-1] + frame / 16)
        y = torch.stack(levels[1:], dim=2).repeat_interleave(self.hop, dim=2)
        return y, {"level": levels[-1]}


def lstm(hidden, seed=0):
    torch.manual_seed(seed)
    return NETS["lstm"](hidden=hidden).eval()


@pytest.fixture(scope="module")
def amp(tmp_path_factory):
    net = lstm(16)
    path = tmp_path_factory.mktemp("amp") / "amp.onnx"
    export_model(net, CARD, path)
    return net, read_model(path)


def test_an_lstm_is_one_node_with_its_state_outside(amp):
    _, model = amp
    nodes = {n.op_type: n for n in model.proto.graph.node}
    assert [n.op_type for n in model.proto.graph.node].count("LSTM") == 1
    weights = {t.name: tuple(t.dims) for t in model.proto.graph.initializer}
    hint = model.card.architecture
    assert hint["type"] == "lstm"
    assert (hint["hidden"], hint["layers"], hint["input"], hint["residual"]) == (16, 1, 1, True)
    names = hint["weights"]
    assert list(nodes["LSTM"].input)[1:] == [
        names["W"],
        names["R"],
        names["B"],
        "",
        "state.h",
        "state.c",
    ]
    assert list(nodes["LSTM"].output)[1:] == ["next.h", "next.c"]
    assert {k: weights[v] for k, v in names.items()} == {
        "W": (1, 64, 1),
        "R": (1, 64, 16),
        "B": (1, 128),
        "head_weight": (16, 1),
        "head_bias": (1,),
    }
    assert [(s.name, s.shape) for s in model.states] == [("h", (1, 1, 16)), ("c", (1, 1, 16))]


def test_the_hint_describes_the_net(amp):
    """The formulas with the hint and the weights give the golden vector."""
    _, model = amp
    from onnx import numpy_helper

    tensors = {t.name: numpy_helper.to_array(t) for t in model.proto.graph.initializer}
    w, r, b, head, offset = (
        tensors[model.card.architecture["weights"][k]].astype(np.float64)
        for k in ("W", "R", "B", "head_weight", "head_bias")
    )
    size = head.shape[0]
    bias = b[0, : 4 * size] + b[0, 4 * size :]
    h, c = np.zeros(size), np.zeros(size)

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    output = []
    for x in model.golden_input[0]:
        i, o, f, g = np.split(w[0, :, 0] * x + r[0] @ h + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        output.append(x + h @ head[:, 0] + offset[0])
    np.testing.assert_allclose(output, model.golden_output[0], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 2047), max_size=12, unique=True))
def test_onnx_in_blocks_is_torch_in_one_piece(amp, cuts):
    net, model = amp
    edges = [0, *sorted(cuts), 2048]
    blocks = [b - a for a, b in itertools.pairwise(edges)]
    whole = run_torch(net, model.golden_input, [2048])
    np.testing.assert_array_equal(whole, model.golden_output)
    np.testing.assert_allclose(run_onnx(model, model.golden_input, blocks), whole, atol=1e-5)


def test_ten_seconds_stay_equal(amp):
    net, model = amp
    signal = np.random.default_rng(0).standard_normal((1, 480_000)).astype(np.float32) * 0.3
    blocks = [997] * 481 + [480_000 - 997 * 481]
    whole = run_torch(net, signal, [480_000])
    assert np.abs(run_onnx(model, signal, blocks) - whole).max() <= 1e-5


@pytest.mark.parametrize(
    "net", [Pair(), Knob(), Framed(), Delay(100, 100)], ids=lambda net: type(net).__name__
)
def test_other_nets_are_exported(net, tmp_path):
    parity = export_model(net.eval(), CARD, tmp_path / "net.onnx")
    assert parity.onnx_error <= 1e-5
    assert parity.streaming_error <= 1e-5
    model = read_model(tmp_path / "net.onnx")
    assert model.card.parameters == net.controls
    assert model.card.channels == net.channels
    assert model.card.hop == net.hop
    if type(net) in (Framed, Delay):
        assert parity.latency_samples == net.latency_samples


def test_half_precision_halves_the_file_and_rounds_weights_only(tmp_path):
    net = lstm(64)
    export_model(net, CARD, tmp_path / "whole.onnx")
    parity = export_model(net, CARD, tmp_path / "half.onnx", half=True)
    assert max(parity.onnx_error, parity.streaming_error) <= 1e-5
    whole, half = (read_model(tmp_path / f"{name}.onnx") for name in ("whole", "half"))
    values = {t.name: onnx.numpy_helper.to_array(t) for t in half.proto.graph.initializer}
    saved = 0
    for tensor in whole.proto.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        assert values[tensor.name].dtype == value.dtype
        if value.size >= 1024:
            np.testing.assert_array_equal(values[tensor.name], value.astype(np.float16))
            saved += value.nbytes // 2
        else:
            np.testing.assert_array_equal(values[tensor.name], value)
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("whole", "half")]
    assert saved > 0.3 * sizes[0]
    assert sizes[0] - sizes[1] == pytest.approx(saved, abs=1000)
    # Other players read the file as it is.
    session = ort.InferenceSession(tmp_path / "half.onnx", providers=["CPUExecutionProvider"])
    x = {"audio": half.golden_input[None], "state.h": np.zeros((1, 1, 64), np.float32)}
    y = session.run(["audio_out"], {**x, "state.c": x["state.h"]})[0]
    np.testing.assert_allclose(y[0], half.golden_output, atol=1e-5)
    assert not np.array_equal(half.golden_output, whole.golden_output)


def test_a_weight_beyond_half_precision_is_named(tmp_path):
    net = lstm(64)
    with torch.no_grad():
        next(p for p in net.parameters() if p.numel() > 1024)[0, 0] = 1e5
    with pytest.raises(ExportError, match="is too large for half precision"):
        export_model(net, CARD, tmp_path / "net.onnx", half=True)
    assert list(tmp_path.iterdir()) == []


def test_half_precision_is_for_checkpoints_that_become_onnx_files(refused, tmp_path):
    assert "--half is for checkpoints" in refused("export", "crunch", tmp_path / "a.nam", "--half")
    with pytest.raises(ExportError, match=r"half precision is for \.onnx only"):
        export_net(lstm(8), CARD, tmp_path / "best.pt", tmp_path / "a.nam", half=True)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_is_proven_code_for_code(tmp_path):
    parity = export_model(Encoder(), CARD, tmp_path / "net.onnx")
    assert (parity.onnx_error, parity.streaming_error, parity.latency_samples) == (0, 0, None)
    model = read_model(tmp_path / "net.onnx")
    assert (model.card.kind, model.codes_shape) == ("encoder", (2, 1))
    blocks = [32] * 64
    wanted = run_torch(Encoder(), model.golden_input, blocks)
    np.testing.assert_array_equal(wanted, model.golden_output)
    np.testing.assert_array_equal(run_onnx(model, model.golden_input, blocks), wanted)
    assert len(np.unique(wanted)) > 3
    with pytest.raises(ExportError, match="not written: the net does not stream"):
        export_model(Fickle(), CARD, tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def test_a_decoder_is_proven_on_random_codes_some_of_them_lost(tmp_path):
    parity = export_model(Decoder(), CARD, tmp_path / "net.onnx")
    assert parity.onnx_error <= 1e-6
    model = read_model(tmp_path / "net.onnx")
    assert (model.card.kind, model.codes_shape) == ("decoder", (2, 1))
    codes = model.golden_input
    assert codes.shape == (2, 64)
    sent = (codes >= 0).sum(axis=0)
    assert set(sent) == {0, 1, 2}
    np.testing.assert_array_equal(codes[0] >= 0, sent > 0)  # a prefix is sent
    assert int(codes.max()) < 16
    played = run_onnx(model, codes, [1] * 64)
    np.testing.assert_allclose(played, model.golden_output, atol=1e-6)


def bidirectional():
    return Net(rnn=nn.LSTM(1, 2, bidirectional=True))


def block_mean():
    return Net(lambda net, x, state: (x - x.mean(dim=-1, keepdim=True), {}))


def forgetful():
    """Drops its state: each block starts from zero."""
    return Net(
        lambda net, x, s: (net.rnn(x.permute(2, 0, 1), s)[0].permute(1, 2, 0), s),
        {"h": torch.zeros(1, 1, 1), "c": torch.zeros(1, 1, 1)},
        rnn=Lstm(1, 1),
    )


def hidden_memory():
    """Keeps its memory outside of the state, where no host can see it."""

    def body(net, x, state):
        y = x + net.memory
        net.memory = x[..., -1:].clone()
        return y, {}

    net = Net(body)
    net.memory = torch.zeros(1, 1, 1)
    return net


REFUSED = {
    "bidirectional": (bidirectional, "reads the signal backwards, too"),
    "batch norm": (lambda: Net(bn=nn.BatchNorm1d(1)).train(), "statistics of the block"),
    "instance norm": (lambda: Net(norm=nn.InstanceNorm1d(1)), "normalises over time"),
    "group norm": (lambda: Net(norm=nn.GroupNorm(1, 1)), "normalises over time"),
    "dropout": (lambda: Net(drop=nn.Dropout()).train(), "dropout is switched on"),
    "padding": (lambda: Net(conv=nn.Conv1d(1, 1, 3, padding=1)), "padding"),
    "same": (lambda: Net(conv=nn.Conv1d(1, 1, 3, padding="same")), "padding"),
    "start": (lambda: Net(lambda n, x, s: (x, s), {"m": torch.ones(1)}), "does not start at zero"),
    "block mean": (block_mean, "does not stream"),
    "forgetful": (forgetful, "does not stream"),
    "hidden memory": (hidden_memory, "does not stream|differ"),
    "NaN": (lambda: Net(lambda n, x, s: (x / 0 * 0, s)), "NaN"),
    "late": (lambda: Delay(100, 0), "latency 0 is reported"),
    "early": (lambda: Delay(100, 7000), "latency 7000 is reported"),
    "random": (lambda: Net(lambda n, x, s: (x + torch.rand_like(x), s)), "randomness"),
}


@pytest.mark.parametrize(("make", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_a_net_that_cannot_stream_is_refused(make, reason, tmp_path):
    with pytest.raises(ExportError, match=reason) as caught:
        export_model(make(), CARD, tmp_path / "net.onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_card_or_folder_is_named(tmp_path):
    with pytest.raises(
        ExportError, match=r"card\.sample_rate = 3 is out of range 8000 \.\. 384000"
    ):
        export_model(lstm(4), {**CARD, "sample_rate": 3}, tmp_path / "net.onnx")
    with pytest.raises(ExportError, match="does not exist"):
        export_model(lstm(4), CARD, tmp_path / "nowhere" / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.onnx"
    export_model(lstm(4), CARD, path)
    before = path.read_bytes()
    with pytest.raises(ExportError):
        export_model(block_mean(), CARD, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_padding_in_time_is_refused_with_bands_too(tmp_path):
    conv = nn.Conv2d(1, 1, (3, 1), padding=(1, 0), bias=False)
    net = Net(lambda net, x, state: (net.conv(x[..., None])[..., 0], {}), conv=conv).eval()
    with pytest.raises(ExportError, match="padding"):
        export_model(net, CARD, tmp_path / "net.onnx")


def test_a_convolution_without_padding_may_say_so(tmp_path):
    conv = nn.Conv1d(1, 1, 1, padding="valid")
    net = Net(lambda net, x, state: (net.conv(x), {}), conv=conv).eval()
    export_model(net, CARD, tmp_path / "net.onnx")


def test_export_leaves_the_net_in_evaluation_mode(tmp_path):
    norm = nn.BatchNorm1d(1)
    norm.running_mean.fill_(0.5)
    net = Net(lambda net, x, state: (net.norm(x), {}), norm=norm).eval()
    export_model(net, CARD, tmp_path / "net.onnx")
    assert not any(module.training for module in net.modules())
