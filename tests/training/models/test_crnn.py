"""The CRNN: its counts, its state, that it looks back only, and that its graph plays the same."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from export.exporter import ExportError, export_model  # noqa: E402
from training.models import NETS  # noqa: E402
from training.models.crnn import Crnn  # noqa: E402

SMALL = {"widths": (3, 4, 5), "hidden": 6}
CARD = {"name": "tiny", "sample_rate": 44100, "license": "Apache-2.0", "provenance": {}}


def make(**changes):
    torch.manual_seed(0)
    return Crnn(**SMALL | changes).eval()


def document_net():
    """The net of the source document, module by module."""
    return torch.nn.ModuleList(
        [
            torch.nn.Conv1d(2, 16, 3, padding=1),
            torch.nn.Conv1d(16, 32, 3, padding=1),
            torch.nn.Conv1d(32, 128, 3, padding=1),
            torch.nn.LSTM(128, 64, batch_first=True, bidirectional=True),
            torch.nn.Linear(128, 2),
        ]
    )


def count(net):
    return sum(weight.numel() for weight in net.parameters())


def test_the_counts():
    assert NETS["crnn"] is Crnn
    assert count(Crnn()) == 63_890
    assert count(Crnn(bidirectional=True)) == count(document_net()) == 113_682
    parts = [count(layer) for layer in Crnn().convolutions]
    assert parts == [112, 1_568, 12_416]
    state = Crnn().initial_state()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "past.0": (1, 2, 2),
        "past.1": (1, 16, 2),
        "past.2": (1, 32, 2),
        "h": (1, 1, 64),
        "c": (1, 1, 64),
    }
    assert Crnn().latency_samples == 0


@torch.inference_mode()
def test_the_bidirectional_form_is_that_of_the_document():
    net, peer = Crnn(bidirectional=True), document_net()
    for own, other in zip(net.convolutions, peer[:3], strict=True):
        own.conv.load_state_dict(other.state_dict())
    net.both_ways.load_state_dict(peer[3].state_dict())
    net.head.load_state_dict(peer[4].state_dict())
    x = torch.randn(2, 2, 50)
    y = x
    for conv in peer[:3]:
        y = torch.relu(conv(y))
    y = peer[4](peer[3](y.permute(0, 2, 1))[0]).permute(0, 2, 1)
    torch.testing.assert_close(net(x, {})[0], y)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 79), st.booleans())
def test_it_looks_back_only(place, residual):
    net = make(residual=residual)
    with torch.inference_mode():
        net.head.weight.normal_(generator=torch.Generator().manual_seed(2))
        x = torch.randn(1, 2, 80, generator=torch.Generator().manual_seed(1))
        changed = x.clone()
        changed[..., place:] += 1.0
        before, after = (net(each, net.initial_state())[0] for each in (x, changed))
    assert torch.equal(before[..., :place], after[..., :place])
    assert not torch.equal(before[..., place:], after[..., place:])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_blocks_of_any_size_are_the_whole(sizes):
    net = make()
    x = torch.randn(1, 2, sum(sizes), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole, _ = net(x, net.initial_state())
        state, pieces = net.initial_state(), []
        for piece in x.split(sizes, dim=-1):
            y, state = net(piece, state)
            pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=-1), whole, atol=1e-6, rtol=1e-5)


def test_a_residual_net_starts_as_a_wire():
    net = make(residual=True)
    x = torch.randn(1, 2, 30)
    assert torch.equal(net(x, net.initial_state())[0], x)


def test_its_graph_plays_the_same(tmp_path):
    parity = export_model(make(residual=True), CARD, tmp_path / "tiny.onnx")
    assert parity.latency_samples == 0
    with pytest.raises(ExportError, match="reads the signal backwards, too"):
        export_model(make(bidirectional=True), CARD, tmp_path / "both.onnx")
    assert not (tmp_path / "both.onnx").exists()
