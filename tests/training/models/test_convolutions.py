"""Weight-normalised convolutions: blocks = whole = torch's own layers, causal and centred."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from training.models.convolutions import Convolution, Upsampling  # noqa: E402

FRAMES = 24
blocks = st.lists(st.integers(1, 9), min_size=1).filter(lambda sizes: sum(sizes) <= FRAMES)


@torch.no_grad()
def started(layer):
    """No bias is zero."""
    for weight in layer.parameters():
        torch.nn.init.normal_(weight)
    return layer


@torch.inference_mode()
def play(layer, x, sizes):
    state, pieces = layer.initial_state(len(x)), []
    for piece in x.split([*sizes, x.shape[-1] - sum(sizes)], dim=-1):
        if piece.shape[-1]:
            y, state = layer(piece, state)
            pieces.append(y)
    return torch.cat(pieces, dim=-1)


@settings(max_examples=40, deadline=None)
@given(blocks=blocks, stride=st.integers(1, 5), extra=st.integers(0, 6))
def test_a_causal_strided_convolution_streams(blocks, stride, extra):
    layer = started(Convolution(2, 3, stride + extra, stride=stride))
    x = torch.randn(2, 2, FRAMES * stride)
    weight, bias = layer.conv.weight.detach(), layer.conv.bias.detach()
    wanted = functional.conv1d(functional.pad(x, (extra, 0)), weight, bias, stride)
    found = play(layer, x, [size * stride for size in blocks])
    assert found.shape == (2, 3, FRAMES)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(blocks=blocks, stride=st.integers(1, 5))
def test_a_causal_upsampling_streams(blocks, stride):
    layer = started(Upsampling(2, 3, 2 * stride, stride))
    x = torch.randn(2, 2, FRAMES)
    whole = functional.conv_transpose1d(x, layer.conv.weight.detach(), None, stride)
    wanted = whole[..., : FRAMES * stride] + layer.bias.detach()
    torch.testing.assert_close(play(layer, x, blocks), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_centred_layers_pad_and_crop_half_of_the_stride(stride):
    x = torch.randn(1, 2, 8 * stride)
    down = started(Convolution(2, 3, 2 * stride, stride=stride, causal=False))
    up = started(Upsampling(2, 3, 2 * stride, stride, causal=False))
    pad = stride // 2
    with torch.no_grad():
        wanted = functional.conv1d(x, down.conv.weight, down.conv.bias, stride, pad)
        torch.testing.assert_close(down(x, {})[0], wanted, atol=1e-5, rtol=1e-5)
        wanted = functional.conv_transpose1d(x, up.conv.weight, up.bias[:, 0], stride, pad)
        torch.testing.assert_close(up(x, {})[0], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dilation", [1, 3, 9])
def test_a_centred_dilated_convolution_is_torch_s(dilation):
    layer = started(Convolution(2, 2, 7, dilation=dilation, causal=False))
    x = torch.randn(1, 2, 80)
    with torch.no_grad():
        wanted = functional.conv1d(x, layer.conv.weight, layer.conv.bias, 1, 3 * dilation, dilation)
        torch.testing.assert_close(layer(x, {})[0], wanted, atol=1e-5, rtol=1e-5)


def test_weights_begin_as_directions_with_a_gain():
    torch.manual_seed(0)
    layer = Convolution(64, 64, 7, gain=0.3)
    parts = layer.conv.parametrizations.weight
    # Cut off at two deviations, a normal distribution has 0.88 of its own.
    assert parts.original1.std().item() == pytest.approx(0.02 * 0.88, rel=0.02)
    assert parts.original1.abs().max() <= 0.04
    torch.testing.assert_close(layer.conv.weight.flatten(1).norm(dim=1), torch.full((64,), 0.3))
    assert not layer.conv.bias.any()


@pytest.mark.parametrize("layer", [(Convolution, 32, 48, 7), (Upsampling, 48, 24, 16, 8)])
def test_levels_are_kept_at_first(layer):
    torch.manual_seed(0)
    kind, *sizes = layer
    made = kind(*sizes)
    x = torch.randn(4, sizes[0], 4000)
    with torch.no_grad():
        y, _ = made(x, made.initial_state(4))
    assert y.std().item() == pytest.approx(1, rel=0.05)
