"""The denoiser's net: streaming, latency, levels, and what its filters can do."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from export.parity import run_onnx, run_torch  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from training.models.denoiser import Denoiser  # noqa: E402

CARD = {"name": "test", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}
SMALL = {"window": 240, "hop": 120, "lines": 24, "bands": 8, "channels": (4, 4, 4), "hidden": 8}
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 4800)).astype(np.float32)


def wild(**arguments):
    """A net of random weights and random statistics, as training might leave it."""
    torch.manual_seed(0)
    net = Denoiser(**{**SMALL, **arguments})
    torch.nn.init.normal_(net.stream.net.head.weight, std=0.5)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


def neutral(**arguments):
    """A net whose gains are 1 and whose filters are at their start: a delay."""
    net = wild(**arguments)
    torch.nn.init.zeros_(net.stream.net.head.weight)
    torch.nn.init.constant_(net.stream.net.band_head[1], 20.0)
    return net


@pytest.mark.parametrize("look_ahead", [0, 1, 2])
def test_without_an_opinion_it_is_a_delay(look_ahead):
    net = neutral(look_ahead=look_ahead)
    assert net.latency_samples == 240 - 120 + 120 * look_ahead
    out = run_torch(net, NOISE, [NOISE.shape[1]])[0]
    np.testing.assert_allclose(
        out[net.latency_samples :], NOISE[0, : -net.latency_samples], atol=1e-6
    )
    assert not out[: max(0, net.latency_samples - 240)].any()


@pytest.mark.parametrize("look_ahead", [0, 1])
@pytest.mark.parametrize("blocks", [[120] * 40, [240, 120, 1200, 3240]])
def test_blocks_equal_the_whole(look_ahead, blocks):
    net = wild(look_ahead=look_ahead)
    whole = run_torch(net, NOISE, [NOISE.shape[1]])
    np.testing.assert_allclose(run_torch(net, NOISE, blocks), whole, atol=1e-6)


@pytest.mark.parametrize("look_ahead", [0, 1])
def test_it_hears_no_more_of_the_future_than_it_says(look_ahead):
    net = wild(look_ahead=look_ahead)
    changed = NOISE.copy()
    changed[:, 2400:] *= -0.5
    a, b = (run_torch(net, x, [4800])[0] for x in (NOISE, changed))
    np.testing.assert_array_equal(a[:2400], b[:2400])
    # What leaves at n is the answer to n - latency, so it may know that much of the future.
    assert (a[2400 : 2400 + net.latency_samples] != b[2400 : 2400 + net.latency_samples]).any()


def test_silence_stays_silence_even_after_sound():
    net = wild()
    silence = np.zeros_like(NOISE)
    assert not run_torch(net, silence, [4800]).any()
    both = np.concatenate([NOISE, silence], axis=1)
    assert not run_torch(net, both, [9600])[:, 4800 + net.latency_samples + 120 * 4 :].any()


@pytest.mark.parametrize("gain", [0.01, 0.1, 1.9])
def test_quiet_speech_is_treated_as_loud_speech_is(gain):
    net = wild()
    loud, quiet = (run_torch(net, np.float32(g) * NOISE, [4800]) for g in (1.0, gain))
    np.testing.assert_allclose(quiet / gain, loud, atol=2e-3 * np.abs(loud).max())


@pytest.mark.parametrize("look_ahead", [0, 1])
def test_the_file_is_the_net(tmp_path, look_ahead):
    net = wild(look_ahead=look_ahead)
    export_model(net, CARD, tmp_path / "net.onnx")
    model = read_model(tmp_path / "net.onnx")
    assert (model.card.hop, model.card.latency_samples) == (120, net.latency_samples)
    whole = run_torch(net, NOISE, [4800])
    np.testing.assert_allclose(run_onnx(model, NOISE, [120] * 40), whole, atol=1e-5)


def test_folded_it_is_the_same_function():
    net = wild()
    folded = net.folded()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    np.testing.assert_allclose(
        run_torch(folded, NOISE, [4800]), run_torch(net, NOISE, [4800]), atol=1e-6
    )


@pytest.mark.parametrize(("mine", "its"), [(0, 1), (1, 0), (0, 2), (1, 1)])
def test_another_look_ahead_keeps_the_filters(mine, its):
    """Filters of constant coefficients say the same of a frame, whenever the answer is due."""
    other = wild(look_ahead=its)
    head = other.stream.net.head
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.normal_(head.bias)
    # What the other net hears and this one cannot, or no longer does, must not count.
    filters = head.bias.data[1:].reshape(2, 5)
    filters[:, 5 - max(0, its - mine) :] = 0
    filters[:, : max(0, mine - its)] = 0
    net = Denoiser(**{**SMALL, "look_ahead": mine})
    net.adopt(other)
    a, b = (run_torch(n, NOISE, [4800])[0, n.latency_samples :] for n in (net.eval(), other))
    shared = min(len(a), len(b))
    # The gains of both come from the bias alone, so only the filters could differ.
    np.testing.assert_allclose(a[:shared], b[:shared], atol=1e-5)


def test_sizes_of_the_shipped_nets():
    for look_ahead, latency in ((1, 960), (0, 480)):
        net = Denoiser(look_ahead=look_ahead, hidden=224)
        assert net.latency_samples == latency
        assert sum(p.numel() for p in net.parameters()) <= 1_000_000


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="taps"):
        Denoiser(look_ahead=4, taps=4)
    with pytest.raises(ValueError, match="multiple of 8"):
        Denoiser(lines=95)
