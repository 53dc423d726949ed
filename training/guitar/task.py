"""One net learns one amp: truncated back-propagation with carried state."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from export.streaming import StreamingModule
from training.config import ConfigError, RunConfig
from training.guitar import plots
from training.guitar.config import CaptureData, DataConfig, GuitarConfig, TeacherData
from training.guitar.data import load_split
from training.guitar.excerpts import Batch, excerpts
from training.guitar.losses import effect_loss
from training.guitar.report import save_clips, write_report
from training.guitar.scores import initial_state, play, scores
from training.models import net_class
from training.task import Row, Task

__all__ = ["SHAPES", "AmpTask", "make_net"]

GRADIENT_LIMIT = 1.0

SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
}
"""The learning rate over the progress 0 .. 1 of a run, as a share of its start value."""


def make_net(config: GuitarConfig, knobs: Sequence[Mapping[str, Any]] = ()) -> StreamingModule:
    """Make the net of a configuration, with the random start of its seed.

    Parameters
    ----------
    config
        The run.
    knobs
        The controls, as `training.guitar.data.Split` has them.

    Raises
    ------
    ConfigError
        There are ``knobs``, but the net takes none.
    """
    torch.manual_seed(config.seed)
    kind = net_class(config.net.type)
    if knobs and "knobs" not in inspect.signature(kind).parameters:
        raise ConfigError(f"net.type: {config.net.type} takes no knobs; choose another net")
    return kind(**_arguments(config, knobs))


def _arguments(config: GuitarConfig, knobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {**config.net.arguments, **({"knobs": [dict(knob) for knob in knobs]} if knobs else {})}


class AmpTask(Task):
    """Train a net on pairs of dry and wet takes.

    Parameters
    ----------
    config
        The run.
    device
        Where to compute.
    show
        Show progress while the data is read.

    Raises
    ------
    ConfigError
        Data that cannot be used, see `training.guitar.data.load_split`, or knobs for a net that
        takes none.
    """

    config: GuitarConfig
    net: StreamingModule

    def __init__(self, config: GuitarConfig, device: torch.device, *, show: bool = True) -> None:
        self.config = config
        self.device = device
        split = load_split(config.data, show=show)
        self.arguments = _arguments(config, split.knobs)
        self.net = make_net(config, split.knobs).to(device)
        self.split = split.delayed(self.net.latency_samples)
        schedule = config.schedule
        self.epochs = schedule.epochs
        self.patience_epochs = schedule.patience_epochs
        self.keep_best = schedule.keep_best
        # The random cut makes some epochs a batch longer; the pace is that of the first one.
        self.steps = schedule.epochs * len(self.batches(0))
        self.updates_per_step = schedule.excerpt_samples // (
            schedule.truncate_samples or schedule.excerpt_samples
        )
        updates = self.steps * self.updates_per_step
        shape = SHAPES[schedule.shape]
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=schedule.learning_rate)
        self.scheduler = LambdaLR(self.optimizer, lambda n: shape(min(1.0, n / updates)))
        self.parts = {
            "net": self.net,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
        }

    @override
    def describe(self) -> str:
        split = self.split
        seconds = sum(len(take.dry) - take.skip_samples for take in split.train) / split.rate_hz
        knobs = ", ".join(f"{k['name']} {k['min']:g} .. {k['max']:g}" for k in split.knobs)
        return (
            f"{self.config.net.type}{f', knobs {knobs}' if knobs else ''}, "
            f"{seconds / 60:.1f} min to train on, at {split.rate_hz} Hz"
        )

    @override
    def batches(self, epoch: int) -> list[Batch]:
        return excerpts(self.split.train, self.config.schedule, seed=self.config.seed, epoch=epoch)

    @override
    def step(self, batch: Batch, number: int) -> dict[str, Tensor]:
        return {"loss": torch.stack(list(self.updates(batch)))}

    def updates(self, batch: Batch) -> Iterator[Tensor]:
        """Yield the loss of each update that a batch is good for, after it has been made."""
        for loss in self._stretches(Batch(*(part.to(self.device) for part in batch))):
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
            self.optimizer.step()
            self.scheduler.step()
            yield loss.detach()

    def _stretches(self, batch: Batch) -> Iterator[Tensor]:
        """Yield the loss of one stretch after the other, each to be followed by its update."""
        schedule = self.config.schedule
        knobs = (batch.knobs,) if self.net.controls else ()
        warmup = schedule.warmup_samples
        state = initial_state(self.net, batch.dry)
        if schedule.truncate_samples is None:
            y, _ = self.net(batch.dry, state, *knobs)
            yield effect_loss(y[..., warmup:], batch.wet[..., warmup:], self.config.loss)
            return
        with torch.no_grad():
            _, state = self.net(batch.dry[..., :warmup], state, *knobs)
        for x, target in zip(
            batch.dry[..., warmup:].split(schedule.truncate_samples, dim=-1),
            batch.wet[..., warmup:].split(schedule.truncate_samples, dim=-1),
            strict=True,
        ):
            y, state = self.net(x, state, *knobs)
            state = {k: v.detach() for k, v in state.items()}
            yield effect_loss(y, target, self.config.loss)

    @override
    def validate(self, net: nn.Module) -> Row:
        assert isinstance(net, StreamingModule)
        found = scores(net, self.split.validation)
        return {"val_esr": sum(found.values()) / len(found)}

    @override
    def rank(self, row: Row) -> tuple[float, ...]:
        return (row["val_esr"],)

    @override
    def card(self) -> dict[str, Any]:
        told = self.config.model_dump(mode="json", include={"seed", "net", "loss", "schedule"})
        return {
            "sample_rate": self.split.rate_hz,
            "levels": dict(self.split.levels),
            "provenance": {**_provenance(self.config.data), "config": told},
        }

    @override
    def metrics(self, row: Row) -> dict[str, Any]:
        return {"validation_esr": row["val_esr"], "epoch": row["epoch"]}

    @override
    def score(self, net: nn.Module, row: Row) -> dict[str, Any]:
        assert isinstance(net, StreamingModule)
        esr = {
            part: {name: round(value, 6) for name, value in scores(net, takes).items()}
            for part, takes in (("validation", self.split.validation), ("test", self.split.test))
        }
        held_out = [value for part in esr.values() for value in part.values()]
        mean = round(sum(held_out) / len(held_out), 6)
        return {
            "esr": esr,
            "esr_mean": mean,
            "esr_max": max(held_out),
            "esr_in_words": plots.esr_in_words(mean),
            "epoch": int(row["epoch"]),
        }

    @override
    def report(self, folder: Path, net: nn.Module, rows: Sequence[Row]) -> None:
        """Draw and play the longest test take, and write ``report.html``."""
        assert isinstance(net, StreamingModule)
        split = self.split
        take = max(split.test or split.validation, key=lambda take: len(take.dry))
        output = play(net, [take])[0].numpy()
        if late := net.latency_samples:  # the wet side was delayed for the training
            take = replace(take, dry=take.dry[:-late], wet=take.wet[late:])
            output = output[late:]
        plots.loss_curve(rows, folder / "loss.png")
        plots.comparison(take, output, split.rate_hz, folder)
        save_clips(take, output, split.rate_hz, folder)
        write_report(folder)

    @staticmethod
    @override
    def verdict(metrics: Mapping[str, Any]) -> str:
        return f"{metrics['esr_in_words']}; worst take: ESR {metrics['esr_max']:.2g}"

    @staticmethod
    @override
    def next_steps(config: RunConfig) -> list[str]:
        return [
            f"look and listen: {config.run_folder / 'report.html'}",
            *(f"{line} (or .nam, .aidax)" for line in Task.next_steps(config)),
        ]


def _provenance(data: DataConfig) -> dict[str, Any]:
    """Return the data for the card, without paths of this machine."""
    if isinstance(data, TeacherData):
        return {
            "data": data.model_dump(
                mode="json",
                include={"takes", "train", "validation", "test", "source", "license"},
            ),
            "teacher": data.model_dump(
                mode="json",
                include={"teacher", "advance_samples", "noise_seconds", "gain_db"}
                | ({"knobs", "test_knobs"} if data.knobs else set()),
            ),
        }
    if isinstance(data, CaptureData):
        # Only the names of the folders, not their places.
        names = [Path(folder).name for folder in data.captures]
        return {"data": {"captures": names, "source": data.source, "license": data.license}}
    return {"data": data.model_dump(mode="json", exclude={"root"})}
