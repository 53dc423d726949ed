"""The feature net and its loss against brute force, and what training must leave alone."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.checkpoint import load_checkpoint  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.denoise.config import DenoiseConfig  # noqa: E402
from training.denoise.features import FeatureLoss, FeatureNet, load_features  # noqa: E402
from training.denoise.keep import Keep  # noqa: E402
from training.denoise.losses import DenoiseLoss  # noqa: E402
from training.denoise.scene_config import SceneConfig  # noqa: E402
from training.denoise.task import DenoiseTask  # noqa: E402
from training.engine import train_run  # noqa: E402
from training.models.context import ContextNet  # noqa: E402

CONFIGS = Path(__file__).parents[3] / "training" / "configs"


def noise(*shape, seed=1):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def moved(seed=0):
    """A feature net with statistics and offsets as after a training."""
    torch.manual_seed(seed)
    net = FeatureNet()
    for norm, offset in zip(net.norms, net.offsets, strict=True):
        torch.nn.init.normal_(norm.running_mean, 0, 0.1)
        norm.running_var.copy_(torch.rand_like(norm.running_var) + 0.2)
        torch.nn.init.normal_(offset, 0, 0.1)
    return net.eval()


def brute_force(net, x):
    """Every output sample from the three input samples it is made of."""
    found = []
    for n in range(14):
        weight = net.convs[n].weight.double().numpy()
        stride = 2 if n < 13 else 1
        samples = x.shape[-1]
        length = -(-samples // stride)
        missing = max((length - 1) * stride + 3 - samples, 0)
        ahead = missing // 2
        y = np.zeros((x.shape[0], weight.shape[0], length))
        for at, tap in itertools.product(range(length), range(3)):
            place = at * stride - ahead + tap
            if 0 <= place < samples:
                y[:, :, at] += x[:, :, place] @ weight[:, :, tap].T
        mean = net.norms[n].running_mean.double().numpy()[:, None]
        variance = net.norms[n].running_var.double().numpy()[:, None]
        y = (y - mean) / np.sqrt(variance + 1e-3) + net.offsets[n].double().numpy()
        x = np.where(y > 0, y, 0.2 * y)
        found.append(x)
    return found


def test_shapes_and_weights_are_those_of_the_source():
    net = FeatureNet().eval()
    found = net(torch.zeros(1, 1, 16_384))
    lengths = [2**k for k in range(13, 0, -1)] + [2]
    channels = [32] * 5 + [64] * 5 + [128] * 4
    assert [a.shape for a in found] == [(1, c, n) for c, n in zip(channels, lengths, strict=True)]
    assert sum(conv.weight.numel() for conv in net.convs) == 239_712
    assert [a.shape for a in net(torch.zeros(1, 1, 16_384), 3)] == [a.shape for a in found[:3]]


@pytest.mark.parametrize("samples", [1, 2, 77, 640])
@torch.no_grad()
def test_even_and_odd_lengths_are_padded_as_in_the_source(samples):
    net = moved()
    x = noise(2, 1, samples)
    for found, wanted in zip(net(x), brute_force(net, x.double().numpy()), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-4, rtol=1e-4)


def test_the_loss_is_the_sum_of_its_terms_and_zero_for_the_same_sound():
    features = moved()
    loss = FeatureLoss(features, layers=6).eval()
    output, target = noise(2, 1, 999), noise(2, 1, 999, seed=2)
    total, terms = loss(output, target)
    pairs = zip(features(output), features(target), strict=True)
    wanted = [float((a - b).abs().mean()) for a, b in itertools.islice(pairs, 6)]
    np.testing.assert_allclose(terms.numpy(), wanted, rtol=1e-5)
    assert total.item() == pytest.approx(sum(wanted), rel=1e-5)
    assert loss(target, target)[0].item() == 0


def test_weights_divide():
    output, target = noise(2, 1, 500), noise(2, 1, 500, seed=2)
    loss = FeatureLoss(moved(), layers=4)
    _, plain = loss(output, target)
    weights = torch.tensor([2.0, 0.5, 4.0, 8.0])
    loss.weights.copy_(weights)
    total, terms = loss(output, target)
    torch.testing.assert_close(terms, plain / weights)
    torch.testing.assert_close(total, terms.sum())


def test_after_balancing_each_term_averages_one():
    """On what was heard in the last epoch before, whatever earlier epochs held."""
    loss = FeatureLoss(moved(), layers=6, balance_after_epochs=2).train()
    loss(10 * noise(2, 1, 400, seed=50), noise(2, 1, 400))
    loss.end_epoch()
    assert torch.equal(loss.weights, torch.ones(6))
    batches = [(noise(2, 1, 400, seed=k), noise(2, 1, 400, seed=k + 10)) for k in range(5)]
    for output, target in batches:
        loss(output, target)
    loss.eval()
    loss(100 * noise(2, 1, 400), noise(2, 1, 400))  # a validation is not counted
    loss.train()
    loss.end_epoch()
    terms = torch.stack([loss(output, target)[1] for output, target in batches])
    torch.testing.assert_close(terms.mean(dim=0), torch.ones(6), rtol=1e-5, atol=1e-5)
    weights = loss.weights.clone()
    loss.end_epoch()
    assert torch.equal(loss.weights, weights)


def test_a_step_of_the_denoiser_leaves_the_features_as_they_are():
    """No gradient, no moved average, though the loss is in training and its gradient arrives."""
    features = moved()
    before = {k: v.clone() for k, v in features.state_dict().items()}
    loss = FeatureLoss(features).train()
    assert not features.training
    net = ContextNet(4, layers=4)
    start = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for step in range(2):
        output, _ = net(noise(2, 1, 300, seed=step), net.initial_state(2))
        total, _ = loss(output, noise(2, 1, 300, seed=9))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert all(p.grad is None for p in features.parameters())
    assert all(torch.equal(v, before[k]) for k, v in features.state_dict().items())
    assert all(not torch.equal(a, b) for a, b in zip(start, net.parameters(), strict=True))


def test_a_change_of_level_is_not_normalised_away():
    """Output and target pass the same frozen statistics, not each its own."""
    loss = FeatureLoss(moved(), layers=6).eval()
    x = noise(1, 1, 2000)
    _, terms = loss(0.5 * x, x)
    assert (terms > 0.01).all()


@pytest.mark.parametrize("layers", [0, 15])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(ValueError, match="has 14"):
        FeatureLoss(FeatureNet(), layers=layers)


def test_a_file_brings_the_net_back(tmp_path):
    net = moved()
    torch.save({"features": net.state_dict()}, tmp_path / "features.pt")
    again = load_features(tmp_path / "features.pt")
    x = noise(1, 1, 300)
    with torch.no_grad():
        assert torch.equal(again(x)[13], net(x)[13])


@pytest.mark.parametrize("content", [None, b"", b"half a check", {"features": {}}, {"net": 1}, 3])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    path = tmp_path / "features.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ConfigError, match=r"features\.pt: .*rtaudio train") as caught:
        load_features(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_waveform_losses_are_chosen_by_configuration(name):
    output, target = noise(2, 1, 400), noise(2, 1, 400, seed=2)
    difference = (output - target).numpy()
    wanted = np.abs(difference).mean() if name == "l1" else (difference**2).mean()
    found = DenoiseLoss({name: 3.0})(output, target, target, Keep(torch.full((2,), 8e3), 16_000))
    assert found.item() == pytest.approx(3 * wanted, rel=1e-5)


def test_features_are_weighed_beside_other_terms_and_deaf_above_the_bandwidth():
    loss = DenoiseLoss({"l1": 2.0, "features": 0.5}, FeatureLoss(moved()).eval())
    output, target = noise(1, 1, 4000), noise(1, 1, 4000, seed=2)
    keep = Keep(torch.tensor([8000.0]), 16_000)
    wanted = 2 * (output - target).abs().mean() + 0.5 * loss.features(output, target)[0]
    assert loss(output, target, target, keep).item() == pytest.approx(wanted.item(), rel=1e-4)
    treble = torch.sin(torch.arange(4000) * 2 * torch.pi * 0.45)[None, None]
    only = DenoiseLoss({"features": 1.0}, FeatureLoss(moved()).eval())
    assert only(output + treble, output, output, keep) > 0.1
    narrow = Keep(torch.tensor([4000.0]), 16_000)
    a, b = (only(x, target, target, narrow) for x in (output, output + treble))
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.fixture
def denoise_file(tmp_path, small_corpus, corpus_cache, monkeypatch):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)
    torch.save({"features": moved().state_dict()}, tmp_path / "features.pt")

    def written(**changes):
        path = tmp_path / "denoise.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "task": "denoise",
                    "name": "tiny",
                    "description": "",
                    "license": "Apache-2.0",
                    "source": "noise",
                    "folder": str(tmp_path / "run"),
                    "workers": 0,
                    "data": {
                        "root": str(small_corpus),
                        "cache": str(corpus_cache),
                        "rate_hz": 16_000,
                        "excerpt_samples": 4000,
                        "rooms": 4,
                    },
                    "net": {"type": "context", "channels": 4, "layers": 5},
                    "loss": {"features": 1.0, "l1": 0.1},
                    "features": {
                        "net": str(tmp_path / "features.pt"),
                        "layers": 3,
                        "balance_after_epochs": 2,
                    },
                    "schedule": {
                        "steps": 6,
                        "batch": 2,
                        "warmup_steps": 1,
                        "epoch_steps": 2,
                        "validation_mixtures": 2,
                        "learning_rate": 0.003,
                    },
                    **changes,
                }
            )
        )
        return path

    return written


@pytest.mark.data
def test_the_shipped_configurations_hold(data_folder, monkeypatch):
    monkeypatch.setenv("RTAUDIO_DATA", str(data_folder))
    scenes = load_config(CONFIGS / "denoise-features.yaml", SceneConfig)
    denoise = load_config(CONFIGS / "denoise-context.yaml", DenoiseConfig)
    assert (scenes.name, denoise.name) == ("denoise-features", "denoise-context")
    # The one writes what the other reads, and both hear at one rate.
    assert scenes.run_folder / "features.pt" == Path(denoise.features.net)
    assert scenes.data.rate_hz == denoise.data.rate_hz


def test_a_run_with_features_balances_and_resumes_to_the_bit(denoise_file, tmp_path, killed):
    train_run(load_config(denoise_file(), DenoiseConfig), DenoiseTask, show=False)
    with (tmp_path / "run/history.csv").open() as file:
        assert [row["balanced"] for row in csv.DictReader(file)] == ["0.0", "0.0", "1.0"]
    whole = torch.load(tmp_path / "run/last.pt", weights_only=True)
    assert not torch.equal(whole["task"]["loss"]["features.weights"], torch.ones(3))
    _, card = load_checkpoint(tmp_path / "run/best.pt")
    assert card["metrics"]["step"] == 6
    assert str(tmp_path) not in json.dumps(card)
    assert card["provenance"]["config"]["features"] == {"layers": 3, "balance_after_epochs": 2}

    broken = load_config(denoise_file(folder=str(tmp_path / "broken")), DenoiseConfig)
    assert killed(
        lambda: train_run(broken, DenoiseTask, show=False), lambda path: path.name == "last.pt"
    )
    train_run(broken, DenoiseTask, resume=True, show=False)
    resumed = torch.load(tmp_path / "broken/last.pt", weights_only=True)
    for part in ("net", "loss"):
        for name, value in whole["task"][part].items():
            assert torch.equal(resumed["task"][part][name], value), name


def test_a_missing_feature_net_is_named_before_anything_is_decoded(denoise_file, tmp_path):
    (tmp_path / "features.pt").unlink()
    with pytest.raises(ConfigError, match=r"features\.pt: no feature net; train it: rtaudio train"):
        train_run(load_config(denoise_file(), DenoiseConfig), DenoiseTask, show=False)
    assert not (tmp_path / "run").exists()
