"""Stateful layers: blocks of any sizes give the same as one piece, and as torch's own layers."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from export.layers import CausalConv1d, CausalConvTranspose1d, Gru, Lstm  # noqa: E402

SAMPLES = 60


def blocks_of(cuts: list[int]) -> list[int]:
    edges = [0, *sorted(cuts), SAMPLES]
    return [b - a for a, b in itertools.pairwise(edges) if b > a]


@torch.inference_mode()
def play(layer, x, blocks, axis=-1):
    state = layer.initial_state(x.shape[0] if axis == -1 else x.shape[1])
    pieces = []
    for piece in x.split(blocks, dim=axis):
        y, state = layer(piece, state)
        pieces.append(y)
    return torch.cat(pieces, dim=axis)


cuts = st.lists(st.integers(0, SAMPLES), max_size=20)


@settings(max_examples=60, deadline=None)
@given(cuts=cuts, kernel=st.integers(1, 5), dilation=st.integers(1, 9), batch=st.integers(1, 3))
def test_causal_convolution(cuts, kernel, dilation, batch):
    torch.manual_seed(0)
    layer = CausalConv1d(2, 3, kernel, dilation=dilation)
    x = torch.randn(batch, 2, SAMPLES)
    past = (kernel - 1) * dilation
    with torch.inference_mode():
        wanted = layer.conv(torch.nn.functional.pad(x, (past, 0)))
    torch.testing.assert_close(play(layer, x, blocks_of(cuts)), wanted, atol=1e-6, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(cuts=cuts, stride=st.integers(1, 4), extra=st.integers(0, 5))
def test_strided_convolution(cuts, stride, extra):
    """Blocks of whole strides; the first output hears no sample after the first stride."""
    torch.manual_seed(0)
    layer = CausalConv1d(2, 3, stride + extra, stride=stride)
    x = torch.randn(1, 2, SAMPLES * stride)
    with torch.inference_mode():
        wanted = layer.conv(torch.nn.functional.pad(x, (extra, 0)))
    found = play(layer, x, [stride * block for block in blocks_of(cuts)])
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(cuts=cuts, stride=st.integers(1, 4), extra=st.integers(0, 7), bias=st.booleans())
def test_transposed_convolution(cuts, stride, extra, bias):
    torch.manual_seed(0)
    layer = CausalConvTranspose1d(2, 3, stride + extra, stride, bias=bias)
    if bias:
        torch.nn.init.normal_(layer.bias)
    x = torch.randn(1, 2, SAMPLES)
    with torch.inference_mode():
        wanted = layer.conv(x)[..., : SAMPLES * stride] + (layer.bias if bias else 0)
    torch.testing.assert_close(play(layer, x, blocks_of(cuts)), wanted, atol=1e-6, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(cuts=cuts, layers=st.integers(1, 2), kind=st.sampled_from([Lstm, Gru]))
def test_recurrent(cuts, layers, kind):
    torch.manual_seed(0)
    layer = kind(2, 5, layers=layers)
    x = torch.randn(SAMPLES, 1, 2)
    with torch.inference_mode():
        wanted = layer.cell(x)[0]
    found = play(layer, x, blocks_of(cuts), axis=0)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)


def test_gaps_are_refused():
    with pytest.raises(ValueError, match="gaps"):
        CausalConvTranspose1d(1, 1, 2, 3)
    with pytest.raises(ValueError, match="kernel 2 < stride 3 skips samples"):
        CausalConv1d(1, 1, 2, stride=3)
