"""Whole runs: they learn, they survive a kill, they leave a net that can be exported."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
pytest.importorskip("lightning", reason="lightning is not installed (extra: train)")

from export.checkpoint import load_checkpoint  # noqa: E402
from export.cli import export  # noqa: E402
from rtaudio.models.contract import read_model  # noqa: E402
from training.cli import train  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.losses import effect_loss, error_to_signal  # noqa: E402
from training.run import train_run  # noqa: E402
from training.task import AmpTask  # noqa: E402


def test_a_run_learns_and_can_be_exported(workspace):
    folder = workspace.folder / "run"
    workspace.section("schedule", epochs=12)
    metrics = train_run(load_config(workspace.path), show=False)

    rows = np.genfromtxt(folder / "history.csv", delimiter=",", names=True)
    assert len(rows) == 12
    assert rows["loss"][-1] < 0.5 * rows["loss"][0]
    assert metrics == json.loads((folder / "metrics.json").read_text())
    assert set(metrics["esr"]["validation"]) == {"three"}
    assert set(metrics["esr"]["test"]) == {"four"}
    for name in ("loss", "waveform", "spectrogram"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    export(folder / "best.pt", workspace.folder / "tanh.onnx")
    card = read_model(workspace.folder / "tanh.onnx").card
    assert card.metrics["esr"] == metrics["esr"]
    assert card.provenance["data"]["train"] == ["one", "two"]
    assert card.provenance["teacher"]["teacher"] == "tanh.nam"
    assert not {p.name for p in folder.iterdir() if p.name.startswith(".")}


def test_the_verb_prints_scores_and_the_next_step(workspace, capsys):
    train(workspace.section("schedule", epochs=1))
    printed = capsys.readouterr().out
    assert '"esr_mean"' in printed
    assert f"rtaudio export {workspace.folder / 'run' / 'best.pt'} tanh.onnx" in printed


def weights(folder):
    content = torch.load(folder / "last.ckpt", weights_only=True)
    return content["state_dict"]


def test_a_killed_run_goes_on_as_if_nothing_had_been(workspace, monkeypatch):
    whole = workspace.rewrite(folder=str(workspace.folder / "whole"))
    train_run(load_config(whole), show=False)

    class Killed(Exception):
        pass

    parts = load_config(workspace.rewrite(folder=str(workspace.folder / "parts")))
    step = AmpTask.training_step

    def die(task, batch, index):
        if task.current_epoch == 2:
            raise Killed
        return step(task, batch, index)

    monkeypatch.setattr(AmpTask, "training_step", die)
    with pytest.raises(Killed):
        train_run(parts, show=False)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace.folder / "cache"))
    train_run(parts, resume=True, show=False)

    for name, tensor in weights(workspace.folder / "whole").items():
        torch.testing.assert_close(
            weights(workspace.folder / "parts")[name], tensor, rtol=0, atol=0)
    histories = [
        np.genfromtxt(workspace.folder / run / "history.csv", delimiter=",", names=True)
        for run in ("whole", "parts")
    ]
    for column in ("epoch", "loss", "val_esr", "learning_rate"):
        np.testing.assert_array_equal(histories[0][column], histories[1][column])


def test_silence_stays_silent_after_training(workspace):
    train_run(load_config(workspace.path), show=False)
    net, _ = load_checkpoint(workspace.folder / "run" / "best.pt")
    y, state = net(torch.zeros(1, 1, 500), net.initial_state())
    assert not y.any()
    assert not any(value.any() for value in state.values())


def test_a_run_never_overwrites_another(workspace):
    config = load_config(workspace.section("schedule", epochs=1))
    with pytest.raises(ConfigError, match="no checkpoint to resume from"):
        train_run(config, resume=True, show=False)
    first = train_run(config, show=False)
    with pytest.raises(ConfigError, match="holds a run already"):
        train_run(config, show=False)
    again = train_run(config, resume=True, show=False)
    assert again["esr"] == first["esr"]
    other = load_config(workspace.section("net", hidden=5))
    with pytest.raises(ConfigError, match="another 'net'"):
        train_run(other, resume=True, show=False)
    (config.run_folder / "last.ckpt").write_bytes(b"half a checkp")
    with pytest.raises(ConfigError, match="damaged"):
        train_run(config, resume=True, show=False)


def test_a_run_that_never_finds_a_number_says_so(workspace, monkeypatch):
    monkeypatch.setattr("training.task.scores", lambda net, takes: {"three": float("nan")})
    with pytest.raises(ConfigError, match=r"lower schedule\.learning_rate"):
        train_run(load_config(workspace.section("schedule", epochs=1)), show=False)


def test_the_learning_rate_follows_the_cosine(workspace):
    train_run(load_config(workspace.path), show=False)
    rows = np.genfromtxt(workspace.folder / "run" / "history.csv", delimiter=",", names=True)
    wanted = 0.02 * 0.5 * (1 + np.cos(np.pi * np.arange(1, 5) / 4))
    np.testing.assert_allclose(rows["learning_rate"], wanted, atol=0.002)


def test_the_loss_is_the_formula():
    generator = np.random.default_rng(0)
    y, t = generator.standard_normal((2, 3, 1, 50))
    sharp = lambda v: v[..., 1:] - 0.85 * v[..., :-1]  # noqa: E731

    def ratio(error, energy):
        return np.mean(error / (energy + 0.1 * energy.mean() + 1e-8))

    wanted = 0.75 * ratio((sharp(y - t) ** 2).mean(-1), (sharp(t) ** 2).mean(-1)) + 0.25 * ratio(
        (y - t).mean(-1) ** 2, (t**2).mean(-1))
    weights = {"esr": 0.75, "dc": 0.25}
    assert float(effect_loss(torch.tensor(y), torch.tensor(t), weights)) == pytest.approx(wanted)
    esr = error_to_signal(torch.tensor(y), torch.tensor(t)).numpy()
    np.testing.assert_allclose(esr, ((y - t) ** 2).sum(-1) / (t**2).sum(-1))
