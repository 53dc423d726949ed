"""The separators' nets: streaming, latency, exact sums, sizes, and what their files play."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.errors import ExportError  # noqa: E402
from export.exporter import export_model  # noqa: E402
from export.parity import run_onnx, run_torch  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from training.models.open_unmix import OpenUnmix  # noqa: E402
from training.models.separator import Separator  # noqa: E402

CARD = {"name": "test", "sample_rate": 44100, "license": "Apache-2.0", "provenance": {}}
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 8192)).astype(np.float32)
UNMIX = {"hidden": 8, "n_fft": 512, "hop": 128}
NETS = {
    "separator": lambda: Separator(channels=8, layers=2, n_synthesis=512),
    "unmix": lambda: OpenUnmix(**UNMIX, targets=["vocals", "bass"]),
}
every_net = pytest.mark.parametrize("kind", sorted(NETS))


def wild(kind):
    """A net of random weights and statistics, as training might leave it."""
    torch.manual_seed(0)
    net = NETS[kind]()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


def total(net, y):
    """The sum of all stems, as stereo."""
    return y.reshape(len(net.stems), 2, -1).sum(axis=0)


@every_net
def test_the_stems_add_up_to_the_song(kind):
    net = wild(kind)
    y = run_torch(net, NOISE, [8192])
    late = net.latency_samples
    assert y.shape == (2 * len(net.stems), 8192)
    np.testing.assert_allclose(total(net, y)[:, late:], NOISE[:, : 8192 - late], atol=1e-5)
    assert np.abs(y.reshape(len(net.stems), -1)).max(axis=1).min() > 1e-3  # each has a part


@every_net
def test_blocks_equal_the_whole(kind):
    net = wild(kind)
    whole = run_torch(net, NOISE, [8192])
    hop = net.hop
    np.testing.assert_allclose(run_torch(net, NOISE, [hop] * (8192 // hop)), whole, atol=1e-5)
    np.testing.assert_allclose(run_torch(net, NOISE, [hop, 3072 - hop, 5120]), whole, atol=1e-5)


@every_net
def test_it_hears_no_more_of_the_future_than_it_says(kind):
    net = wild(kind)
    changed = NOISE.copy()
    changed[:, 4096:] *= -0.5
    a, b = (run_torch(net, x, [8192]) for x in (NOISE, changed))
    np.testing.assert_array_equal(a[:, :4096], b[:, :4096])
    after = slice(4096, 4096 + net.hop)
    assert (a[:, after] != b[:, after]).any()


@every_net
def test_the_file_is_the_net(tmp_path, kind):
    net = wild(kind)
    parity = export_model(net, CARD, tmp_path / "net.onnx")
    assert parity.streaming_error < 1e-5
    model = read_model(tmp_path / "net.onnx")
    card = model.card
    assert (card.hop, card.latency_samples, card.stems) == (net.hop, net.latency_samples, net.stems)
    assert (card.task, card.channels) == ("separate", net.channels)
    played = run_onnx(model, NOISE, [net.hop] * (8192 // net.hop))
    np.testing.assert_allclose(played, run_torch(net, NOISE, [8192]), atol=1e-4)


@every_net
def test_silence_stays_silence(kind):
    net = wild(kind)
    silence = np.zeros_like(NOISE)
    assert not run_torch(net, silence, [8192]).any()
    both = np.concatenate([NOISE, silence], axis=1)
    assert not run_torch(net, both, [16384])[:, 8192 + 4096 :].any()  # no frame is longer


@pytest.mark.parametrize("gain", [0.05, 4.0])
def test_a_quiet_song_is_separated_as_a_loud_one_is(gain):
    net = wild("separator")
    loud, other = (run_torch(net, np.float32(g) * NOISE, [8192]) for g in (1.0, gain))
    np.testing.assert_allclose(other / gain, loud, atol=2e-3 * np.abs(loud).max())


def test_sizes_of_the_separator():
    net = Separator()
    assert (net.latency_samples, net.hop) == (512, 512)
    assert sum(p.numel() for p in net.parameters()) == 438_564


@pytest.mark.parametrize(
    ("arguments", "weights"),
    [
        ({}, 10_466_212),
        ({"causal": False}, 8_893_348),
        ({"causal": False, "hidden": 1024}, 28_257_188),
    ],
)
def test_open_unmix_has_the_published_number_of_weights(arguments, weights):
    net = OpenUnmix(targets=["vocals"], **arguments)
    assert sum(p.numel() for p in net.parameters()) == weights
    assert net.latency_samples == 3072


def test_open_unmix_carries_its_lstm_states():
    states = OpenUnmix(targets=["vocals", "bass"]).initial_state()
    for stem in ("vocals", "bass"):
        assert states[f"net.{stem}.h"].shape == states[f"net.{stem}.c"].shape == (3, 1, 512)


def test_the_low_latency_form_of_open_unmix():
    assert OpenUnmix(n_fft=1024, hop=256, hidden=8).latency_samples == 768


def test_the_bidirectional_form_is_for_whole_signals_only(tmp_path):
    net = OpenUnmix(**UNMIX, causal=False).eval()
    y = run_torch(net, NOISE, [8192])
    late = net.latency_samples
    np.testing.assert_allclose(total(net, y)[:, late:], NOISE[:, : 8192 - late], atol=1e-5)
    with pytest.raises(ExportError, match="reads the signal backwards"):
        export_model(net, CARD, tmp_path / "net.onnx")


def test_unknown_stems_are_refused():
    with pytest.raises(ValueError, match="choose some of vocals, drums"):
        OpenUnmix(targets=["piano"])
