"""The convolutional codec: its counts, its two forms, and streams equal to whole signals."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import onnxruntime  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from pydantic import ValidationError  # noqa: E402

from export.exporter import ExportError, export_model  # noqa: E402
from training.models import NETS, net_arguments  # noqa: E402
from training.models.convolutional_codec import ConvolutionalCodec  # noqa: E402

SMALL = {"encoder_dim": 4, "decoder_dim": 32, "codebooks": 3, "codebook_size": 16}
HOP = 512


def count(net):
    return sum(weight.numel() for weight in net.parameters())


def make(seed=0, **changes):
    """A net without a bias of zero or an alpha of one."""
    torch.manual_seed(seed)
    net = ConvolutionalCodec(**{**SMALL, **changes})
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith(("bias", "alpha")):
                weight.add_(0.1 * torch.randn(weight.shape))
    return net.eval()


@torch.inference_mode()
def play(function, state, x, sizes):
    pieces = []
    for piece in x.split(sizes, dim=-1):
        y, state = function(piece, state)
        pieces.append(y)
    return torch.cat(pieces, dim=-1)


def test_the_counts_at_full_width():
    with torch.device("meta"):
        net = ConvolutionalCodec()
        folded = net.folded()
    assert count(net.encoder) == 22_307_968
    assert count(net.decoder) == 54_104_162
    assert count(net.quantiser) == 239_760
    assert sum(book.codebook.numel() for book in net.quantiser.books) == 73_728
    assert count(net) == 76_651_890
    assert count(folded) == 76_620_777
    states = [part.initial_state() for part in (net.encoder, net.decoder)]
    assert [sum(v.numel() for v in state.values()) for state in states] == [83_718, 129_216]
    assert net.quantiser.bits_per_frame == 90
    snakes = [
        sum(type(each).__name__ == "Snake" for each in part.modules())
        for part in (net.encoder, net.decoder)
    ]
    assert snakes == [29, 29]


@pytest.mark.parametrize(
    ("encoder", "decoder", "weights_m", "gmacs", "kib"),
    [
        (32, 768, 19.3, 25.0, (164, 252)),
        (32, 512, 12.4, 15.4, (164, 172)),
        (16, 384, 4.9, 6.25, (82, 126)),
        (8, 192, 1.3, 1.57, (41, 63)),
        (8, 128, 0.86, 0.97, (41, 43)),
    ],
)
def test_the_table_of_reduced_widths(encoder, decoder, weights_m, gmacs, kib):
    with torch.device("meta"):
        net = ConvolutionalCodec(encoder_dim=encoder, decoder_dim=decoder)
    assert count(net) / 1e6 == pytest.approx(weights_m, rel=0.006)
    assert net.geometry.macs_per_sample * 44100 / 1e9 == pytest.approx(gmacs, rel=0.005)
    parts = (net.encoder.geometry, net.decoder.geometry)
    assert tuple(round(part.state_values * 4 / 1024) for part in parts) == kib


def test_bitrates():
    net = make(codebooks=9, codebook_size=1024)
    assert net.bitrate_bps(44100) == pytest.approx(7752, abs=0.5)
    assert net.bitrate_bps(44100, 1) == pytest.approx(861, abs=0.5)
    assert 44100 / net.hop == pytest.approx(86.13, abs=0.005)
    # What 16-bit recordings at these rates shrink by; the net hears all of them at 44.1 kHz.
    for rate_hz, ratio in ((22050, 45.5), (44100, 91.0), (48000, 99.1)):
        assert 16 * rate_hz / net.bitrate_bps(44100) == pytest.approx(ratio, abs=0.05)


@settings(max_examples=10, deadline=None)
@given(blocks=st.lists(st.integers(1, 7), min_size=1, max_size=8), batch=st.integers(1, 2))
def test_blocks_give_the_same_as_one_piece(blocks, batch):
    net = make()
    x = 0.3 * torch.randn(batch, 1, HOP * sum(blocks))
    sizes = [HOP * size for size in blocks]
    whole = play(net, net.initial_state(batch), x, [x.shape[-1]])
    assert whole.std() > 1e-3
    found = play(net, net.initial_state(batch), x, sizes)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)
    codes = play(net.encode, net.encoder.initial_state(batch), x, sizes)
    assert torch.equal(codes, net.reconstruct(x)[1])
    audio = play(net.decode, net.decoder.initial_state(batch), codes, blocks)
    torch.testing.assert_close(audio, whole, atol=1e-5, rtol=0)


def test_streams_share_nothing_and_begin_anew():
    net = make()
    x = 0.3 * torch.randn(2, 1, 4 * HOP)
    alone = [net.reconstruct(sound[None])[0] for sound in x]
    states = [net.initial_state(), net.initial_state()]
    pieces = [[], []]
    with torch.inference_mode():
        for block in x.split(HOP, dim=-1):
            for n in (0, 1):  # two streams in turn through one net
                y, states[n] = net(block[n : n + 1], states[n])
                pieces[n].append(y)
    for n in (0, 1):
        torch.testing.assert_close(torch.cat(pieces[n], -1), alone[n], atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", [0, 5, 511, 700])
def test_a_causal_net_answers_within_its_memory(place):
    """No output before the frame of a changed sample changes, and none after 17,491 samples."""
    net = make()
    samples = 40 * HOP
    x = 0.3 * torch.randn(1, 1, samples)
    changed = x.clone()
    changed[..., place] += 0.5
    with torch.no_grad():
        latents = [net.encoder(each, net.encoder.initial_state())[0] for each in (x, changed)]
        # Without the quantiser, whose codes may stay the same.
        a, b = (net.decoder(each, net.decoder.initial_state())[0] for each in latents)
    different = (a - b)[0, 0].abs().nonzero()[:, 0]
    assert different[0] >= place // HOP * HOP
    assert place + 10000 < different[-1] <= place + 17491


def test_the_centred_form_has_no_state_and_sees_both_sides():
    net = make(causal=False)
    assert net.initial_state() == {}
    x = 0.3 * torch.randn(1, 1, 40 * HOP)
    changed = x.clone()
    middle = 20 * HOP + 100
    changed[..., middle] += 0.5
    with torch.no_grad():
        a, b = (net.decoder(net.encoder(each, {})[0], {})[0] for each in (x, changed))
    assert a.shape == x.shape
    different = (a - b)[0, 0].abs().nonzero()[:, 0]
    assert middle - 9001 <= different[0] < middle - 5000
    assert middle + 5000 < different[-1] <= middle + 9001


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("samples", [1, 511, 512, 1300])
def test_whole_signals_of_any_length(causal, samples):
    net = make(causal=causal)
    with torch.inference_mode():
        y, codes = net.reconstruct(torch.randn(2, 1, samples), depth=2)
        assert y.shape == (2, 1, samples)
        assert codes.shape == (2, 2, math.ceil(samples / HOP))
        assert y.abs().max() <= 1


def test_the_output_is_bounded_for_any_codes():
    net = make()
    codes = torch.randint(0, 16, (1, 3, 50))
    with torch.inference_mode():
        for weight in net.decoder.parameters():
            weight.mul_(5)
        y, _ = net.decode(codes, net.decoder.initial_state())
    assert 0.9 < y.abs().max() <= 1


def test_gradients_reach_every_weight():
    net = make(quantiser_dropout=0.0).train()
    y, _ = net(0.3 * torch.randn(2, 1, 4 * HOP), net.initial_state(2))
    quantised = net.quantiser(net.encoder(torch.randn(2, 1, 512), net.encoder.initial_state(2))[0])
    (y.square().sum() + quantised.commitment + quantised.codebook).backward()
    missing = [name for name, w in net.named_parameters() if w.grad is None or not w.grad.any()]
    assert missing == []


def test_folding_changes_nothing():
    net = make()
    folded = net.folded()
    assert not [name for name, _ in folded.named_parameters() if "parametrizations" in name]
    x = 0.3 * torch.randn(1, 1, 4 * HOP)
    torch.testing.assert_close(folded.reconstruct(x)[0], net.reconstruct(x)[0], atol=1e-5, rtol=0)
    assert "parametrizations" in "".join(name for name, _ in net.named_parameters())


class Half(torch.nn.Module):
    """Encoder or decoder with its state as a list, as a graph needs it."""

    def __init__(self, net, method, names):
        super().__init__()
        self.net, self.method, self.names = net, method, names

    def forward(self, x, *values):
        function = getattr(self.net, self.method)
        y, following = function(x, dict(zip(self.names, values, strict=True)))
        return (y, *(following[name] for name in self.names))


def session(net, method, x, state):
    names = list(state)
    buffer = io.BytesIO()
    torch.onnx.export(
        Half(net, method, names).eval(),
        (x, *state.values()),
        buffer,
        dynamo=False,
        input_names=["x", *names],
        output_names=["y", *(f"next.{name}" for name in names)],
        opset_version=17,
    )
    made = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])

    def run(blocks):
        values, found = {name: value.numpy() for name, value in state.items()}, []
        for block in blocks:
            y, *after = made.run(None, {"x": block.numpy(), **values})
            values = dict(zip(names, after, strict=True))
            found.append(torch.from_numpy(y))
        return torch.cat(found, dim=-1)

    return run


@pytest.mark.filterwarnings("ignore")
def test_both_halves_are_graphs_whose_state_is_outside():
    """Frame by frame in ONNX Runtime: the codes and the audio of one piece in torch."""
    net = make().folded()
    x = 0.3 * torch.randn(1, 1, 12 * HOP)
    with torch.inference_mode():
        wanted, codes = net.reconstruct(x)
    encoder = session(net, "encode", x[..., :HOP], net.encoder.initial_state())
    found = encoder(x.split(HOP, dim=-1))
    assert (found == codes).float().mean() >= 0.999
    codes = codes.clone()  # of inference mode, which no graph may start from
    decoder = session(net, "decode", codes[..., :1], net.decoder.initial_state())
    torch.testing.assert_close(decoder(codes.split(1, dim=-1)), wanted, atol=1e-4, rtol=0)


def test_the_causal_form_can_be_exported_and_the_centred_one_is_refused(tmp_path):
    card = {"name": "test", "sample_rate": 44100, "license": "Apache-2.0", "provenance": {}}
    short = {"encoder_rates": [16, 32], "decoder_rates": [32, 16]}
    export_model(make(**short), card, tmp_path / "causal.onnx")
    with pytest.raises(ExportError, match=r"centred\.onnx: not written: the net does not stream"):
        export_model(make(causal=False, **short), card, tmp_path / "centred.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["causal.onnx"]


def test_sizes_are_checked_before_anything_is_made():
    arguments = net_arguments(NETS["convolutional-codec"])
    arguments.model_validate(SMALL)
    for wrong in (
        {"encoder_dim": 0},
        {"decoder_dim": 1 << 20},
        {"encoder_rates": []},
        {"encoder_rates": [1, 2]},
        {"codebook_size": 1},
        {"quantiser_dropout": 1.1},
        {"width": 3},
    ):
        with pytest.raises(ValidationError):
            arguments.model_validate({**SMALL, **wrong})
    with pytest.raises(ValueError, match=r"decoder_rates \[8, 8\]: their product is not 512"):
        ConvolutionalCodec(**{**SMALL, "decoder_rates": [8, 8]})
    with pytest.raises(ValueError, match="a layer of 65536 channels; at most 4096"):
        ConvolutionalCodec(encoder_dim=4096)
    with pytest.raises(ValueError, match="decoder_dim 24: not a multiple of 16"):
        ConvolutionalCodec(**{**SMALL, "decoder_dim": 24})


def test_other_rates_and_its_card():
    net = make(encoder_rates=[2, 3], decoder_rates=[3, 2], latent_dim=10, codebook_dim=[2, 3, 4])
    x = 0.3 * torch.randn(1, 1, 60)
    whole = play(net, net.initial_state(), x, [60])
    torch.testing.assert_close(
        play(net, net.initial_state(), x, [6] * 10), whole, atol=1e-5, rtol=0
    )
    told = net.architecture()
    assert (told["type"], told["latent_dim"], told["codebook_dim"]) == (
        "convolutional-codec", 10, [2, 3, 4]
    )  # fmt: skip
    assert np.isfinite(told["macs_per_sample"])
