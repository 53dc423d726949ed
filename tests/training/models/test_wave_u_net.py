"""The Wave-U-Net: counts, delay and reach of the document, and streams equal to whole files."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from export.exporter import export_model  # noqa: E402
from training.models import NETS  # noqa: E402
from training.models.wave_u_net import WaveUNet  # noqa: E402

CARD = {"name": "tiny", "sample_rate": 44100, "license": "Apache-2.0", "provenance": {}}
SKIPS = ["add", "concatenate"]


def count(net):
    return sum(weight.numel() for weight in net.parameters())


def make(levels=3, **changes):
    """A small net whose biases are not zero."""
    torch.manual_seed(0)
    net = WaveUNet(**{"base_channels": 2, "levels": levels} | changes).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("bias"):
                weight.uniform_(-0.1, 0.1)
    return net


class Whole(nn.Module):
    """The net of the source document: centred convolutions, transposed ones in the decoder."""

    def __init__(self, base, levels, kernel, skip):
        super().__init__()
        width = [base * 2**n for n in range(levels + 1)]
        half, more = kernel // 2, skip == "concatenate"
        inputs = [2, *width]
        self.skip = skip
        self.down = nn.ModuleList(
            nn.Conv1d(inputs[n], width[n], kernel, padding=half) for n in range(levels)
        )
        self.middle = nn.Conv1d(inputs[levels], width[levels], kernel, padding=half)
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(width[n + 1] + more * width[n], width[n], kernel, padding=half)
            for n in range(levels)
        )
        self.out = nn.Conv1d(base + 2, 2, 1)

    def forward(self, x):
        y, kept = x, []
        for conv in self.down:
            y = functional.relu(conv(y))
            kept.append(y)
            y = y[:, :, ::2]
        y = functional.relu(self.middle(y))
        for conv, skip in zip(reversed(self.up), reversed(kept), strict=True):
            y = functional.interpolate(y, scale_factor=2, mode="linear", align_corners=False)
            if self.skip == "concatenate":
                y = torch.cat([y, skip], dim=1)
            y = functional.relu(conv(y))
            if self.skip == "add":
                y = y + skip
        return self.out(torch.cat([y, x], dim=1))

    @torch.no_grad()
    def adopt(self, net):
        for own, other in zip(self.down, net.encoder, strict=True):
            own.load_state_dict(other.conv.state_dict())
        self.middle.load_state_dict(net.bottleneck.conv.state_dict())
        for own, other in zip(self.up, net.decoder, strict=True):
            own.weight.copy_(other.conv.weight.flip(-1).transpose(0, 1))
            own.bias.copy_(other.conv.bias)
        self.out.load_state_dict(net.head.state_dict())
        return self


@pytest.mark.parametrize(
    ("levels", "weights", "macs"),
    [
        (4, 2_939_478, 389_572),
        (5, 11_787_990, 804_292),
        (6, 47_179_734, 1_633_732),
        (8, 754_982_358, 6_610_372),
    ],
)
def test_the_counts_of_the_document(levels, weights, macs):
    with torch.device("meta"):
        net = WaveUNet(levels=levels)
        assert count(net) == count(Whole(24, levels, 15, "add")) == weights
        joined = WaveUNet(levels=levels, skip="concatenate")
        assert count(joined) == count(Whole(24, levels, 15, "concatenate"))
    assert net.geometry.macs_per_sample == macs
    # One more convolution of every level's skip, at that level's rate.
    more = sum(15 * (24 * 2**n) ** 2 / 2**n for n in range(levels))
    assert joined.geometry.macs_per_sample == macs + more


def test_reach_and_delay_of_the_document():
    with torch.device("meta"):
        net = WaveUNet()
    assert NETS["wave-u-net"] is WaveUNet
    assert (net.look_ahead_samples, net.look_back_samples) == (5_617, 5_872)
    # The worst phase waits for the end of its block, too: no output may need a later sample.
    assert net.hop == 256
    assert net.latency_samples == 5_368
    assert net.latency_samples + net.hop - 1 >= net.look_ahead_samples
    delays = [WaveUNet(1, levels=n).latency_samples for n in (1, 2, 3, 4, 5)]
    assert delays == [28, 72, 160, 328, 664]
    state = WaveUNet(2, levels=2).initial_state()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "encoder.0": (1, 2, 14),
        "encoder.1": (1, 2, 14),
        "bottleneck": (1, 4, 14),
        "decoder.0": (1, 4, 14),
        "decoder.1": (1, 8, 14),
        "skip.0": (1, 2, 65),
        "skip.1": (1, 4, 22),
        "last.0": (1, 4, 1),
        "last.1": (1, 8, 1),
        "dry": (1, 2, 72),
    }


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("levels", [1, 2, 4])
@torch.inference_mode()
def test_the_stream_is_the_net_of_the_document_later(levels, skip):
    net = make(levels, skip=skip)
    peer = Whole(2, levels, 15, skip).adopt(net)
    late, reach = net.latency_samples, net.prewarm_samples
    length = (2 * reach // net.hop + 40) * net.hop
    x = torch.randn(1, 2, length)
    y, _ = net(x, net.initial_state())
    inner = slice(reach, length - reach)  # edges differ: padding there is of each level
    torch.testing.assert_close(y[..., late:][..., inner], peer(x)[..., inner], atol=1e-6, rtol=1e-5)


def test_the_reach_is_that_of_the_gradient():
    net = make(2)
    middle = 60 * net.hop
    for n in range(net.hop):
        x = torch.randn(1, 2, 2 * middle, requires_grad=True)
        y, _ = net(x, net.initial_state())
        place = middle + n
        y[0, :, place + net.latency_samples].sum().backward()
        first, last = net.geometry.inputs(n, n)
        heard = torch.nonzero(x.grad.abs().sum(dim=(0, 1)))[:, 0]
        assert middle + first <= int(heard.min())
        assert int(heard.max()) <= middle + last
        assert last <= n + net.look_ahead_samples


@pytest.mark.parametrize("skip", SKIPS)
@torch.inference_mode()
def test_blocks_are_the_whole(skip):
    net = make(skip=skip)
    x = torch.randn(2, 2, 50 * net.hop)
    whole, end = net(x, net.initial_state(2))
    state, pieces = net.initial_state(2), []
    for piece in x.split([net.hop, 4 * net.hop, 20 * net.hop, 25 * net.hop], dim=-1):
        y, state = net(piece, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=-1), whole, atol=1e-6, rtol=1e-5)
    for name, value in end.items():
        torch.testing.assert_close(state[name], value, atol=1e-6, rtol=1e-5)


def test_a_residual_net_starts_as_a_delay():
    torch.manual_seed(0)
    net = WaveUNet(2, levels=2, residual=True).eval()
    x = torch.randn(1, 2, 100 * net.hop)
    y, _ = net(x, net.initial_state())
    late = net.latency_samples
    assert torch.equal(y[..., late:], x[..., :-late])


def test_its_weights_start_as_the_document_says():
    net = WaveUNet(4, levels=2)
    for module in net.modules():
        if isinstance(module, nn.Conv1d):
            fan = sum(nn.init._calculate_fan_in_and_fan_out(module.weight))
            assert module.weight.abs().max() <= (6 / fan) ** 0.5
            assert not module.bias.any()
    with pytest.raises(ValueError, match="kernel 4 is even"):
        WaveUNet(kernel=4)


def test_its_graph_plays_the_same(tmp_path):
    net = make(levels=7, base_channels=1, skip="concatenate")
    with torch.no_grad():  # a path by which an impulse shows the delay
        net.head.weight[:, -2:] = torch.eye(2)[..., None]
    parity = export_model(net, CARD, tmp_path / "tiny.onnx")
    assert parity.latency_samples == net.latency_samples
