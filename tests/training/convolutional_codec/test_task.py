"""A tiny run of the convolutional codec: it learns, resumes to the bit, and refuses."""

from __future__ import annotations

import json

import pytest
import yaml

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.checkpoint import load_checkpoint  # noqa: E402
from training.cli import train  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.convolutional_codec.config import ConvolutionalCodecConfig  # noqa: E402
from training.convolutional_codec.task import ConvolutionalCodecTask  # noqa: E402
from training.engine import train_run  # noqa: E402

NET = {
    "type": "convolutional-codec",
    "encoder_dim": 2,
    "encoder_rates": [4, 8],
    "decoder_dim": 16,
    "decoder_rates": [8, 4],
    "codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 4,
}
WITHOUT = {"adversarial": 0, "feature": 0}


@pytest.fixture
def write(tmp_path, small_corpus, corpus_cache, monkeypatch):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)

    def written(**changes):
        content = {
            "task": "convolutional-codec",
            "name": "tiny",
            "description": "",
            "license": "Apache-2.0",
            "source": "noise",
            "folder": str(tmp_path / "run"),
            "workers": 0,
            "data": {
                "root": str(small_corpus),
                "cache": str(corpus_cache),
                "rate_hz": 16000,
                "excerpt_samples": 4096,
            },
            "net": NET,
            "discriminators": {
                "periods": [2, 3],
                "windows": [256],
                "factors": [2],
                "period_channels": 1,
                "band_channels": 2,
                "factor_channels": 4,
            },
            "schedule": {
                "steps": 5,
                "batch": 3,
                "epoch_steps": 2,
                "validation_batches": 2,
                "learning_rate": 0.001,
            },
            **changes,
        }
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return written


def task_of(path):
    torch.manual_seed(0)
    return ConvolutionalCodecTask(load_config(path, ConvolutionalCodecConfig), torch.device("cpu"))


def test_a_run_leaves_its_scores_and_a_net(write, tmp_path, corpus_cache, capsys):
    train([write()])
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    printed = capsys.readouterr().out
    assert f"mel distance {metrics['mel_distance']:.3f}, SI-SDR" in printed
    assert metrics["bitrate_kbps"] == pytest.approx(16 / 32 * 3 * 4, abs=1e-3)
    assert len(metrics["mel_distance_by_depth"]) == 3
    assert metrics["mel_distance_by_depth"][-1] == pytest.approx(metrics["mel_distance"], abs=2e-4)
    assert 0 <= metrics["bitrate_efficiency"] <= 1
    assert metrics["frames"] == 2 * 3 * 4096 // 32
    net, card = load_checkpoint(tmp_path / "run/best.pt")
    assert not any(str(folder) in json.dumps(card) for folder in (tmp_path, corpus_cache))
    assert card["provenance"]["config"]["loss"]["mel"] == 15.0
    whole, _ = net.reconstruct(torch.randn(1, 1, 1000))
    assert whole.shape == (1, 1, 1000)
    header = (tmp_path / "run/history.csv").read_text().splitlines()[0].split(",")
    assert {"loss", "mel", "adversarial", "feature", "commitment", "codebook", "discriminator",
            "val_mel", "val_stft", "val_waveform", "val_si_sdr_db"} <= set(header)  # fmt: skip


@pytest.mark.parametrize("causal", [True, False])
def test_it_learns(write, causal):
    schedule = {"steps": 40, "batch": 3, "epoch_steps": 40, "validation_batches": 2}
    path = write(
        net={**NET, "causal": causal}, loss=WITHOUT, schedule={**schedule, "learning_rate": 0.0005}
    )
    begun = task_of(path)
    before = begun.validate(begun.net.eval())["val_mel"]
    metrics = train_run(
        load_config(path, ConvolutionalCodecConfig), ConvolutionalCodecTask, show=False
    )
    assert metrics["mel_distance"] < 0.75 * before


def test_discriminators_learn_to_tell(write):
    task = task_of(write())
    sound = task.held_out[0]
    fake = 0.3 * torch.randn(sound.shape)
    losses = [task._judge(fake, sound, 1).item() for _ in range(30)]
    assert losses[-1] < 0.9 * losses[0]


def test_each_side_learns_by_its_own_loss(write, monkeypatch):
    """No gradient of the codec after the discriminators' update, and the other way round."""
    task = task_of(write())
    update, seen = ConvolutionalCodecTask._update, []

    def watched(self, loss, net, *rest):
        before = {
            name: [w.detach().clone() for w in part.parameters()]
            for name, part in (("codec", self.net), ("judges", self.discriminators))
        }
        update(self, loss, net, *rest)
        moved = {
            name: any(
                not torch.equal(a, b) for a, b in zip(before[name], part.parameters(), strict=True)
            )
            for name, part in (("codec", self.net), ("judges", self.discriminators))
        }
        seen.append((moved, any(w.grad is not None for w in self.net.parameters())))

    monkeypatch.setattr(ConvolutionalCodecTask, "_update", watched)
    task.step(task._train[0], 1)
    (first, codec_has_gradient), (second, _) = seen
    assert first == {"codec": False, "judges": True}
    assert not codec_has_gradient
    assert second == {"codec": True, "judges": False}


def test_optimisers_are_those_of_the_document(write):
    task = task_of(write(schedule={"steps": 400001, "batch": 3, "epoch_steps": 10}))
    for optimizer in (task.optimizer, task.discriminator_optimizer):
        assert type(optimizer).__name__ == "AdamW"
        assert optimizer.defaults["betas"] == (0.79, 0.91)
        assert optimizer.defaults["lr"] == 1e-4
    batch = task._train[0]
    for number, factor in ((1, 1.0), (250_001, 0.223), (400_001, 0.0907)):
        task.step(batch, number)
        for optimizer in (task.optimizer, task.discriminator_optimizer):
            rate = optimizer.param_groups[0]["lr"]
            assert rate == pytest.approx(1e-4 * factor, rel=0.001)


def test_gradients_are_limited_and_a_bad_batch_changes_nothing(write, monkeypatch):
    task = task_of(write())
    limits = []
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(
        torch.nn.utils,
        "clip_grad_norm_",
        lambda weights, limit: limits.append(limit) or clip(weights, limit),
    )
    task.step(task._train[0], 1)
    assert limits == [10, 1000]
    before = {name: w.clone() for name, w in task.net.state_dict().items()}
    task.step(torch.full((3, 1, 4096), float("nan")), 2)
    for name, weight in task.net.state_dict().items():
        assert torch.equal(weight, before[name])


def assert_equal(found, wanted):
    if torch.is_tensor(wanted):
        assert torch.equal(found, wanted)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in wanted.keys() - {"wall_s", "cpu_s"}:
            assert_equal(found[key], wanted[key])
    elif isinstance(wanted, list):
        for a, b in zip(found, wanted, strict=True):
            assert_equal(a, b)
    else:
        assert found == wanted


def test_a_resumed_run_ends_as_an_unbroken_one(write, tmp_path, killed):
    """Both nets, both optimisers, the random depths of dropout, and the history."""
    whole, broken = (
        load_config(write(folder=str(tmp_path / name)), ConvolutionalCodecConfig)
        for name in ("whole", "broken")
    )
    train_run(whole, ConvolutionalCodecTask, show=False)
    assert killed(
        lambda: train_run(broken, ConvolutionalCodecTask, show=False),
        lambda path: path.name == "last.pt",
    )
    train_run(broken, ConvolutionalCodecTask, resume=True, show=False)
    a, b = (
        torch.load(tmp_path / f"{name}/last.pt", weights_only=True) for name in ("broken", "whole")
    )
    assert b["task"].keys() == {"net", "optimizer", "discriminators", "discriminator_optimizer"}
    assert_equal(a, b)


def test_a_run_may_start_with_the_weights_of_another(write, tmp_path):
    train([write()])
    task = task_of(write(folder=str(tmp_path / "on"), seed=1))
    trained, _ = load_checkpoint(tmp_path / "run/best.pt")
    task.adopt(tmp_path / "run/best.pt")
    for name, weight in trained.state_dict().items():
        assert torch.equal(task.net.state_dict()[name], weight)


def test_without_adversarial_losses_there_are_no_discriminators(write):
    task = task_of(write(loss=WITHOUT))
    assert task.discriminators is None
    assert task.parts.keys() == {"net", "optimizer"}
    assert task.step(task._train[0], 1).keys() == {"loss", "mel", "commitment", "codebook"}


def test_what_does_not_fit_is_refused(write, small_corpus):
    with pytest.raises(ConfigError, match="wants a multiple of its hop, 32"):
        task_of(write(data={"root": str(small_corpus), "excerpt_samples": 4100}))
    with pytest.raises(ConfigError, match=r"net.type 'lstm': not a codec"):
        task_of(write(net={"type": "lstm", "hidden": 4}))
    with pytest.raises(ConfigError, match="net: decoder_rates"):
        task_of(write(net={**NET, "decoder_rates": [8, 8]}))
    for changes, key in (
        ({"schedule": {"steps": 1, "batch": 4}}, "schedule.batch"),
        ({"net": {**NET, "codebooks": 0}}, "net.codebooks"),
        ({"loss": {"mel": -1}}, "loss.mel"),
        ({"discriminators": {"windows": [30]}}, "discriminators.windows"),
    ):
        with pytest.raises(ConfigError, match=f"run.yaml: {key}"):
            load_config(write(**changes), ConvolutionalCodecConfig)


def test_the_small_configuration_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setenv("RTAUDIO_DATA", str(tmp_path))
    path = __file__.rsplit("/tests/", 1)[0] + "/training/configs/convolutional_codec_small.yaml"
    config = load_config(path, ConvolutionalCodecConfig)
    assert config.name == "convolutional_codec_small"
    assert config.data.excerpt_samples == 33 * 512
