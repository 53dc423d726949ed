"""One net learning one amp: truncated back-propagation with carried state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from typing_extensions import override

from export.streaming import State, StreamingModule
from training.guitar.config import GuitarConfig
from training.guitar.data import Batch, Split, Take, excerpts
from training.guitar.losses import effect_loss

__all__ = ["SHAPES", "AmpTask", "play", "scores"]

GRADIENT_LIMIT = 1.0
CHUNK_SAMPLES = 1 << 15

SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
}
"""The learning rate over the progress 0..1 of a run, as a share of the one it starts with."""


class AmpTask(lightning.LightningModule):
    """The training and validation steps; schedule and data come from the configuration."""

    def __init__(self, net: StreamingModule, config: GuitarConfig, split: Split) -> None:
        super().__init__()
        # Several updates per batch, one for each stretch of truncated back-propagation.
        self.automatic_optimization = False
        self.net = net
        self.config = config
        self.split = split
        self._losses: list[Tensor] = []

    def _excerpts(self, epoch: int) -> list[Batch]:
        return excerpts(self.split.train, self.config.schedule, seed=self.config.seed, epoch=epoch)

    @override
    def train_dataloader(self) -> DataLoader:
        return _loader(self._excerpts(self.current_epoch))

    @override
    def val_dataloader(self) -> DataLoader:
        return _loader([None])

    @override
    def configure_optimizers(self) -> Any:
        schedule = self.config.schedule
        optimizer = torch.optim.Adam(self.net.parameters(), lr=schedule.learning_rate)
        # The random cut can make one batch more or less in an epoch; what counts is the pace.
        stretches = schedule.excerpt_samples // (
            schedule.truncate_samples or schedule.excerpt_samples
        )
        updates = schedule.epochs * len(self._excerpts(0)) * stretches
        shape = SHAPES[schedule.shape]
        return [optimizer], [LambdaLR(optimizer, lambda n: shape(min(1.0, n / updates)))]

    @override
    def on_train_epoch_start(self) -> None:
        self._losses = []

    @override
    def training_step(self, batch: Batch, index: int) -> None:
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        assert isinstance(scheduler, LambdaLR)
        for loss in self._stretches(batch):
            optimizer.zero_grad()
            self.manual_backward(loss)
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
            optimizer.step()
            scheduler.step()
            self._losses.append(loss.detach())

    def _stretches(self, batch: Batch) -> Iterable[Tensor]:
        """The loss of one stretch after the other, each to be followed by its update."""
        schedule, knobs = self.config.schedule, self._knobs(batch.knobs)
        warmup = schedule.warmup_samples
        state = _initial_state(self.net, batch.dry)
        if schedule.truncate_samples is None:
            y, _ = self.net(batch.dry, state, *knobs)
            yield self._loss(y[..., warmup:], batch.wet[..., warmup:])
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
            yield self._loss(y, target)

    def _knobs(self, values: Tensor) -> tuple[Tensor, ...]:
        return (values,) if self.net.controls else ()

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        return effect_loss(output, target, self.config.loss)

    def epoch_loss(self) -> float:
        """Mean loss over the updates of this epoch."""
        return float(torch.stack(self._losses).mean())

    @override
    def validation_step(self, batch: None, index: int) -> None:
        found = scores(self.net, self.split.validation)
        self.log("val_esr", sum(found.values()) / len(found), batch_size=1)


def _loader(ready: Any) -> DataLoader:
    """Hand out what is ready, one after another, as it is."""
    return DataLoader(ready, batch_size=None, collate_fn=lambda item: item)


def _initial_state(net: StreamingModule, like: Tensor) -> State:
    return {k: v.to(like.device) for k, v in net.initial_state(like.shape[0]).items()}


@torch.inference_mode()
def play(net: StreamingModule, takes: list[Take]) -> Tensor:
    """Play takes of one length side by side, from the zero state; returns (takes, samples)."""
    device = next(net.parameters()).device
    samples = len(takes[0].dry)
    padding = -samples % net.hop if net.hop else 0
    dry = torch.from_numpy(np.pad(np.stack([t.dry for t in takes]), ((0, 0), (0, padding))))
    knobs = [torch.tensor([t.knobs for t in takes], device=device)] if net.controls else []
    state = _initial_state(net, dry[:, None].to(device))
    chunk = CHUNK_SAMPLES // (net.hop or 1) * (net.hop or 1)
    pieces = []
    for x in dry[:, None].split(chunk, dim=-1):
        y, state = net(x.to(device), state, *knobs)
        pieces.append(y[:, 0].cpu())
    return torch.cat(pieces, dim=-1)[:, :samples]


def scores(net: StreamingModule, takes: tuple[Take, ...]) -> dict[str, float]:
    """Plain ESR by name of take: all error over all signal, without what is to be skipped."""
    alike: dict[tuple[int, int], list[Take]] = {}
    for take in takes:
        alike.setdefault((len(take.dry), take.skip_samples), []).append(take)
    sums = {take.name: np.zeros(2) for take in takes}
    for (_, skip), group in alike.items():
        output = play(net, group).numpy()
        for take, y in zip(group, output, strict=True):
            target = take.wet[skip:].astype(np.float64)
            sums[take.name] += (((y[skip:] - target) ** 2).sum(), (target**2).sum())
    return {
        name: float(error / signal) if signal else math.inf
        for name, (error, signal) in sums.items()
    }
