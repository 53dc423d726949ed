"""The engine, with the smallest of tasks: how to add one, and what every one gets for free."""

from __future__ import annotations

import json
import signal
from typing import Literal

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from export.exporter import export_model  # noqa: E402
from export.streaming import StreamingModule  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from training.checkpoint import load_checkpoint  # noqa: E402
from training.config import ConfigError, DataSection, RunConfig  # noqa: E402
from training.engine import pick_device, train_run  # noqa: E402
from training.task import Task  # noqa: E402


class Gain(StreamingModule):
    """Multiplies; in training with dropout, whose random state has to survive a resume."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((1, 1, 1), start))

    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        return self.gain * functional.dropout(x, 0.2, self.training), state


# How to add a task: a configuration, and what is done with it.


class HalvingConfig(RunConfig):
    task: Literal["halving"] = "halving"
    data: DataSection = DataSection(root=".")
    epochs: int = 3
    workers: int = 0


class Halving(Task):
    """Learns to halve noise."""

    def __init__(self, config, device):
        self.config, self.arguments = config, {"start": 1.0}
        self.net = Gain(**self.arguments).to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.05)
        self.parts = {"net": self.net, "optimizer": self.optimizer}
        self.epochs, self.steps = config.epochs, 4 * config.epochs

    def describe(self):
        return "noise, to be halved"

    def batches(self, epoch):
        generator = torch.Generator().manual_seed(1000 * self.config.seed + epoch)
        return torch.randn(4, 8, 1, 64, generator=generator)

    def step(self, batch, number):
        loss = (self.net(batch, {})[0] - batch / 2).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach()}

    def validate(self, net):
        return {"val_error": abs(net.gain.item() - 0.5)}

    def rank(self, row):
        return (row["val_error"],)

    def card(self):
        return {"sample_rate": 48000, "levels": {}, "provenance": {"data": "noise"}}

    def metrics(self, row):
        return {"error": row["val_error"]}

    @staticmethod
    def verdict(metrics):
        return f"error {metrics['error']:.3f}"


# And another one, with two optimisers and an average.


class Adversarial(Halving):
    """The same with a discriminator; both learn in one step."""

    average = 0.5

    def __init__(self, config, device):
        super().__init__(config, device)
        self.judge = nn.Linear(64, 1).to(device)
        self.judge_optimizer = torch.optim.SGD(self.judge.parameters(), lr=0.1)
        self.parts |= {"judge": self.judge, "judge_optimizer": self.judge_optimizer}

    def step(self, batch, number):
        made, _ = self.net(batch, {})
        judgement = (self.judge(batch / 2) - self.judge(made.detach())).mean()
        self.judge_optimizer.zero_grad()
        judgement.backward()
        self.judge_optimizer.step()
        made, _ = self.net(batch, {})
        loss = (made - batch / 2).square().mean() + 0.01 * self.judge(made).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.detach(), "judge_loss": judgement.detach()}


@pytest.fixture
def config(tmp_path):
    """`config(folder, **changes)`: the configuration of a run in that folder."""

    def made(folder="run", **changes):
        fields = {"name": "half", "description": "", "license": "MIT", **changes}
        return HalvingConfig(folder=str(tmp_path / folder), **fields)

    return made


def last(config):
    return torch.load(config.run_folder / "last.pt", weights_only=True)


def assert_equal(found, wanted):
    """Equal to the bit, but for the time spent."""
    if torch.is_tensor(wanted):
        assert torch.equal(found, wanted)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in wanted.keys() - {"wall_s", "cpu_s"}:
            assert_equal(found[key], wanted[key])
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            assert_equal(a, b)
    else:
        assert found == wanted


def test_a_new_task_learns_and_its_net_is_exported(config, tmp_path):
    given = config(epochs=30)
    metrics = train_run(given, Halving, show=False)
    assert metrics == json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["error"] < 0.1
    net, card = load_checkpoint(tmp_path / "run/best.pt")
    assert net.gain.item() == pytest.approx(0.5, abs=0.1)
    assert card["metrics"] == {**metrics, "weights": 1}
    export_model(net, card, tmp_path / "half.onnx")
    card = read_model(tmp_path / "half.onnx").card
    assert (card.name, card.provenance["data"]) == ("half", "noise")
    rows = np.genfromtxt(tmp_path / "run/history.csv", delimiter=",", names=True)
    assert rows["step"].tolist() == [4 * (n + 1) for n in range(30)]
    assert rows["loss"][-1] < rows["loss"][0]
    assert np.all(np.diff(rows["wall_s"]) >= 0)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json", "train.log", "history.csv", "last.pt", "best.pt", "metrics.json"
    }  # fmt: skip


def test_a_training_leaves_the_process_as_it_was(config):
    """Subnormal numbers are zero while it runs, and not after it."""
    seen = []

    class Watching(Halving):
        def validate(self, net):
            seen.append((float(torch.tensor(1e-40) * 1), torch.get_num_threads()))
            return super().validate(net)

    threads, given = torch.get_num_threads(), config(epochs=2)
    train_run(given, Watching, show=False)
    assert set(seen) == {(0.0, given.threads)}
    assert float(torch.tensor(1e-40) * 1) > 0.0
    assert torch.get_num_threads() == threads


def test_the_best_epoch_is_kept_the_earlier_of_equals(config, tmp_path, monkeypatch):
    errors = iter([0.5, float("nan"), 0.2, 0.3, 0.2])
    monkeypatch.setattr(Halving, "validate", lambda *_: {"val_error": next(errors)})
    gains = []
    batches = Halving.batches
    monkeypatch.setattr(
        Halving, "batches", lambda task, n: gains.append(task.net.gain.item()) or batches(task, n)
    )
    assert train_run(config(epochs=5), Halving, show=False)["error"] == 0.2
    net, _ = load_checkpoint(tmp_path / "run/best.pt")
    assert net.gain.item() == gains[3]  # as the fourth epoch began


def test_the_average_is_validated_and_kept(config, tmp_path, monkeypatch):
    seen = []
    validate = Halving.validate
    monkeypatch.setattr(
        Halving, "validate", lambda task, net: seen.append(net) or validate(task, net)
    )
    given = config(epochs=1)
    train_run(given, Adversarial, show=False)
    stored = last(given)
    average = stored["average"]["module.gain"]
    assert torch.equal(seen[0].gain, average)
    assert not torch.equal(stored["task"]["net"]["gain"], average)
    assert torch.equal(load_checkpoint(tmp_path / "run/best.pt")[0].gain, average)


@pytest.mark.parametrize("task", [Halving, Adversarial])
def test_a_run_killed_at_any_point_goes_on_bit_for_bit(task, config, killed):
    """After each file that it writes; with dropout, two optimisers, and an average."""
    whole = config("whole")
    train_run(whole, task, show=False)
    writes = 0
    while True:
        parts = config(f"killed-{writes}")
        left = iter(range(writes, -1, -1))
        if not killed(
            lambda parts=parts: train_run(parts, task, show=False),
            lambda path, left=left: next(left) == 0,
        ):
            break
        train_run(parts, task, resume=True, show=False)
        assert_equal(last(parts), last(whole))
        for name in ("net", "arguments", "weights"):
            a, b = (
                torch.load(run.run_folder / "best.pt", weights_only=True) for run in (parts, whole)
            )
            assert_equal(a[name], b[name])
        assert len((parts.run_folder / "history.csv").read_text().splitlines()) == 4
        writes += 1
    assert writes >= 1 + 3 * 2 + 3  # config.json, each epoch, the end


def test_time_goes_on_over_a_resume(config, killed):
    given = config()
    killed(
        lambda: train_run(given, Halving, show=False),
        lambda path: path.name == "last.pt",
    )
    stored = last(given)
    stored["rows"][-1] |= {"wall_s": 600.0, "cpu_s": 300.0}
    torch.save(stored, given.run_folder / "last.pt")
    metrics = train_run(given, Halving, resume=True, show=False)
    assert metrics["wall_minutes"] == pytest.approx(10, abs=1)
    assert metrics["cpu_minutes"] == pytest.approx(5, abs=1)


def test_ctrl_c_says_how_to_go_on_and_it_goes_on(config, monkeypatch, capsys, ctrl_c):
    whole, given = config("whole"), config()
    train_run(whole, Halving, show=False)
    capsys.readouterr()
    before = signal.getsignal(signal.SIGINT)
    step = Halving.step

    def pressed(task, batch, number):
        if number == 7:
            ctrl_c()
        return step(task, batch, number)

    monkeypatch.setattr(Halving, "step", pressed)
    with pytest.raises(KeyboardInterrupt):
        train_run(given, Halving)
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err.count("stopped; go on with --resume\n") == 1
    log = (given.run_folder / "train.log").read_text()
    assert log.splitlines()[-1].endswith("stopped; go on with --resume")
    monkeypatch.undo()
    train_run(given, Halving, resume=True, show=False)
    assert_equal(last(given), last(whole))


def test_threads_and_workers_may_change_and_nothing_else(config):
    given = config()
    train_run(given, Halving, show=False)
    train_run(config(threads=2, workers=3), Halving, resume=True, show=False)
    for key, value in (("seed", 1), ("epochs", 9), ("description", "other"), ("license", "CC0")):
        with pytest.raises(ConfigError, match=f"run: the run was started with another '{key}'; "):
            train_run(config(**{key: value}), Halving, resume=True, show=False)


class OtherConfig(HalvingConfig):
    task: Literal["other"] = "other"  # type: ignore[assignment]


def test_a_folder_that_does_not_suit_is_refused(config, tmp_path):
    given = config()
    with pytest.raises(ConfigError, match=r"last\.pt: no checkpoint to resume from; start without"):
        train_run(given, Halving, resume=True, show=False)
    assert not (tmp_path / "run").exists()
    train_run(given, Halving, show=False)
    with pytest.raises(ConfigError, match="holds a run already; go on with --resume, or start"):
        train_run(given, Halving, show=False)
    other = OtherConfig(**given.model_dump(exclude={"task"}))
    with pytest.raises(ConfigError, match="a run of the task 'halving', not 'other'; choose"):
        train_run(other, Halving, resume=True, show=False)


@pytest.mark.parametrize("content", [b"", b"half a checkp", {"task": 1}, 3])
def test_a_damaged_checkpoint_is_refused(content, config):
    given = config()
    train_run(given, Halving, show=False)
    path = given.run_folder / "last.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ConfigError, match=r"run: last\.pt is damaged, .*start anew$"):
        train_run(given, Halving, resume=True, show=False)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"name": 3}'])
def test_a_damaged_configuration_is_refused(content, config):
    given = config()
    train_run(given, Halving, show=False)
    (given.run_folder / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"run: config\.json is damaged, .*start anew$"):
        train_run(given, Halving, resume=True, show=False)


def test_a_run_of_an_older_version_is_not_overwritten(config):
    given = config()
    train_run(given, Halving, show=False)
    (given.run_folder / "last.pt").rename(given.run_folder / "last.ckpt")
    for resume in (False, True):
        with pytest.raises(ConfigError, match="of an older version"):
            train_run(given, Halving, resume=resume, show=False)


def test_a_loss_that_is_never_a_number_says_so(config, monkeypatch):
    monkeypatch.setattr(Halving, "validate", lambda *_: {"val_error": float("nan")})
    with pytest.raises(ConfigError, match=r"lower schedule\.learning_rate"):
        train_run(config(), Halving, show=False)


def test_without_an_accelerator_it_is_the_processor_and_says_so(config, monkeypatch):
    for kind in (torch.cuda, torch.backends.mps, torch.xpu):
        monkeypatch.setattr(kind, "is_available", lambda: False)
    assert pick_device().type == "cpu"
    with pytest.raises(ConfigError, match="'cuda' is not there; choose auto, or one of: cpu"):
        pick_device("cuda")
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    assert pick_device().type == pick_device("xpu").type == "xpu"
    monkeypatch.setattr(torch.xpu, "is_available", lambda: False)
    given = config(epochs=1)
    train_run(given, Halving, show=False)
    assert "on cpu" in (given.run_folder / "train.log").read_text()
