"""A denoiser's run on a tiny corpus: it learns, resumes to the bit, exports, and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from training.average import average  # noqa: E402
from training.checkpoint import load_checkpoint  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.denoise.config import DenoiseConfig  # noqa: E402
from training.denoise.mixture import Mixture  # noqa: E402
from training.denoise.task import DenoiseTask  # noqa: E402
from training.engine import train_run  # noqa: E402


@pytest.fixture
def write(small_mixtures, write_run):
    torch.set_num_threads(1)

    def written(**changes):
        content = {
            "task": "denoise",
            "source": "noise",
            "workers": 0,
            "data": small_mixtures,
            "net": {"type": "denoiser", "channels": [4, 4, 4], "hidden": 8},
            "loss": {"spectrum": 1.0, "si_sdr": 0.5},
            "schedule": {
                "steps": 6,
                "batch": 2,
                "warmup_steps": 2,
                "epoch_steps": 3,
                "validation_mixtures": 2,
                "learning_rate": 0.01,
            },
            **changes,
        }
        return write_run(**content)

    return written


def test_a_run_can_be_exported(write, tmp_path, corpus_cache):
    config = load_config(write(), DenoiseConfig)
    metrics = train_run(config, DenoiseTask, show=False)
    assert metrics == json.loads((tmp_path / "run/metrics.json").read_text())
    rows = (tmp_path / "run/history.csv").read_text().splitlines()
    assert len(rows) == 3
    net, card = load_checkpoint(tmp_path / "run/best.pt")
    assert not any(str(folder) in json.dumps(card) for folder in (tmp_path, corpus_cache))
    export_model(net, card, tmp_path / "tiny.onnx")


def test_it_learns(write, tmp_path):
    """Better than the net it began with, on mixtures it does not train on."""
    schedule = {
        "steps": 25,
        "batch": 2,
        "warmup_steps": 2,
        "epoch_steps": 5,
        "average": 0.5,
        "validation_mixtures": 4,
        "learning_rate": 0.01,
    }
    config = load_config(write(schedule=schedule, loss={"spectrum": 1.0}), DenoiseConfig)
    torch.manual_seed(config.seed)
    begun = DenoiseTask(config, torch.device("cpu"))
    before = begun.validate(begun.net)
    metrics = train_run(config, DenoiseTask, show=False)
    assert metrics["validation_loss"] < 0.99 * before["val_loss"]


def test_a_resumed_run_ends_as_an_unbroken_one(write, tmp_path, killed):
    whole = load_config(write(folder=str(tmp_path / "whole")), DenoiseConfig)
    broken = load_config(write(folder=str(tmp_path / "broken")), DenoiseConfig)
    train_run(whole, DenoiseTask, show=False)

    assert killed(
        lambda: train_run(broken, DenoiseTask, show=False), lambda path: path.name == "last.pt"
    )
    train_run(broken, DenoiseTask, resume=True, show=False)
    a, b = (
        torch.load(tmp_path / f"{name}/last.pt", weights_only=True) for name in ("whole", "broken")
    )
    for name, weights in a["task"]["net"].items():
        torch.testing.assert_close(weights, b["task"]["net"][name], rtol=0, atol=0)
    for name, weights in a["average"].items():
        torch.testing.assert_close(weights, b["average"][name], rtol=0, atol=0)


def test_folders_and_keys_are_checked(write, tmp_path):
    for samples in (19201, 2400):
        data = {"root": str(tmp_path), "excerpt_samples": samples}
        with pytest.raises(ConfigError, match=r"a multiple of its hop, 480, and at least 3360$"):
            train_run(load_config(write(data=data), DenoiseConfig), DenoiseTask, show=False)
    config = load_config(write(), DenoiseConfig)
    with pytest.raises(ConfigError, match="start without --resume"):
        train_run(config, DenoiseTask, resume=True, show=False)
    train_run(config, DenoiseTask, show=False)
    with pytest.raises(ConfigError, match="holds a run already"):
        train_run(config, DenoiseTask, show=False)
    with pytest.raises(ConfigError, match="another 'loss'"):
        train_run(
            load_config(write(loss={"l1": 1.0}), DenoiseConfig),
            DenoiseTask,
            resume=True,
            show=False,
        )
    with pytest.raises(ConfigError, match="unknown term 'l3'"):
        load_config(write(loss={"l3": 1.0}), DenoiseConfig)
    for data in (None, 5, "x", [], [{"root": "."}]):
        with pytest.raises(ConfigError, match=r"run.yaml: data"):
            load_config(write(data=data), DenoiseConfig)
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(write(data={"root": "nowhere", "excerpt_samples": 4800}), DenoiseConfig)


def test_a_start_is_remembered_and_may_look_further_ahead(write, tmp_path):
    train_run(load_config(write(), DenoiseConfig), DenoiseTask, show=False)
    net = {"type": "denoiser", "channels": [4, 4, 4], "hidden": 8}
    config = load_config(
        write(folder=str(tmp_path / "on"), net={**net, "look_ahead": 0}), DenoiseConfig
    )
    train_run(config, DenoiseTask, start=tmp_path / "run/best.pt", show=False)
    trained, card = load_checkpoint(tmp_path / "on/best.pt")
    assert trained.latency_samples == 480
    assert card["provenance"]["config"]["start"]["config"]["net"] == net
    wrong = load_config(
        write(folder=str(tmp_path / "no"), net={**net, "hidden": 16}), DenoiseConfig
    )
    with pytest.raises(ConfigError, match="its sizes are not those of the run"):
        train_run(wrong, DenoiseTask, start=tmp_path / "run/best.pt", show=False)


def test_pairs_of_ones_own_train_too(write, tmp_path):
    for part in ("noisy", "clean"):
        (tmp_path / part).mkdir()
        sound = 0.1 * np.random.default_rng(0).standard_normal(24000)
        soundfile.write(tmp_path / part / "one.wav", sound, 48000)
    folders = {"noisy": "noisy", "clean": "clean"}
    config = load_config(
        write(
            data={
                "root": str(tmp_path),
                "train": folders,
                "validation": folders,
                "excerpt_samples": 19200,
            }
        ),
        DenoiseConfig,
    )
    train_run(config, DenoiseTask, show=False)
    _, card = load_checkpoint(tmp_path / "run/best.pt")
    assert card["provenance"]["data"]["train"] == folders
    with pytest.raises(ConfigError, match=r"run.yaml: data.train.noisy: Field required"):
        load_config(
            write(data={"root": ".", "train": {}, "validation": folders, "excerpt_samples": 19200}),
            DenoiseConfig,
        )
    with pytest.raises(ConfigError, match=r"run.yaml: data.snr_db"):
        load_config(
            write(data={"root": ".", "snr_db": [3, "x"], "excerpt_samples": 4800}), DenoiseConfig
        )


def test_one_bad_batch_spoils_nothing(write):
    config = load_config(write(), DenoiseConfig)
    task = DenoiseTask(config, torch.device("cpu"))
    before = {name: weight.detach().clone() for name, weight in task.net.named_parameters()}
    noisy = torch.full((2, 1, 19200), torch.nan)
    batch = Mixture(noisy, noisy, torch.tensor([24000.0, 24000.0]), torch.zeros(2))
    task.step(batch, 1)
    for name, weight in task.net.named_parameters():
        torch.testing.assert_close(weight.detach(), before[name], rtol=0, atol=0)


def test_half_the_precision_gives_nearly_the_same_step(write):
    losses = {}
    for precision in ("float32", "bfloat16"):
        schedule = {"steps": 1, "batch": 2, "validation_mixtures": 4, "precision": precision}
        config = load_config(write(schedule=schedule), DenoiseConfig)
        torch.manual_seed(0)
        task = DenoiseTask(config, torch.device("cpu"))
        losses[precision] = float(task.step(next(iter(task.batches(0))), 1)["loss"])
        assert {p.dtype for p in task.net.parameters()} == {torch.float32}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["bfloat16"] != losses["float32"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_net_of_gains_learns_with_its_optimizer_and_its_loss(write, tmp_path, precision):
    schedule = {
        "precision": precision,
        "steps": 12,
        "batch": 2,
        "warmup_steps": 2,
        "epoch_steps": 4,
        "average": 0.5,
        "validation_mixtures": 4,
        "optimizer": "muon",
        "learning_rate": 0.01,
    }
    loss = {"spectrum": 3.0, "disturbance": 0.3}
    net = {"type": "fine-denoiser", "channels": [4, 4, 4], "hidden": 8}
    config = load_config(write(schedule=schedule, loss=loss, net=net), DenoiseConfig)
    torch.manual_seed(config.seed)
    begun = DenoiseTask(config, torch.device("cpu"))
    before = begun.validate(begun.net)
    metrics = train_run(config, DenoiseTask, show=False)
    assert metrics["validation_loss"] < 0.97 * before["val_loss"]
    net, card = load_checkpoint(tmp_path / "run/best.pt")
    assert card["provenance"]["config"]["schedule"]["precision"] == precision
    export_model(net, card, tmp_path / "tiny.onnx")


def test_the_room_is_learnt_on_top_of_a_denoiser_that_stays(write, small_mixtures, tmp_path):
    sizes = {"channels": [4, 4, 4], "hidden": 8}
    run = {"schedule": {"steps": 4, "batch": 4, "epoch_steps": 4, "validation_mixtures": 4}}
    first = write(net={"type": "fine-denoiser", **sizes}, loss={"spectrum": 1}, **run)
    train_run(load_config(first, DenoiseConfig), DenoiseTask, show=False)
    start = (tmp_path / "run").rename(tmp_path / "denoiser") / "best.pt"
    rooms = {**small_mixtures, "room": 1, "rooms": 2, "room_kept": 0.5}
    second = write(net={"type": "room-denoiser", **sizes}, loss={"spectrum": 1}, data=rooms, **run)
    train_run(load_config(second, DenoiseConfig), DenoiseTask, start=start, show=False)
    denoiser, _ = load_checkpoint(start)
    net, card = load_checkpoint(tmp_path / "run/best.pt")
    assert card["provenance"]["config"]["start"]["config"]["net"]["type"] == "fine-denoiser"
    x = torch.randn(1, 1, 9600)
    with torch.no_grad():
        wanted, _ = denoiser(x, denoiser.initial_state())
        low, middle, high = (
            net(x, net.initial_state(), torch.tensor([[percent]]))[0]
            for percent in (0.0, 50.0, 100.0)
        )
    torch.testing.assert_close(middle, wanted, rtol=0, atol=1e-5)
    assert low.square().sum() > middle.square().sum() > high.square().sum()
    export_model(net, card, tmp_path / "room.onnx")


def test_who_starts_with_a_mean_tells_all_its_runs(write, tmp_path):
    net = {"type": "fine-denoiser", "channels": [4, 4, 4], "hidden": 8}
    run = {"schedule": {"steps": 1, "batch": 1, "epoch_steps": 1, "validation_mixtures": 1}}
    for seed in (1, 2):
        config = load_config(write(net=net, seed=seed, **run), DenoiseConfig)
        train_run(config, DenoiseTask, show=False)
        (tmp_path / "run").rename(tmp_path / f"run{seed}")
    mean = tmp_path / "mean.pt"
    average(mean, [tmp_path / f"run{seed}" / "best.pt" for seed in (1, 2)])
    task = DenoiseTask(load_config(write(net=net, **run), DenoiseConfig), torch.device("cpu"))
    task.adopt(mean)
    assert task.lineage
    assert [each["seed"] for each in task.lineage["config"]["mean_of"]] == [1, 2]


def test_a_room_on_top_of_another_denoiser_is_refused(write, tmp_path):
    net = {"type": "fine-denoiser", "channels": [4, 4, 4], "hidden": 8}
    schedule = {"steps": 1, "batch": 1, "epoch_steps": 1, "validation_mixtures": 1}
    config = load_config(write(schedule=schedule, net=net), DenoiseConfig)
    train_run(config, DenoiseTask, show=False)
    other = write(schedule=schedule, net=net | {"type": "room-denoiser", "hidden": 16})
    task = DenoiseTask(load_config(other, DenoiseConfig), torch.device("cpu"))
    with pytest.raises(ConfigError, match="its sizes are not those of the run"):
        task.adopt(tmp_path / "run/best.pt")
