"""One net learning one amp: truncated back-propagation with carried state."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader
from typing_extensions import override

from export.streaming import StreamingModule
from training.config import TrainingConfig
from training.data import Split, Take, excerpts
from training.losses import amp_loss, error_to_signal

__all__ = ["AmpTask", "score"]

GRADIENT_LIMIT = 1.0


class AmpTask(lightning.LightningModule):
    """The training and validation steps; schedule and data come from the configuration."""

    def __init__(self, net: StreamingModule, config: TrainingConfig, split: Split) -> None:
        super().__init__()
        # Several updates per batch, one for each stretch of truncated back-propagation.
        self.automatic_optimization = False
        self.net = net
        self.config = config
        self.split = split
        self._losses: list[Tensor] = []
        self._scores: list[float] = []

    def _excerpts(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        return excerpts(self.split.train, self.config.schedule, seed=self.config.seed, epoch=epoch)

    @override
    def train_dataloader(self) -> DataLoader:
        return _loader(self._excerpts(self.current_epoch))

    @override
    def val_dataloader(self) -> DataLoader:
        return _loader(range(len(self.split.validation)))

    @override
    def configure_optimizers(self) -> Any:
        schedule = self.config.schedule
        optimizer = torch.optim.Adam(self.net.parameters(), lr=schedule.learning_rate)
        # The random cut can make one batch more or less in an epoch; what counts is the pace.
        stretches = schedule.excerpt_samples // schedule.truncate_samples
        steps = schedule.epochs * len(self._excerpts(0)) * stretches
        cosine = CosineAnnealingLR(optimizer, steps)
        return [optimizer], [cosine]

    @override
    def on_train_epoch_start(self) -> None:
        self._losses = []

    @override
    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        dry, wet = batch
        optimizer, scheduler = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        assert isinstance(scheduler, CosineAnnealingLR)
        schedule = self.config.schedule
        state = {k: v.to(dry.device) for k, v in self.net.initial_state(dry.shape[0]).items()}
        with torch.no_grad():
            _, state = self.net(dry[..., : schedule.warmup_samples], state)
        stretches = zip(
            dry[..., schedule.warmup_samples :].split(schedule.truncate_samples, dim=-1),
            wet[..., schedule.warmup_samples :].split(schedule.truncate_samples, dim=-1),
            strict=True,
        )
        for x, target in stretches:
            y, state = self.net(x, state)
            loss = amp_loss(y, target)
            optimizer.zero_grad()
            self.manual_backward(loss)
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
            optimizer.step()
            if scheduler.last_epoch < scheduler.T_max:
                scheduler.step()
            state = {k: v.detach() for k, v in state.items()}
            self._losses.append(loss.detach())
        self.log("loss", self._losses[-1], prog_bar=True)

    def epoch_loss(self) -> float:
        """Mean loss over the updates of this epoch."""
        return float(torch.stack(self._losses).mean())

    @override
    def on_validation_epoch_start(self) -> None:
        self._scores = []

    @override
    def validation_step(self, place: int, index: int) -> None:
        self._scores.append(score(self.net, self.split.validation[place])[0])

    @override
    def on_validation_epoch_end(self) -> None:
        self.log("val_esr", sum(self._scores) / len(self._scores), prog_bar=True, batch_size=1)


def _loader(ready: Any) -> DataLoader:
    """Hand out what is ready, one after another, as it is."""
    return DataLoader(ready, batch_size=None, collate_fn=lambda item: item)


@torch.inference_mode()
def score(net: StreamingModule, take: Take) -> tuple[float, Tensor]:
    """Plain ESR over a whole take, from the zero state, and the net's output (samples,)."""
    device = next(net.parameters()).device
    state = {k: v.to(device) for k, v in net.initial_state().items()}
    y, _ = net(torch.from_numpy(take.dry)[None, None].to(device), state)
    output = y[0, 0].cpu()
    return float(error_to_signal(output, torch.from_numpy(take.wet))), output
