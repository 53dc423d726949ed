"""Receptive field, lengths and state of layers in a row, against torch and against brute force."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from training.models.convolutional_codec import ConvolutionalCodec  # noqa: E402
from training.models.convolutions import Chain, Convolution, Upsampling  # noqa: E402

FRAME = 512


@st.composite
def chains(draw):
    causal = draw(st.booleans())
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        stride = draw(st.integers(1, 4))
        if draw(st.booleans()):
            kernel = stride + draw(st.integers(0, 4))
            layers.append(Upsampling(1, 1, kernel, stride, causal=causal))
        else:
            dilation = draw(st.integers(1, 3)) if stride == 1 else 1
            kernel = stride + draw(st.integers(0, 4))
            layers.append(
                Convolution(1, 1, kernel, stride=stride, dilation=dilation, causal=causal)
            )
    return Chain(*layers)


@settings(max_examples=40, deadline=None)
@given(chain=chains())
def test_inputs_are_those_with_a_gradient(chain):
    for weight in chain.parameters():
        weight.data.fill_(1.0)  # nothing cancels
    strides = [layer.stride for layer in chain.geometry.layers if not layer.transposed]
    samples = int(torch.tensor(strides or [1]).prod()) * 60
    x = torch.zeros(1, 1, samples, requires_grad=True)
    y, _ = chain(x, chain.initial_state())
    for place in (y.shape[-1] // 2, y.shape[-1] // 2 + 1):
        (gradient,) = torch.autograd.grad(y[0, 0, place], x, retain_graph=True)
        heard = gradient[0, 0].nonzero()[:, 0]
        assert chain.geometry.inputs(place, place) == (int(heard[0]), int(heard[-1]))


@settings(max_examples=40, deadline=None)
@given(chain=chains())
def test_the_state_is_as_large_as_told(chain):
    values = sum(value.numel() for value in chain.initial_state().values())
    assert values == (chain.geometry.state_values if chain.stages[0].causal else 0)


def unpadded(geometry):
    """The same layers without padding, in torch alone."""
    made = [
        nn.ConvTranspose1d(1, 1, layer.kernel, layer.stride)
        if layer.transposed
        else nn.Conv1d(1, 1, layer.kernel, layer.stride, dilation=layer.dilation)
        for layer in geometry.layers
    ]
    return nn.Sequential(*made)


@pytest.fixture(scope="module")
def full():
    """Encoder, decoder and both, at full width, by whether they are causal."""
    with torch.device("meta"):
        nets = {causal: ConvolutionalCodec(causal=causal) for causal in (False, True)}
    return {
        causal: (net.encoder.geometry, net.decoder.geometry, net.geometry)
        for causal, net in nets.items()
    }


def test_lengths_without_padding(full):
    """A second in chunks of 44,544 samples: 72 frames, 28,522 samples, 7,904 lost at each end."""
    encoder, _, both = full[False]
    assert encoder.unpadded_length(44544) == 72
    assert both.unpadded_length(44544) == 28522
    assert both.unpadded_delay_samples == 7904
    with torch.device("meta"):
        bare = unpadded(both)
        for samples in (44544, 44545, 45055, 45056, 60000):
            found = bare(torch.empty(1, 1, samples)).shape[-1]
            assert both.unpadded_length(samples) == found


def test_a_centred_codec_looks_to_both_sides(full):
    encoder, decoder, both = full[False]
    assert encoder.inputs(0, 0) == (-3733, 4244)
    assert decoder.inputs(0, FRAME - 1) == (-10, 10)
    heard = [both.inputs(n, n) for n in range(FRAME)]
    ahead = [last - n for n, (_, last) in enumerate(heard)]
    fields = [last - first + 1 for first, last in heard]
    assert (min(ahead), max(ahead)) == (8490, 9001)
    assert (min(fields), max(fields)) == (17194, 17706)
    # Live, in blocks of a frame, its output would be late by this much.
    whole_frames = -(-(max(ahead) - FRAME + 1) // FRAME) + 1
    assert whole_frames * FRAME == 9216


def test_a_causal_codec_looks_back(full):
    encoder, decoder, both = full[True]
    assert encoder.inputs(0, 0) == (-7466, FRAME - 1)
    assert decoder.inputs(0, FRAME - 1) == (-19, 0)
    heard = [both.inputs(n, n) for n in range(FRAME)]
    assert {last for _, last in heard} == {FRAME - 1}
    assert max(n - first for n, (first, _) in enumerate(heard)) == 17491
    assert max(last - first + 1 for first, last in heard) == 17706


def test_the_table_of_states(full):
    """Samples at each layer's rate, times channels: the table of the specification."""
    encoder, decoder, _ = full[True]

    def units(channels):
        return [past * channels for dilation in (1, 3, 9) for past in (6 * dilation, 0)]

    expected = [6]
    for channels, stride in ((64, 2), (128, 4), (256, 8), (512, 8)):
        expected += [*units(channels), stride * channels]
    assert [layer.state_values for layer in encoder.layers] == [*expected, 2 * 1024]
    assert encoder.state_values == 83718
    expected = [6 * 1024]
    for channels, stride in ((768, 8), (384, 8), (192, 4), (96, 2)):
        expected += [stride * channels, *units(channels)]
    assert [layer.state_values for layer in decoder.layers] == [*expected, 6 * 96]
    assert decoder.state_values == 129216


def test_cost(full):
    encoder, decoder, both = full[True]
    assert encoder.macs_per_sample * 44100 == pytest.approx(30.6e9, rel=0.002)
    assert decoder.macs_per_sample / FRAME * 44100 == pytest.approx(69.3e9, rel=0.002)
    assert both.macs_per_sample * 44100 == pytest.approx(99.9e9, rel=0.001)
