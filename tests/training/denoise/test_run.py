"""A denoiser's run on a tiny corpus: it learns, resumes to the bit, exports, and refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import yaml

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from training.checkpoint import load_checkpoint  # noqa: E402
from training.config import ConfigError  # noqa: E402
from training.denoise.config import load_denoise_config  # noqa: E402
from training.denoise.losses import DenoiseLoss  # noqa: E402
from training.denoise.mixture import Mixture  # noqa: E402
from training.denoise.run import _step, _validation, denoise_run, validate  # noqa: E402
from training.models import net_class  # noqa: E402


@pytest.fixture
def write(tmp_path, small_corpus, corpus_cache, monkeypatch):
    monkeypatch.delenv("RTAUDIO_DATA", raising=False)
    torch.set_num_threads(1)

    def written(**changes):
        content = {
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
                "excerpt_samples": 19200,
                "rooms": 4,
            },
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
        path = tmp_path / "run.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return written


def test_a_run_can_be_exported(write, tmp_path, corpus_cache):
    config = load_denoise_config(write())
    metrics = denoise_run(config, show=False)
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
    config = load_denoise_config(write(schedule=schedule, loss={"spectrum": 1.0}))
    torch.manual_seed(config.seed)
    begun = net_class("denoiser")(**config.net.arguments)
    before = validate(
        begun, list(_validation(config)), config, torch.device("cpu"), DenoiseLoss(config.loss)
    )
    metrics = denoise_run(config, show=False)
    assert metrics["validation_loss"] < 0.99 * before["val_loss"]


def test_a_resumed_run_ends_as_an_unbroken_one(write, tmp_path, monkeypatch):
    whole = load_denoise_config(write(folder=str(tmp_path / "whole")))
    broken = load_denoise_config(write(folder=str(tmp_path / "broken")))
    denoise_run(whole, show=False)

    from training.denoise import run

    keep = run._keep

    def killed(*arguments):
        keep(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_keep", killed)
    with pytest.raises(KeyboardInterrupt):
        denoise_run(broken, show=False)
    monkeypatch.setattr(run, "_keep", keep)
    denoise_run(broken, resume=True, show=False)
    a, b = (
        torch.load(tmp_path / f"{name}/last.pt", weights_only=True) for name in ("whole", "broken")
    )
    for name, weights in a["net"].items():
        torch.testing.assert_close(weights, b["net"][name], rtol=0, atol=0)


def test_folders_and_keys_are_checked(write, tmp_path):
    for samples in (19201, 2400):
        data = {"root": str(tmp_path), "excerpt_samples": samples}
        with pytest.raises(ConfigError, match=r"a multiple of its hop, 480, and at least 3360$"):
            denoise_run(load_denoise_config(write(data=data)), show=False)
    config = load_denoise_config(write())
    with pytest.raises(ConfigError, match="start without --resume"):
        denoise_run(config, resume=True, show=False)
    denoise_run(config, show=False)
    with pytest.raises(ConfigError, match="holds a run already"):
        denoise_run(config, show=False)
    with pytest.raises(ConfigError, match="another 'loss'"):
        denoise_run(load_denoise_config(write(loss={"l1": 1.0})), resume=True, show=False)
    with pytest.raises(ConfigError, match="unknown term 'l3'"):
        load_denoise_config(write(loss={"l3": 1.0}))
    for data in (None, 5, "x", [], [{"root": "."}]):
        with pytest.raises(ConfigError, match=r"run.yaml: data"):
            load_denoise_config(write(data=data))
    with pytest.raises(ConfigError, match="does not exist"):
        load_denoise_config(write(data={"root": "nowhere", "excerpt_samples": 4800}))


def test_a_start_is_remembered_and_may_look_further_ahead(write, tmp_path):
    denoise_run(load_denoise_config(write()), show=False)
    net = {"type": "denoiser", "channels": [4, 4, 4], "hidden": 8}
    config = load_denoise_config(write(folder=str(tmp_path / "on"), net={**net, "look_ahead": 0}))
    denoise_run(config, start=tmp_path / "run/best.pt", show=False)
    trained, card = load_checkpoint(tmp_path / "on/best.pt")
    assert trained.latency_samples == 480
    assert card["provenance"]["config"]["start"]["config"]["net"] == net
    wrong = load_denoise_config(write(folder=str(tmp_path / "no"), net={**net, "hidden": 16}))
    with pytest.raises(ConfigError, match="its sizes are not those of the run"):
        denoise_run(wrong, start=tmp_path / "run/best.pt", show=False)


def test_pairs_of_ones_own_train_too(write, tmp_path):
    for part in ("noisy", "clean"):
        (tmp_path / part).mkdir()
        sound = 0.1 * np.random.default_rng(0).standard_normal(24000)
        soundfile.write(tmp_path / part / "one.wav", sound, 48000)
    folders = {"noisy": "noisy", "clean": "clean"}
    config = load_denoise_config(
        write(
            data={
                "root": str(tmp_path),
                "train": folders,
                "validation": folders,
                "excerpt_samples": 19200,
            }
        )
    )
    denoise_run(config, show=False)
    _, card = load_checkpoint(tmp_path / "run/best.pt")
    assert card["provenance"]["data"]["train"] == folders
    with pytest.raises(ConfigError, match=r"run.yaml: data.train.noisy: Field required"):
        load_denoise_config(
            write(data={"root": ".", "train": {}, "validation": folders, "excerpt_samples": 19200})
        )
    with pytest.raises(ConfigError, match=r"run.yaml: data.snr_db"):
        load_denoise_config(write(data={"root": ".", "snr_db": [3, "x"], "excerpt_samples": 4800}))


def test_one_bad_batch_spoils_nothing(write):
    config = load_denoise_config(write())
    net = net_class("denoiser")(**config.net.arguments)
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    noisy = torch.full((2, 1, 19200), torch.nan)
    batch = Mixture(noisy, noisy, torch.tensor([24000.0, 24000.0]), torch.zeros(2))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    _step(net, optimizer, batch, config, DenoiseLoss(config.loss))
    for name, weight in net.named_parameters():
        torch.testing.assert_close(weight.detach(), before[name], rtol=0, atol=0)
