"""The net of gains per bin: streaming, latency, levels, its noise floor, and its file."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from export.parity import run_onnx, run_torch  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from training.models.fine_denoiser import FineDenoiser  # noqa: E402
from training.models.fine_gains import FLOOR, _track  # noqa: E402

CARD = {"name": "test", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}
SMALL = {
    "window": 360,
    "hop": 120,
    "lines": 24,
    "bands": 8,
    "channels": (4, 4, 4),
    "hidden": 8,
    "n_synthesis": 360,
}
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 4800)).astype(np.float32)


def wild(**sizes):
    """A net of random weights and random statistics, as training might leave it."""
    torch.manual_seed(0)
    net = FineDenoiser(**SMALL | {"steady_db": 6.0} | sizes)
    torch.nn.init.normal_(net.stream.net.head.weight, std=0.5)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return net.eval()


@pytest.mark.parametrize("heard", [360, 240])
def test_without_an_opinion_it_is_a_delay(heard):
    net = wild(n_synthesis=heard)
    head, slope = net.stream.net.head, net.stream.net.slope
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.constant_(head.bias, 0.0)
    torch.nn.init.zeros_(slope)
    head.bias.data[0] = 20.0
    late = heard - 120
    assert net.latency_samples == late
    out = run_torch(net, NOISE, [NOISE.shape[1]])[0]
    np.testing.assert_allclose(out[late:], NOISE[0, :-late], atol=1e-6)


@pytest.mark.parametrize("blocks", [[120] * 40, [240, 120, 1200, 3240]])
def test_blocks_equal_the_whole(blocks):
    net = wild()
    whole = run_torch(net, NOISE, [NOISE.shape[1]])
    np.testing.assert_allclose(run_torch(net, NOISE, blocks), whole, atol=1e-6)


@pytest.mark.parametrize("heard", [360, 240])
def test_it_hears_all_of_the_future_that_it_says_and_no_more(heard):
    net = wild(n_synthesis=heard)
    changed = NOISE.copy()
    changed[:, 2400:] *= -0.5
    a, b = (run_torch(net, x, [4800])[0] for x in (NOISE, changed))
    np.testing.assert_array_equal(a[:2400], b[:2400])
    # The first frame with the change in it makes heard what began so long before its end.
    assert (a[2400:2460] != b[2400:2460]).any()


def test_silence_stays_silence_even_after_sound():
    net = wild()
    silence = np.zeros_like(NOISE)
    assert not run_torch(net, silence, [4800]).any()
    both = np.concatenate([NOISE, silence], axis=1)
    assert not run_torch(net, both, [9600])[:, 4800 + 240 + 360 :].any()


@pytest.mark.parametrize("least_db", [-28.0, -60.0])
def test_no_bin_is_turned_down_further_than_it_says(least_db):
    net = FineDenoiser(**SMALL, least_gain_db=least_db).eval()
    with torch.no_grad():
        net.stream.net.slope.zero_()
        net.stream.net.head.bias[0] = -1000.0
    late, y = net.latency_samples, run_torch(net, NOISE, [4800])
    np.testing.assert_allclose(y[:, late:], 10 ** (least_db / 20) * NOISE[:, :-late], atol=1e-6)


def test_a_click_is_left_no_louder_than_steady_noise():
    """Where the net lets through as little as it may; the floor is known after half a second."""
    rng = np.random.default_rng(2)
    steady = 1e-3 * rng.standard_normal((1, 48000)).astype(np.float32)
    clicks = steady.copy()
    clicks[:, 36000:36024] += 0.5
    played = {}
    for steady_db in (20.0, 120.0):
        net = FineDenoiser(**SMALL, least_gain_db=-20.0, steady_db=steady_db).eval()
        with torch.no_grad():
            net.stream.net.slope.zero_()
            net.stream.net.head.bias[0] = -1000.0
        late = net.latency_samples
        for name, sound in (("steady", steady), ("clicks", clicks)):
            played[steady_db, name] = run_torch(net, sound, [48000])[0, 24000 + late :]
    np.testing.assert_allclose(played[20.0, "steady"], 0.1 * steady[0, 24000:-late], atol=1e-4)
    assert np.abs(played[120.0, "clicks"]).max() > 0.04
    assert np.abs(played[20.0, "clicks"]).max() < 0.01


@pytest.mark.parametrize("gain", [0.01, 0.1, 1.9])
def test_quiet_speech_is_treated_as_loud_speech_is(gain):
    net = wild()
    loud, quiet = (run_torch(net, np.float32(g) * NOISE, [4800]) for g in (1.0, gain))
    np.testing.assert_allclose(quiet / gain, loud, atol=2e-3 * np.abs(loud).max())


def test_the_floor_is_below_the_power_and_rises_slowly():
    rng = np.random.default_rng(1)
    power = torch.tensor(rng.exponential(1.0, (1, 400, 8)), dtype=torch.float32) + FLOOR
    power[:, 200:] *= 100
    state = FineDenoiser(**SMALL).stream.net.initial_state()
    state |= {"smooth": torch.zeros(1, 8), "floor": torch.zeros(1, 8)}
    smooth, floor, _ = _track(power, state)
    assert (floor <= smooth).all()
    rise_db = 10 * torch.diff(floor[0, 60:].log10(), dim=0)
    assert rise_db.max() <= 0.06 + 1.0 * np.exp(-60 / 15) + 1e-4
    # Noise that sets in is heard as noise after some seconds, not at once.
    assert (floor[0, 220] < 0.1 * smooth[0, 210:230].mean(0)).all()


def test_an_earlier_net_begins_with_the_weights_of_a_later_one():
    later, earlier = wild(), wild(n_synthesis=240)
    earlier.load_state_dict(later.state_dict())
    a, b = (run_torch(net, NOISE, [4800])[0, net.latency_samples :] for net in (later, earlier))
    size = min(len(a), len(b))
    apart = a[:size] - b[:size]
    assert 0 < (apart**2).mean() < 0.1 * (a**2).mean()


@pytest.mark.parametrize("heard", [360, 240])
def test_the_file_is_the_net(tmp_path, heard):
    net = wild(n_synthesis=heard)
    export_model(net, CARD, tmp_path / "net.onnx")
    model = read_model(tmp_path / "net.onnx")
    assert (model.card.hop, model.card.latency_samples) == (120, net.latency_samples)
    whole = run_torch(net, NOISE, [4800])
    np.testing.assert_allclose(run_onnx(model, NOISE, [120] * 40), whole, atol=1e-5)


def test_folded_it_is_the_same_function():
    net = wild()
    folded = net.folded()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    np.testing.assert_allclose(
        run_torch(folded, NOISE, [4800]), run_torch(net, NOISE, [4800]), atol=1e-6
    )


def test_a_single_bin_has_its_own_gain():
    """The level of one bin moves its own gain more than that of bins next to it."""
    net = FineDenoiser().eval().stream.net
    x = torch.ones(1, 2, 40, 721)
    louder = x.clone()
    louder[:, :, 30:, 60] *= 8
    with torch.no_grad():
        a, b = (net(y, net.initial_state())[0] / y for y in (x, louder))
    moved = (b - a)[0, 0, -1].abs()
    assert moved[60] > 5 * moved[[57, 58, 59, 61, 62, 63]].max()


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        FineDenoiser(lines=95)
    with pytest.raises(ValueError, match=r"fade = 120 is out of range 1 \.\. 20"):
        FineDenoiser(n_synthesis=500)
