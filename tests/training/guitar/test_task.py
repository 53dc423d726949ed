"""Whole runs: they learn, they survive a kill, they leave a net that can be exported."""

from __future__ import annotations

import itertools
import json
import signal
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.streaming import StreamingModule  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from training.checkpoint import load_checkpoint, load_weights  # noqa: E402
from training.cli import export  # noqa: E402
from training.config import ConfigError, load_config  # noqa: E402
from training.engine import train_run  # noqa: E402
from training.guitar.config import GuitarConfig, ScheduleConfig  # noqa: E402
from training.guitar.data import Take, load_split  # noqa: E402
from training.guitar.excerpts import excerpts  # noqa: E402
from training.guitar.scores import scores  # noqa: E402
from training.guitar.seeds import train_seeds  # noqa: E402
from training.guitar.task import AmpTask, make_net  # noqa: E402

plain = pytest.mark.usefixtures("no_pictures")


def test_a_run_learns_and_can_be_exported(workspace):
    folder = workspace.folder / "run"
    workspace.section("schedule", epochs=12)
    metrics = train_run(load_config(workspace.path, GuitarConfig), AmpTask, show=False)

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


def weights(folder):
    return torch.load(folder / "last.pt", weights_only=True)["task"]["net"]


@plain
def test_a_killed_run_goes_on_as_if_nothing_had_been(workspace, monkeypatch):
    whole = workspace.rewrite(folder=str(workspace.folder / "whole"))
    train_run(load_config(whole, GuitarConfig), AmpTask, show=False)

    class Killed(Exception):
        pass

    parts = load_config(workspace.rewrite(folder=str(workspace.folder / "parts")), GuitarConfig)
    batches = AmpTask.batches

    def die(task, epoch):
        if epoch == 2:
            raise Killed
        return batches(task, epoch)

    monkeypatch.setattr(AmpTask, "batches", die)
    with pytest.raises(Killed):
        train_run(parts, AmpTask, show=False)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(workspace.folder / "cache"))
    train_run(parts, AmpTask, resume=True, show=False)

    for name, tensor in weights(workspace.folder / "whole").items():
        torch.testing.assert_close(
            weights(workspace.folder / "parts")[name], tensor, rtol=0, atol=0
        )
    histories = [
        np.genfromtxt(workspace.folder / run / "history.csv", delimiter=",", names=True)
        for run in ("whole", "parts")
    ]
    for column in ("epoch", "loss", "val_esr", "learning_rate"):
        np.testing.assert_array_equal(histories[0][column], histories[1][column])


@plain
def test_an_interrupted_run_says_how_to_go_on(workspace, monkeypatch):
    def interrupt(task, batch, number):
        raise KeyboardInterrupt

    monkeypatch.setattr(AmpTask, "step", interrupt)
    config = load_config(workspace.path, GuitarConfig)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_run(config, AmpTask, show=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert "go on with --resume" in (config.run_folder / "train.log").read_text()


@plain
def test_silence_stays_silent_after_training(workspace):
    train_run(load_config(workspace.path, GuitarConfig), AmpTask, show=False)
    net, _ = load_checkpoint(workspace.folder / "run" / "best.pt")
    y, state = net(torch.zeros(1, 1, 500), net.initial_state())
    assert not y.any()
    assert not any(value.any() for value in state.values())


@plain
def test_a_run_never_overwrites_another(workspace):
    config = load_config(workspace.section("schedule", epochs=1), GuitarConfig)
    with pytest.raises(ConfigError, match="no checkpoint to resume from"):
        train_run(config, AmpTask, resume=True, show=False)
    first = train_run(config, AmpTask, show=False)
    with pytest.raises(ConfigError, match="holds a run already"):
        train_run(config, AmpTask, show=False)
    with pytest.raises(ConfigError, match="holds a run of one seed"):
        train_seeds(config, 2, show=False)
    again = train_run(config, AmpTask, resume=True, show=False)
    assert again["esr"] == first["esr"]
    other = load_config(workspace.section("net", hidden=5), GuitarConfig)
    with pytest.raises(ConfigError, match="another 'net'"):
        train_run(other, AmpTask, resume=True, show=False)
    (config.run_folder / "last.pt").write_bytes(b"half a checkp")
    with pytest.raises(ConfigError, match="damaged"):
        train_run(config, AmpTask, resume=True, show=False)


@plain
def test_a_run_that_never_finds_a_number_says_so(workspace, monkeypatch):
    monkeypatch.setattr("training.guitar.task.scores", lambda net, takes: {"three": float("nan")})
    with pytest.raises(ConfigError, match=r"lower schedule\.learning_rate"):
        train_run(
            load_config(workspace.section("schedule", epochs=1), GuitarConfig), AmpTask, show=False
        )


@pytest.mark.parametrize("shape", ["cosine", "constant"])
def test_the_learning_rate_follows_its_shape(shape, workspace):
    config = load_config(workspace.section("schedule", shape=shape, epochs=3), GuitarConfig)
    task = AmpTask(config, torch.device("cpu"))
    optimizer, scheduler = task.optimizer, task.scheduler
    updates = 3 * len(excerpts(task.split.train, config.schedule, seed=0, epoch=0)) * 8
    rates = []
    for _ in range(updates + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    progress = np.arange(updates + 1) / updates
    wanted = 0.02 * {"cosine": 0.5 * (1 + np.cos(np.pi * progress)), "constant": 1.0}[shape]
    np.testing.assert_allclose(rates, np.broadcast_to(wanted, len(rates)), atol=1e-9)


def test_the_default_rate_is_the_best_of_the_study():
    assert ScheduleConfig.model_fields["learning_rate"].default == 0.004


def test_validation_changes_nothing(workspace):
    config = load_config(workspace.path, GuitarConfig)
    split = load_split(config.data)
    net = make_net(config)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    first = scores(net, split.validation)
    assert scores(net, split.validation) == first
    assert net.training
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_scores_are_the_formula_whatever_the_grouping():
    class Half(StreamingModule):
        weight = torch.nn.Parameter(torch.zeros(1))

        def initial_state(self, batch=1):
            return {}

        def forward(self, x, state):
            return 0.5 * x, state

        def parameters(self, recurse=True):
            yield self.weight

    generator = np.random.default_rng(0)
    waves = generator.standard_normal((3, 2, 40_000)).astype(np.float32)
    takes = (
        Take("a", *waves[0]),
        Take("a", *waves[1], skip_samples=100),
        Take("b", *waves[2][:, :33_000]),
    )
    found = scores(Half(), takes)
    error = sum(((0.5 * t.dry - t.wet)[t.skip_samples :] ** 2).sum() for t in takes[:2])
    signal = sum((t.wet[t.skip_samples :] ** 2).sum() for t in takes[:2])
    assert found["a"] == pytest.approx(error / signal, rel=1e-5)
    assert set(found) == {"a", "b"}


@plain
def test_a_plateau_ends_the_run_and_the_best_nets_stay(workspace, monkeypatch):
    esr = itertools.chain([0.5, 0.3, 0.4, 0.35, 0.6], itertools.repeat(0.9))
    monkeypatch.setattr("training.guitar.task.scores", lambda net, takes: {"three": next(esr)})
    config = load_config(
        workspace.section("schedule", epochs=7, patience_epochs=3, keep_best=2), GuitarConfig
    )
    train_run(config, AmpTask, show=False)
    folder = workspace.folder / "run"
    rows = np.genfromtxt(folder / "history.csv", delimiter=",", names=True)
    assert len(rows) == 5
    assert sorted(p.name for p in folder.glob("epoch-*.pt")) == ["epoch-001.pt", "epoch-003.pt"]
    assert load_checkpoint(folder / "best.pt")[1]["metrics"]["epoch"] == 1
    train_run(config, AmpTask, resume=True, show=False)
    assert len(np.genfromtxt(folder / "history.csv", delimiter=",", names=True)) == 5


@plain
def test_a_run_starts_from_trained_weights(workspace):
    config = load_config(workspace.section("schedule", epochs=1), GuitarConfig)
    train_run(config, AmpTask, show=False)
    best = workspace.folder / "run" / "best.pt"
    again = load_config(workspace.rewrite(folder=str(workspace.folder / "again")), GuitarConfig)
    net = make_net(again)
    load_weights(net, best)
    trained, _ = load_checkpoint(best)
    x = torch.randn(1, 1, 100)
    torch.testing.assert_close(
        net(x, net.initial_state())[0], trained(x, net.initial_state())[0], rtol=0, atol=0
    )
    for changes, reason in (({"hidden": 5}, "its sizes are not"), ({"type": "gru"}, "a LstmAmp")):
        other = load_config(workspace.section("net", **changes), GuitarConfig)
        with pytest.raises(ConfigError, match=reason):
            train_run(other, AmpTask, start=best, show=False)


@plain
def test_of_several_seeds_the_best_is_kept(workspace):
    config = load_config(workspace.section("schedule", epochs=1), GuitarConfig)
    metrics = train_seeds(config, 2, show=False)
    folder = workspace.folder / "run"
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert set(metrics["seeds"]) == {"0", "1"}
    best = min(metrics["seeds"], key=metrics["seeds"].get)
    assert metrics["esr"]["validation"]["three"] == metrics["seeds"][best]
    assert (folder / "best.pt").read_bytes() == (folder / f"seed-{best}" / "best.pt").read_bytes()
    assert train_seeds(config, 2, resume=True, show=False)["seeds"] == metrics["seeds"]


@plain
@pytest.mark.parametrize(
    "net",
    [
        {"type": "gru", "hidden": 4},
        {"type": "lstm", "hidden": 4, "conditioning": "film"},
        {"type": "wavenet", "size": "nano"},
    ],
)
def test_a_net_with_a_knob_is_trained_and_exported(net, workspace):
    workspace.section(
        "data",
        teacher="training.guitar.circuit:overdrive",
        knobs={"gain": [0, 1]},
        test_knobs={"gain": [0.4]},
    )
    workspace.section("schedule", epochs=1, truncate_samples=None, warmup_samples=256)
    config = load_config(workspace.rewrite(net=net), GuitarConfig)
    metrics = train_run(config, AmpTask, show=False)
    assert set(metrics["esr"]["test"]) == {"four gain=0", "four gain=1", "four gain=0.4"}
    export(workspace.folder / "run" / "best.pt", workspace.folder / "knob.onnx")
    (knob,) = read_model(workspace.folder / "knob.onnx").card.parameters
    assert (knob.name, knob.min, knob.max) == ("gain", 0, 1)


def test_a_net_without_knobs_refuses_them(workspace):
    config = load_config(
        workspace.rewrite(net={"type": "training.models:LstmAmp", "hidden": 2}), GuitarConfig
    )
    assert type(make_net(config)).__name__ == "LstmAmp"
    workspace.rewrite(net={"type": f"{__name__}:Wire"})
    sys.modules.setdefault(__name__, types.SimpleNamespace(Wire=Wire))
    with pytest.raises(ConfigError, match="takes no knobs"):
        make_net(load_config(workspace.path, GuitarConfig), [{"name": "gain", "min": 0, "max": 1}])


class Wire(StreamingModule):
    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        return x, state


@plain
@pytest.mark.parametrize("after", ["best.pt", "history.csv", "last.pt"])
def test_a_run_killed_at_a_bad_moment_goes_on_bit_for_bit(after, workspace, killed):
    """Between the history of an epoch and its checkpoint, the two disagree."""
    whole = load_config(workspace.section("schedule", epochs=3), GuitarConfig)
    train_run(whole, AmpTask, show=False)
    parts = load_config(workspace.rewrite(folder=str(workspace.folder / "parts")), GuitarConfig)
    last = parts.run_folder / "last.pt"
    assert killed(
        lambda: train_run(parts, AmpTask, show=False),
        lambda target: target.name == after and last.exists(),
    )
    train_run(parts, AmpTask, resume=True, show=False)
    for name, value in weights(workspace.folder / "run").items():
        torch.testing.assert_close(weights(workspace.folder / "parts")[name], value, rtol=0, atol=0)
    assert len((workspace.folder / "parts" / "history.csv").read_text().splitlines()) == 4


@plain
def test_a_run_killed_before_its_first_checkpoint_begins_anew(workspace):
    config = load_config(workspace.section("schedule", epochs=1), GuitarConfig)
    train_run(config, AmpTask, show=False)
    first = weights(workspace.folder / "run")
    (workspace.folder / "run" / "last.pt").unlink()
    train_run(config, AmpTask, resume=True, show=False)
    for name, value in weights(workspace.folder / "run").items():
        torch.testing.assert_close(value, first[name], rtol=0, atol=0)
