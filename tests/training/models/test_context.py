"""The context-aggregation net against convolutions with padding, gradients, and impulses."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import onnx  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from export.exporter import export_model  # noqa: E402
from export.parity import random_blocks, run_onnx, run_torch  # noqa: E402
from rtaudio.effects.model import Model  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from rtaudio.runtime.offline import run  # noqa: E402
from rtaudio.shipped import shipped_models  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.guitar.config import GuitarConfig  # noqa: E402
from training.models import NETS  # noqa: E402
from training.models.context import ContextNet  # noqa: E402

CARD = {"name": "test", "sample_rate": 16000, "license": "Apache-2.0", "provenance": {}}
CAUSAL: dict = {}
ORIGINAL = {"centred_layers": 13, "centre_last": True}
# What the layers that look ahead add up to: 2^m - 1 for m of them, 1 more for the last.
LATENCIES = [(CAUSAL, 0), (ORIGINAL, 8192)] + [
    ({"centred_layers": m, "centre_last": last}, samples + last)
    for m, samples in ((4, 15), (5, 31), (6, 63), (7, 127), (8, 255), (9, 511))
    for last in (False, True)
]
NORMS = ("adaptive", "batch", "none")
FORMS = [
    {},
    {"centred_layers": 3},
    {"centre_last": True},
    {"centred_layers": 6, "centre_last": True},
]


def moved(*, seed=0, **arguments):
    """A net whose every weight and statistic is as after a training: none at its start value."""
    net = ContextNet(**arguments)
    generator = torch.Generator().manual_seed(seed)

    def normal(like, mean, deviation):
        return mean + deviation * torch.randn(like.shape, generator=generator)

    with torch.no_grad():
        for layer in net.layers:
            weight = layer.conv.conv.weight
            weight.copy_(normal(weight, 0, (2 / (1.04 * weight[0].numel())) ** 0.5))
            if layer.norm is None:
                layer.conv.conv.bias.copy_(normal(layer.conv.conv.bias, 0, 0.1))
                continue
            layer.norm.offset.copy_(normal(layer.norm.offset, 0, 0.2))
            layer.norm.batch.running_mean.copy_(normal(layer.norm.offset, 0, 0.2))
            layer.norm.batch.running_var.copy_(normal(layer.norm.offset, 0, 0.2).exp())
            if layer.norm.w0 is not None:
                layer.norm.w0.fill_(0.6)
                layer.norm.w1.fill_(0.4)
        net.head.weight.copy_(normal(net.head.weight, 0, 0.2))
        net.head.bias.fill_(0.05)
    return net.eval()


@torch.no_grad()
def padded(net, x):
    """The net as its source writes it: each layer on the whole signal, with zeros around."""
    sizes = net.sizes
    for n, layer in enumerate(net.layers):
        dilation = 2**n if n < sizes["layers"] else 1
        last = n == sizes["layers"]
        centred = sizes["centre_last"] if last else n < sizes["centred_layers"]
        around = (dilation, dilation) if centred else (2 * dilation, 0)
        conv = layer.conv.conv
        x = functional.conv1d(functional.pad(x, around), conv.weight, conv.bias, dilation=dilation)
        if layer.norm is not None:
            batch = layer.norm.batch
            y = (x - batch.running_mean[:, None]) / (batch.running_var[:, None] + 1e-3).sqrt()
            y = y + layer.norm.offset[:, None]
            x = y if layer.norm.w0 is None else layer.norm.w0 * x + layer.norm.w1 * y
        x = torch.where(x > 0, x, 0.2 * x)
    return functional.conv1d(x, net.head.weight, net.head.bias)


@torch.no_grad()
def played(net, x, blocks=None):
    state, pieces = net.initial_state(len(x)), []
    for piece in x.split(blocks or [x.shape[-1]], dim=-1):
        y, state = net(piece, state)
        pieces.append(y)
    return torch.cat(pieces, dim=-1)


def noise(*shape, seed=1):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_it_is_a_net_of_the_registry():
    assert NETS["context"] is ContextNet


@pytest.mark.parametrize(
    ("norm", "weights"), [("adaptive", 40_541), ("batch", 40_065 + 14 * 32), ("none", 40_513)]
)
def test_parameters_and_state_are_counted(norm, weights):
    net = ContextNet(norm=norm)
    assert sum(p.numel() for p in net.parameters()) == weights
    convolutions = [m.weight.numel() for m in net.modules() if isinstance(m, torch.nn.Conv1d)]
    assert sum(convolutions) + net.head.bias.numel() == 40_065
    state = net.initial_state().values()
    assert sum(v.numel() for v in state) == 524_226


def test_twice_the_channels():
    net = ContextNet(64)
    assert net.macs_per_sample == 160_000
    assert sum(p.numel() for p in net.parameters()) == 160_001 + 924
    assert sum(v.numel() for v in net.initial_state().values()) == 1_048_450


@pytest.mark.parametrize("samples", [1, 2, 5, 997])
@pytest.mark.parametrize("form", [CAUSAL, ORIGINAL])
def test_as_many_samples_come_out_as_went_in(form, samples):
    assert played(ContextNet(4, **form), torch.zeros(2, 1, samples)).shape == (2, 1, samples)


@pytest.mark.parametrize("form", [CAUSAL, ORIGINAL])
def test_a_sample_hears_its_receptive_field_and_nothing_else(form):
    """Some product of weights leads from each of 16,385 samples to one of the output."""
    net = moved(channels=4, **form).double()
    at = 20_000
    x = noise(1, 1, at + 100).double().requires_grad_()
    y, _ = net(
        x, {k: v.double() if v.is_floating_point() else v for k, v in net.initial_state().items()}
    )
    y[0, 0, at].backward()
    heard = x.grad[0, 0].nonzero()[:, 0]
    assert torch.equal(heard, torch.arange(at - 16_384, at + 1))
    assert len(heard) == net.receptive_field_samples == 16_385
    # What comes out at ``at`` is the sample ``at - latency``; 8,192 to both sides in the original.
    assert (at - net.latency_samples) - int(heard[0]) == 16_384 - net.latency_samples


@pytest.mark.parametrize(("form", "latency"), LATENCIES)
def test_the_latency_is_what_an_impulse_takes(form, latency):
    net = ContextNet(2, **form).eval()
    x = torch.zeros(1, 1, 9000)
    x[..., 300] = 1
    y = played(net, x)[0, 0]
    assert net.latency_samples == latency
    wanted = torch.zeros(9000)
    wanted[300 + latency] = 1
    torch.testing.assert_close(y, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("norm", NORMS)
def test_every_form_is_the_padded_net_later(form, norm):
    """From the first sample on; without an end flag, up to the reach of the end."""
    net = moved(channels=6, layers=6, norm=norm, **form)
    x = noise(2, 1, 700)
    late = net.latency_samples
    y = played(net, torch.cat([x, torch.zeros(2, 1, late)], -1))
    assert not y[..., :late].any()
    found, wanted = y[..., late:], padded(net, x)
    torch.testing.assert_close(
        found[..., : 700 - late], wanted[..., : 700 - late], rtol=0, atol=1e-5
    )


def test_the_original_form_is_the_padded_net_by_8192_samples():
    net = moved(channels=8, **ORIGINAL)
    x = noise(1, 1, 24_000)
    wanted = padded(net, x)
    y = played(net, torch.cat([x, torch.zeros(1, 1, 8192)], -1), [5000, 1, 27_191])
    found = y[..., 8192:]
    assert not y[..., :8192].any()
    error = (found - wanted)[0, 0].abs()
    assert error[: 24_000 - 8192].max() < 1e-5
    # What the counter is for: without it, the start is another; the end is so with it, too.
    net.delays = [0] * len(net.delays)
    unmasked = (played(net, x)[..., 8192:] - wanted[..., : 24_000 - 8192])[0, 0].abs()
    assert unmasked[:8192].max() > 1e-2
    assert unmasked[8192:].max() < 1e-5
    assert error[24_000 - 8192 :].max() > 1e-2


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_heard_before_it_is_due(form):
    """A sample changes no output before itself less the look-ahead, and that one it does."""
    net = moved(channels=6, layers=6, **form)
    x = noise(1, 1, 400)
    struck = x.clone()
    struck[..., 250] += 0.5
    changed = (played(net, x) != played(net, struck))[0, 0].nonzero()[:, 0] - net.latency_samples
    assert int(changed[0]) == 250 - net.latency_samples


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 900), max_size=30),
    form=st.sampled_from(FORMS),
    norm=st.sampled_from(NORMS),
    layers=st.integers(6, 9),
)
def test_block_sizes_do_not_matter(cuts, form, norm, layers):
    net = moved(channels=4, layers=layers, norm=norm, **form)
    x = noise(1, 1, 900)
    edges = [0, *sorted(cuts), 900]
    blocks = [b - a for a, b in itertools.pairwise(edges) if b > a]
    torch.testing.assert_close(played(net, x, blocks), played(net, x), rtol=0, atol=1e-5)


def test_a_reset_forgets_everything():
    net = moved(channels=4, layers=6, **FORMS[-1])
    x = noise(1, 1, 500)
    first = played(net, x)
    played(net, noise(1, 1, 333, seed=9))
    assert torch.equal(played(net, x), first)
    assert not any(v.any() for v in net.initial_state().values())


def test_at_the_start_the_norm_is_not_there_and_both_scalars_learn():
    torch.manual_seed(3)
    net = ContextNet(8, layers=5)
    torch.nn.init.normal_(net.head.weight)
    plain = ContextNet(8, layers=5, norm="none")
    names = set(dict(plain.named_parameters()))
    plain.load_state_dict(
        {k: v for k, v in net.state_dict().items() if k in names}
        | {f"layers.{n}.conv.conv.bias": torch.zeros(8) for n in range(6)}
    )
    x = noise(3, 1, 400)
    y, _ = net(x, net.initial_state(3))
    torch.testing.assert_close(y, played(plain, x), rtol=0, atol=1e-6)
    (y - noise(3, 1, 400, seed=5)).square().mean().backward()
    for layer in net.layers:
        assert layer.norm.w0.item() == 1
        assert layer.norm.w1.item() == 0
        assert layer.norm.w0.grad
        assert layer.norm.w1.grad


@pytest.mark.parametrize("norm", ["adaptive", "batch"])
def test_evaluation_does_not_know_the_batch(norm):
    """In training it does, and learns its averages from it; that is the difference."""
    net = moved(channels=4, layers=5, norm=norm)
    before = {k: v.clone() for k, v in net.named_buffers()}
    x, mates = noise(1, 1, 300), 5 * noise(3, 1, 300, seed=7)
    alone, company = played(net, x), played(net, torch.cat([x, mates]))
    torch.testing.assert_close(company[:1], alone, rtol=0, atol=1e-6)
    follows = torch.cat([x, 5 * noise(1, 1, 300, seed=8)], -1)
    torch.testing.assert_close(played(net, follows)[..., :300], alone, rtol=0, atol=1e-6)
    assert all(torch.equal(v, before[k]) for k, v in net.named_buffers())
    net.train()
    assert (played(net, torch.cat([x, mates]))[:1] - played(net, x)).abs().max() > 1e-3
    assert not any(torch.equal(v, before[k]) for k, v in net.named_buffers())


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("form", [CAUSAL, FORMS[-1]])
def test_folded_it_is_the_same(form, norm):
    net = moved(layers=7, norm=norm, **form)
    folded = net.folded()
    assert folded.sizes == {**net.sizes, "norm": "none"}
    assert folded.latency_samples == net.latency_samples
    x = noise(2, 1, 1500)
    wanted = played(net, x)
    assert wanted.abs().max() > 0.1
    torch.testing.assert_close(played(folded, x), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", [CAUSAL, FORMS[-1], ORIGINAL])
def test_the_file_is_the_net(form, tmp_path):
    """Folded, a state for every layer, and exact in blocks of any size."""
    net = moved(channels=8, **{"layers": 13, **form})
    parity = export_model(net, CARD, tmp_path / "net.onnx")
    assert parity.onnx_error < 2e-5
    model = read_model(tmp_path / "net.onnx")
    pasts = [f"{n}.past" for n in range(14)]
    assert [s.name for s in model.states] == pasts + (["position"] if net.latency_samples else [])
    assert [node.op_type for node in model.proto.graph.node].count("BatchNormalization") == 0
    assert model.card.latency_samples == net.latency_samples
    assert model.card.hop == 0
    signal = noise(1, 20_000, seed=4).numpy()
    found = run_onnx(model, signal, random_blocks(20_000))
    np.testing.assert_allclose(found, run_torch(net, signal, [20_000]), rtol=0, atol=1e-4)


def test_the_card_says_what_a_sample_costs(tmp_path):
    """Counted again in the graph, where nothing but the convolutions multiplies by weights."""
    export_model(ContextNet().eval(), CARD, tmp_path / "net.onnx")
    model = read_model(tmp_path / "net.onnx")
    tensors = {t.name: t for t in model.proto.graph.initializer}
    macs = sum(
        onnx.numpy_helper.to_array(tensors[node.input[1]]).size
        for node in model.proto.graph.node
        if node.op_type == "Conv"
    )
    assert not {n.op_type for n in model.proto.graph.node} & {"MatMul", "Gemm", "Mul"}
    assert model.card.architecture["macs_per_sample"] == macs == 40_064


@pytest.mark.parametrize("form", [CAUSAL, {"centred_layers": 5, "centre_last": True}])
@pytest.mark.parametrize("block", [17, 256])
def test_played_at_another_rate_the_latency_holds(form, block, tmp_path):
    """An impulse through the resampler to 16 kHz, the net and the resampler back to 48 kHz."""
    export_model(ContextNet(2, layers=6, **form).eval(), CARD, tmp_path / "net.onnx")
    model = Model(tmp_path / "net.onnx")
    program = model.compile(48_000, block, offline=True)
    net_samples = 3 * model.card.latency_samples
    assert program.latency_samples >= net_samples
    x = np.zeros((1, 8 * 1024 // block * block), np.float32)
    x[0, 1000] = 1
    y = run(program, x)[0]
    assert int(np.abs(y).argmax()) == 1000 + program.latency_samples


@pytest.mark.parametrize(
    ("net", "reason"),
    [({"channels": 1}, "channels"), ({"layers": 40}, "layers"), ({"norm": "layer"}, "norm")],
)
def test_sizes_out_of_range_are_refused(net, reason, workspace):
    with pytest.raises(ConfigError, match=reason):
        load_config(workspace.rewrite(net={"type": "context", **net}), GuitarConfig)


def test_more_centred_layers_than_layers_are_refused():
    with pytest.raises(ValueError, match="5 layers"):
        ContextNet(layers=5, centred_layers=6)


def test_the_one_of_the_study_is_the_causal_form():
    path = Path(__file__).parents[3] / "docs" / "studies" / "denoise-context.onnx"
    assert path.stem not in shipped_models()
    model = read_model(path)
    card = model.card
    assert (card.name, card.rate_hz, card.hop, card.latency_samples) == (path.stem, 16_000, 0, 0)
    assert sum(math.prod(s.shape) for s in model.states) == 524_226
    assert card.metrics["weights"] == 40_541
    assert len(model.data) < 250_000
    assert {"features", "loss", "schedule", "start"} <= set(card.provenance["config"])
    played = run_onnx(model, model.golden_input, random_blocks(2048))
    np.testing.assert_allclose(played, model.golden_output, rtol=0, atol=1e-5)
