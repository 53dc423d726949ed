"""A denoiser learns from mixtures of speech and noise; an average of its weights is kept."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from export.streaming import StreamingModule
from training.checkpoint import load_checkpoint
from training.config import ConfigError
from training.denoise.config import DenoiseConfig
from training.denoise.corpus import Part
from training.denoise.features import FeatureLoss, load_features
from training.denoise.gains import measure_gains
from training.denoise.keep import Keep
from training.denoise.losses import (
    FEATURES,
    RESOLUTIONS,
    DenoiseLoss,
    si_sdr_db,
    window_samples,
)
from training.denoise.mixer import Mixtures
from training.denoise.mixture import Mixture, collate
from training.denoise.pairs import PairedFolders, PairedFoldersConfig
from training.denoise.taught import Taught
from training.lineage import LineageTask
from training.models import net_class
from training.models.denoiser import Denoiser
from training.models.fine_denoiser import FineDenoiser
from training.models.overlap_net import OverlapNet
from training.models.room_denoiser import RoomDenoiser
from training.muon import Muon
from training.precision import precision
from training.task import Row

__all__ = ["DenoiseTask"]

GRADIENT_LIMIT = 1.0
STATISTICS_BATCHES = 16
"""Number of batches on which the batch-norm statistics of the averaged net are measured."""


class DenoiseTask(LineageTask):
    """Train a net on pairs of noisy and clean speech.

    Mixtures depend on the seed and their number alone, so that a resumed run hears the same as an
    unbroken one.

    Parameters
    ----------
    config
        The run.
    device
        Where to compute.

    Raises
    ------
    ConfigError
        Excerpts that do not fit the net, a missing feature net, or data that cannot be used.
    """

    config: DenoiseConfig
    net: StreamingModule

    def __init__(self, config: DenoiseConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        schedule = config.schedule
        self.epochs = -(-schedule.steps // schedule.epoch_steps)
        self.steps = schedule.steps
        self.average = schedule.average
        self.arguments = config.net.arguments
        net = net_class(config.net.type)(**self.arguments)
        _check_excerpts(config, net)
        self.net = net.to(device)
        self.loss = _make_loss(config).to(device)
        rate = schedule.learning_rate
        self.optimizer = (
            Muon(self.net, rate)
            if schedule.optimizer == "muon"
            else torch.optim.AdamW(self.net.parameters(), lr=rate, weight_decay=0.01)
        )
        self.parts = {"net": self.net, "optimizer": self.optimizer, "loss": self.loss}
        self.taught = None
        if config.teacher is not None:
            self.taught = Taught(config.teacher, config.data.rate_hz, config.seed).to(device)
        self._mixtures = _mixtures(config, "train", schedule.batch * schedule.steps)
        self._stream: Iterator[Mixture] | None = None
        count = schedule.validation_mixtures
        self.held_out = list(_loader(_mixtures(config, "validation", count), config, 0, count))
        # The newest batches of an epoch, for the statistics of the averaged net.
        self._heard: deque[Mixture] = deque(maxlen=STATISTICS_BATCHES)

    @override
    def describe(self) -> str:
        return f"{self.config.net.type}, {self.steps} steps, at {self.config.data.rate_hz} Hz"

    @override
    def batches(self, epoch: int) -> Iterable[Mixture]:
        schedule = self.config.schedule
        first = epoch * schedule.epoch_steps
        if self._stream is None:
            # One stream for all epochs: the workers go on mixing while the net is validated.
            ends = first * schedule.batch, schedule.steps * schedule.batch
            pinned = self.device.type == "cuda"
            self._stream = iter(_loader(self._mixtures, self.config, *ends, pinned=pinned))
        return islice(self._stream, min(schedule.epoch_steps, schedule.steps - first))

    @override
    def step(self, batch: Mixture, number: int) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(number)
        batch = _moved(batch, self.device)
        self.net.train()
        self.loss.train()
        if self.taught is not None:
            batch = self.taught(batch, number)
        self._heard.append(batch)
        with precision(self.config.schedule.precision, self.device):
            output, clean, noisy, keep = _aligned(self.net, batch, self.config)
        loss: Tensor = self.loss(output.float(), clean, noisy, keep)
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
        if torch.isfinite(norm):  # one bad batch would spoil all weights for good
            self.optimizer.step()
        return {"loss": loss.detach()}

    def _learning_rate(self, step: int) -> float:
        schedule = self.config.schedule
        rise = min(1.0, step / max(schedule.warmup_steps, 1))
        return schedule.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / schedule.steps))

    @override
    def validate(self, net: nn.Module) -> Row:
        """Return mean loss and SI-SDR of the held-out mixtures, and what the gains are like.

        The loss advances by an epoch.
        """
        assert isinstance(net, StreamingModule)
        _measure_statistics(net, self._heard)
        self._heard.clear()
        found = _scores(net, self.held_out, self.config, self.device, self.loss)
        found["balanced"] = float(self.loss.balanced)
        self.loss.end_epoch()
        return found

    @override
    def rank(self, row: Row) -> tuple[float, ...]:
        """Return a key that never compares a balanced loss with others: its scale is another."""
        return -row["balanced"], row["val_loss"]

    @override
    def card(self) -> dict[str, Any]:
        config = self.config
        told: dict[str, Any] = dict.fromkeys(("seed", "net", "loss", "schedule"), True)
        if config.teacher is not None:
            told["teacher"] = set(type(config.teacher).model_fields) - {"folder"}
        if FEATURES in config.loss:
            told[FEATURES] = {"layers", "balance_after_epochs"}
        return {
            "sample_rate": config.data.rate_hz,
            "levels": {},
            "provenance": {
                "data": {
                    "source": config.source,
                    **config.data.model_dump(mode="json", exclude={"root", "cache"}),
                },
                "config": self.told(told),
            },
        }

    @override
    def metrics(self, row: Row) -> dict[str, Any]:
        return {
            "step": int(row["step"]),
            "validation_loss": round(row["val_loss"], 5),
            **{
                name.replace("val_", "validation_"): round(row[name], 2)
                for name in row
                if name.startswith("val_") and name.endswith("_db")
            },
        }

    @override
    def adopt(self, checkpoint: Path) -> None:
        """Start with the weights of a ``best.pt``.

        Another look-ahead, and a denoiser without the room, are welcome.
        """
        trained, card = load_checkpoint(checkpoint)
        match self.net, trained:
            case (Denoiser() as net, Denoiser()) | (RoomDenoiser() as net, FineDenoiser()):
                try:
                    net.adopt(trained)  # type: ignore[arg-type]
                except RuntimeError:
                    raise ConfigError(
                        f"{checkpoint}: its sizes are not those of the run; make net: the same as "
                        "there"
                    ) from None
                self.descend_from(card)
            case _:
                super().adopt(checkpoint)

    @staticmethod
    @override
    def verdict(metrics: Mapping[str, Any]) -> str:
        return (
            f"SI-SDR {metrics['validation_si_sdr_db']:.1f} dB, "
            f"loss {metrics['validation_loss']:.4f}"
        )


def _check_excerpts(config: DenoiseConfig, net: StreamingModule) -> None:
    """Raise if an excerpt does not fit the net, or leaves no sound to compare."""
    samples, hop = config.data.excerpt_samples, max(net.hop, 1)
    least = net.latency_samples + window_samples(max(RESOLUTIONS), config.data.rate_hz)
    if samples % hop or samples < least:
        raise ConfigError(
            f"data.excerpt_samples = {samples}: the net wants a multiple of its hop, {hop}, and at "
            f"least {-(-least // hop) * hop}"
        )


def _make_loss(config: DenoiseConfig) -> DenoiseLoss:
    if FEATURES not in config.loss:
        return DenoiseLoss(config.loss)
    told = config.features
    return DenoiseLoss(
        config.loss,
        FeatureLoss(
            load_features(told.net),
            layers=told.layers,
            balance_after_epochs=told.balance_after_epochs,
        ),
    )


def _mixtures(config: DenoiseConfig, part: Part, length: int) -> Dataset[Mixture]:
    data = config.data
    if isinstance(data, PairedFoldersConfig):
        return PairedFolders(data, part, seed=config.seed, length=length)
    return Mixtures(data, part, seed=config.seed, length=length)


class _From(Sampler[int]):
    """The numbers from ``first`` to before ``end``."""

    def __init__(self, first: int, end: int) -> None:
        self.numbers = range(first, end)

    @override
    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def _loader(
    data: Dataset[Mixture], config: DenoiseConfig, first: int, end: int, *, pinned: bool = False
) -> DataLoader[Mixture]:
    return DataLoader(
        data,
        batch_size=config.schedule.batch,
        sampler=_From(first, end),
        collate_fn=collate,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
        pin_memory=pinned,
        generator=torch.Generator(),  # leaves the global random state alone, see Task.batches
    )


def _moved(batch: Mixture, device: torch.device) -> Mixture:
    values = (torch.as_tensor(getattr(batch, field.name)) for field in fields(batch))
    return Mixture(*(value.to(device, non_blocking=True) for value in values))


def _state(net: StreamingModule, batch: Mixture) -> dict[str, Tensor]:
    start = net.initial_state(len(batch.noisy))
    return {name: value.to(batch.noisy.device) for name, value in start.items()}


def _knobs(net: StreamingModule, batch: Mixture) -> tuple[Tensor, ...]:
    """Return the end of the room's knob at which the clean sides are, if the net has one."""
    kept = torch.as_tensor(batch.room_kept).to(batch.noisy)
    return (100 * (1 - kept[:, None]),) if net.controls else ()


def _aligned(
    net: StreamingModule, batch: Mixture, config: DenoiseConfig
) -> tuple[Tensor, Tensor, Tensor, Keep]:
    """Play a batch; return output, target and mixture, aligned, and the bandwidths to compare.

    The latency is cut off: the first samples of the output, the last ones of target and mixture.
    """
    output, _ = net(batch.noisy, _state(net, batch), *_knobs(net, batch))
    samples = batch.noisy.shape[-1] - net.latency_samples
    keep = Keep(torch.as_tensor(batch.bandwidth_hz), config.data.rate_hz)
    return (
        output[..., net.latency_samples :],
        batch.clean[..., :samples],
        batch.noisy[..., :samples],
        keep,
    )


@torch.no_grad()
def _measure_statistics(net: StreamingModule, batches: Iterable[Mixture]) -> None:
    """Re-estimate the batch-norm statistics: averaging weights does not average these."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    net.train()
    for batch in batches:
        net(batch.noisy, _state(net, batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.inference_mode()
def _scores(
    net: StreamingModule,
    batches: list[Mixture],
    config: DenoiseConfig,
    device: torch.device,
    loss: DenoiseLoss,
) -> Row:
    """Return the mean loss, and the mean SI-SDR of the mixtures with both speech and noise."""
    net.eval()
    loss.eval()
    losses, ratios, gains = [], [], []
    for batch in batches:
        batch = _moved(batch, device)
        output, clean, noisy, keep = _aligned(net, batch, config)
        losses.append(float(loss(output, clean, noisy, keep)))
        mixed = (clean.square().mean(dim=(1, 2)) > 1e-9) & ((noisy - clean).abs().amax((1, 2)) > 0)
        ratios += si_sdr_db(output[:, 0], clean[:, 0])[mixed].tolist()
        if isinstance(net, OverlapNet) and mixed.any():
            pair = batch.noisy[mixed], batch.clean[mixed]
            gains.append((len(pair[0]), measure_gains(net, *pair, config.data.rate_hz)))
    return {
        "val_loss": sum(losses) / len(losses),
        "val_si_sdr_db": sum(ratios) / max(len(ratios), 1),
    } | {f"val_{name}": _mean(gains, name) for name in (gains[0][1] if gains else ())}


def _mean(rows: list[tuple[int, Row]], name: str) -> float:
    """Return the mean of a measure by the sizes of its batches, without those that lack it."""
    found = [(size, row[name]) for size, row in rows if math.isfinite(row[name])]
    whole = sum(size for size, _ in found)
    return sum(size * value for size, value in found) / whole if whole else math.nan
