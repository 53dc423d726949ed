"""The one loop of every training: epochs, checkpoints, history, resume, averaging, progress."""

from __future__ import annotations

import datetime
import math
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rtaudio import __version__
from rtaudio.view.terminal import progress
from training.checkpoint import read_plain, save_checkpoint
from training.config import ConfigError, RunConfig
from training.run_folder import LOG, SAID, RunFolder
from training.task import Row, Task

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["pick_device", "train_run"]

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)


def train_run(
    config: AnyConfig,
    make_task: Callable[[AnyConfig, torch.device], Task],
    *,
    resume: bool = False,
    device: str = "auto",
    start: Path | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Train, keep the best net by validation, and score it.

    Parameters
    ----------
    config
        The run.
    make_task
        The class of its task, or a function that makes one of configuration and device.
    resume
        Go on after the last whole epoch in the run folder, or from the beginning if the run was
        stopped before the end of its first. The result is that of an unbroken run, bit for bit.
    device
        Where to compute; see `pick_device`.
    start
        A ``best.pt`` whose weights the net starts with.
    show
        Show progress on the terminal.

    Returns
    -------
    dict
        The content of ``metrics.json``.

    Raises
    ------
    ConfigError
        The run folder does not suit, see `training.run_folder.RunFolder.open`; the data does not
        suit the task; or the loss was never a number.

    Examples
    --------
    >>> from training.config import load_config
    >>> from training.guitar.config import GuitarConfig
    >>> from training.guitar.task import AmpTask
    >>> config = load_config("training/configs/crunch.yaml", GuitarConfig)  # doctest: +SKIP
    >>> train_run(config, AmpTask)["esr_mean"]                               # doctest: +SKIP
    0.0071
    """
    folder = RunFolder(config)
    stored = folder.open(resume)
    place = pick_device(device)
    with _computing(config.threads):
        torch.manual_seed(config.seed)
        task = make_task(config, place)
        if start is not None:
            task.adopt(start)
        run = _Run(folder, task, place)
        if stored is not None:
            run.restore(stored)
        folder.begin()
        with progress(show) as bar, folder.logging(show):
            try:
                run.train(bar)
                return run.finish()
            except KeyboardInterrupt:
                LOG.log(SAID, "stopped; go on with --resume")
                raise


@contextmanager
def _computing(threads: int) -> Iterator[None]:
    """Set up torch for a training, and leave the process as it was.

    Computing with denormal numbers takes many times as long, and nobody hears them.
    """
    former = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(former)


def pick_device(name: str = "auto") -> torch.device:
    """Return a device by its name.

    Parameters
    ----------
    name
        cpu, cuda (also for AMD), mps or xpu; auto takes the first accelerator there is, or the CPU.

    Raises
    ------
    ConfigError
        There is no such device.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, present in there.items() if present))
    if not there.get(name):
        present = ", ".join(kind for kind, found in there.items() if found)
        raise ConfigError(f"device {name!r} is not there; choose auto, or one of: {present}")
    return torch.device(name)


class _Run:
    """A run under way: its task, its history, and the average of its net."""

    def __init__(self, folder: RunFolder, task: Task, place: torch.device) -> None:
        self.folder = folder
        self.task = task
        self.place = place
        self.rows: list[Row] = []
        self.code = _code_version()
        self.average: AveragedModel | None = None
        if task.average is not None:
            self.average = AveragedModel(
                task.net, multi_avg_fn=get_ema_multi_avg_fn(task.average), use_buffers=True
            )

    @property
    def kept(self) -> nn.Module:
        """The net to validate and keep."""
        net = self.task.net if self.average is None else self.average.module
        assert isinstance(net, nn.Module)
        return net

    def restore(self, stored: dict[str, Any]) -> None:
        """Go back to the end of the last whole epoch."""
        self.task.load_state_dict(stored["task"])
        if self.average is not None:
            self.average.load_state_dict(stored["average"])
        self.rows = stored["rows"]
        for kind, state in stored["random"].items():
            if kind == "cpu":
                torch.set_rng_state(state)
            elif kind == self.place.type:
                torch.get_device_module(kind).set_rng_state(state)

    def train(self, bar: Progress) -> None:
        """Train the epochs that are left, with a checkpoint after each."""
        task, name = self.task, self.task.config.name
        LOG.log(
            SAID,
            "%s %s on %s: %s weights; %s",
            "going on with" if self.rows else "training",
            name,
            self.place.type,
            f"{_weights(task.net):,}",
            task.describe(),
        )
        last = self.rows[-1] if self.rows else {"step": 0, "wall_s": 0.0, "cpu_s": 0.0}
        wall_s, cpu_s = time.monotonic() - last["wall_s"], time.process_time() - last["cpu_s"]
        step = int(last["step"])
        line = bar.add_task(name, total=task.steps, completed=step)
        for epoch in range(len(self.rows), task.epochs):
            if self._on_plateau():
                break
            task.net.train()
            losses: dict[str, list[Tensor]] = defaultdict(list)
            for batch in task.batches(epoch):
                step += 1
                for key, loss in task.step(batch, step).items():
                    losses[key].append(loss.reshape(-1))
                if self.average is not None:
                    self.average.update_parameters(task.net)
                bar.update(line, completed=step)
            row: Row = {"epoch": epoch, "step": step}
            row |= {key: float(torch.cat(values).mean()) for key, values in losses.items()}
            found = task.validate(self.kept.eval())
            row |= found
            row["learning_rate"] = task.optimizer.param_groups[0]["lr"]
            row |= {"wall_s": time.monotonic() - wall_s, "cpu_s": time.process_time() - cpu_s}
            self.rows.append(row)
            self._keep()
            figures = [
                f"{key} {value:.5g}"
                for key, value in row.items()
                if key not in ("epoch", "step", "wall_s", "cpu_s")
            ]
            LOG.info(
                "epoch %d of %d, step %d: %s", epoch + 1, task.epochs, step, ", ".join(figures)
            )
            key = next(iter(found), "loss")
            for best in self._ranking()[:1]:
                bar.update(line, description=f"{name}: {key} {best.get(key, math.nan):.4f}")
        bar.update(line, total=step)

    def finish(self) -> dict[str, Any]:
        """Score the best net, and write all that a finished run leaves."""
        task, folder = self.task, self.folder
        if not self._ranking():
            raise ConfigError(
                f"{folder.path}: the loss was never a number; lower schedule.learning_rate and "
                "start anew"
            )
        best = self._ranking()[0]
        net = task.net.cpu()
        net.load_state_dict(read_plain(folder.path / "best.pt")["weights"])
        net.eval()
        metrics = {
            **task.score(net, best),
            "wall_minutes": round(self.rows[-1]["wall_s"] / 60, 1),
            "cpu_minutes": round(self.rows[-1]["cpu_s"] / 60, 1),
        }
        self._save("best.pt", net, metrics)
        folder.write_metrics(metrics)
        task.report(folder.path, net, self.rows)
        LOG.info("on held-out data: %s", task.verdict(metrics))
        return metrics

    def _ranking(self) -> list[Row]:
        """Return the epochs with numbers, the best first, the earlier of equals first."""
        ranked = [(self.task.rank(row), row) for row in self.rows]
        finite = [pair for pair in ranked if all(map(math.isfinite, pair[0]))]
        return [row for _, row in sorted(finite, key=lambda pair: pair[0])]

    def _on_plateau(self) -> bool:
        patience = self.task.patience_epochs
        if patience is None or not self.rows:
            return False
        ranking = self._ranking()
        best = ranking[0]["epoch"] if ranking else -1
        return self.rows[-1]["epoch"] - best >= patience

    def _keep(self) -> None:
        """Write the files of an epoch.

        ``last.pt`` comes last: if the run is killed before, the epoch is trained again, and all
        its files are written again.
        """
        task, folder, row = self.task, self.folder, self.rows[-1]
        best = self._ranking()[: task.keep_best]
        if any(kept is row for kept in best):
            if task.keep_best > 1:
                self._save(_epoch_file(row), self.kept, task.metrics(row))
                wanted = {_epoch_file(kept) for kept in best}
                for path in folder.path.glob("epoch-*.pt"):
                    if path.name not in wanted:
                        path.unlink()
            if best[0] is row:
                self._save("best.pt", self.kept, task.metrics(row))
        folder.write_history(self.rows)
        random = {"cpu": torch.get_rng_state()}
        if self.place.type != "cpu":
            random[self.place.type] = torch.get_device_module(self.place).get_rng_state()
        folder.write_state(
            {
                "task": task.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "rows": self.rows,
                "random": random,
            }
        )

    def _save(self, name: str, net: nn.Module, metrics: dict[str, Any]) -> None:
        """Write a net with all that the exporter needs."""
        config, card = self.task.config, self.task.card()
        card |= {
            "name": config.name,
            "description": config.description,
            "license": config.license,
            "provenance": {
                **card["provenance"],
                "code": self.code,
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            },
            "metrics": {**metrics, "weights": _weights(net)},
        }
        save_checkpoint(self.folder.path / name, net, self.task.arguments, card)


def _epoch_file(row: Row) -> str:
    return f"epoch-{row['epoch']:03.0f}.pt"


def _weights(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def _code_version() -> str:
    """Return the commit of a checkout, with "+" if the code was changed, or the version."""
    root = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "training", "export")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return __version__
