"""A codec learns from speech; its books follow what the encoder makes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from rtaudio.analysis.speech import pesq_wb, si_sdr_db
from rtaudio.errors import MetricsError
from rtaudio.runtime.memory import Floats
from training.codec.config import CodecConfig
from training.codec.losses import CodecLoss
from training.codec.mel import MelDistance
from training.codec.speech import Speech, clips
from training.codec.start import start_codec
from training.codec.straight_through import straight_through
from training.config import ConfigError
from training.lineage import LineageTask
from training.models.codec import Codec
from training.task import Row

__all__ = ["CodecTask"]

BETAS = (0.8, 0.99)
WEIGHT_DECAY = 1e-3
GRADIENT_LIMIT = 1.0
LEAST_RATE = 0.05
"""The learning rate at the end of a run, as a share of its peak."""

START_EXCERPTS = 600
"""Excerpts from which the axes and the first books are made."""

LARGEST_SHIFT = 256
"""The frames of the loss lie at another place in every step, up to this many samples later."""

SCORED_BOOKS = (3, 6, 12, 18, 24)


class CodecTask(LineageTask):
    """Train a codec on excerpts of recordings.

    Excerpts and losses of a step depend on the seed and its number alone, and books that are moved
    on torch's random state, so that a resumed run equals an unbroken one.

    Parameters
    ----------
    config
        The run.
    device
        Where to compute.

    Raises
    ------
    ConfigError
        Depths that the net does not have, or recordings that are missing or cannot be read.
    """

    config: CodecConfig
    net: Codec

    def __init__(self, config: CodecConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        schedule = config.schedule
        self.epochs = -(-schedule.steps // schedule.epoch_steps)
        self.steps = schedule.steps
        self.arguments = config.net.arguments
        try:
            self.net = Codec(**self.arguments).to(device)
        except ValueError as error:
            raise ConfigError(f"net: {error}") from None
        _check_depths(config, self.net)
        self.loss = CodecLoss(self.net.rate_hz).to(device)
        self.distance = MelDistance(self.net.rate_hz)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), schedule.learning_rate, BETAS, weight_decay=WEIGHT_DECAY
        )
        self.parts = {"net": self.net, "optimizer": self.optimizer}
        self.speech = Speech(config.data, self.net.rate_hz)
        self.held_out = clips(config.data, config.data.validation, self.net.rate_hz)
        self._samples = config.data.excerpt_frames * self.net.hop

    @override
    def describe(self) -> str:
        net = self.net
        return f"{net.books} books, {net.kbps(net.books):g} kbit/s, at {net.rate_hz} Hz"

    @override
    def batches(self, epoch: int) -> Iterable[Tensor]:
        if epoch == 0 and self.lineage is None:
            # The first thing of a run: a resumed one has the books in its state.
            generator = np.random.default_rng([self.config.seed, 0])
            excerpts = self.speech.excerpts(generator, START_EXCERPTS, self._samples)
            start_codec(self.net, excerpts.to(self.device))
        return self._excerpts(epoch)

    def _excerpts(self, epoch: int) -> Iterator[Tensor]:
        schedule = self.config.schedule
        first = epoch * schedule.epoch_steps
        for number in range(first, min(first + schedule.epoch_steps, schedule.steps)):
            generator = np.random.default_rng([self.config.seed, 1, number])
            yield self.speech.excerpts(generator, len(schedule.depths), self._samples)

    @override
    def step(self, batch: Tensor, number: int) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(number)
        generator = np.random.default_rng([self.config.seed, 2, number])
        size = int(generator.choice(self.loss.sizes))
        shift = int(generator.integers(LARGEST_SHIFT))
        x = batch.to(self.device)
        y, commitment = straight_through(self.net, x, self.config.schedule.depths)
        late = self.net.latency_samples
        target = x[:, 0, shift : x.shape[2] - late]
        terms = self.loss(y[:, 0, late + shift :], target, size) | {"commitment": commitment}
        weights = self.config.loss.model_dump()
        loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
        if torch.isfinite(norm):  # one bad batch would spoil all weights for good
            self.optimizer.step()
        return {"loss": loss.detach()} | {name: term.detach() for name, term in terms.items()}

    def _learning_rate(self, number: int) -> float:
        schedule = self.config.schedule
        rise = min(1.0, number / max(schedule.warmup_steps, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * number / schedule.steps))
        return schedule.learning_rate * rise * (LEAST_RATE + (1 - LEAST_RATE) * cosine)

    @override
    def validate(self, net: nn.Module) -> Row:
        """Return the mean mel distance of the validation clips."""
        assert isinstance(net, Codec)
        books = self.config.schedule.validation_books
        heard = [_coded(net, clip, books, self.device) for clip in self.held_out]
        return {"val_mel": self._mel(heard, self.held_out)}

    def _mel(self, outputs: Sequence[Floats], targets: Sequence[Floats]) -> float:
        distances = [
            float(self.distance(torch.from_numpy(a)[None], torch.from_numpy(b)[None]))
            for a, b in zip(outputs, targets, strict=True)
        ]
        return sum(distances) / len(distances)

    @override
    def rank(self, row: Row) -> tuple[float, ...]:
        return (row["val_mel"],)

    @override
    def card(self) -> dict[str, Any]:
        config = self.config
        told = dict.fromkeys(("seed", "net", "loss", "schedule"), True)
        return {
            "sample_rate": self.net.rate_hz,
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
        return {"step": int(row["step"]), "validation_mel": round(row["val_mel"], 4)}

    @override
    def score(self, net: nn.Module, row: Row) -> dict[str, Any]:
        """Score the test clips at several bitrates: mel distance, SI-SDR, and PESQ if installed."""
        assert isinstance(net, Codec)
        targets = clips(self.config.data, self.config.data.test, net.rate_hz)
        test: dict[str, dict[str, float]] = {}
        depths = [books for books in SCORED_BOOKS if net.level_books <= books < net.books]
        for books in [*depths, net.books]:
            heard = [_coded(net, clip, books, torch.device("cpu")) for clip in targets]
            pairs = list(zip(targets, heard, strict=True))
            test[f"{net.kbps(books):g}"] = {
                "mel": round(self._mel(heard, targets), 4),
                **_means(pairs, net.rate_hz),
            }
        return {**self.metrics(row), "test_by_kbps": test}

    @staticmethod
    @override
    def verdict(metrics: Mapping[str, Any]) -> str:
        found = (
            f"{kbps} kbit/s: " + ", ".join(f"{name} {value:g}" for name, value in figures.items())
            for kbps, figures in metrics["test_by_kbps"].items()
        )
        return "; ".join(found)


def _check_depths(config: CodecConfig, net: Codec) -> None:
    schedule = config.schedule
    for name, depth in (
        *(("depths", depth) for depth in schedule.depths),
        ("validation_books", schedule.validation_books),
    ):
        if not net.level_books <= depth <= net.books:
            raise ConfigError(
                f"schedule.{name}: {depth} books are out of range {net.level_books} .. {net.books}"
            )


@torch.inference_mode()
def _coded(net: Codec, clip: Floats, books: int, device: torch.device) -> Floats:
    """Return a clip coded and decoded, in line with it."""
    late = net.latency_samples
    whole = -(-(len(clip) + late) // net.hop) * net.hop
    x = functional.pad(torch.from_numpy(clip), (0, whole - len(clip)))[None, None].to(device)
    y, _ = net(x, net.initial_state(), torch.tensor([[float(books)]], device=device))
    heard: Floats = y[0, 0, late : late + len(clip)].cpu().numpy()
    return heard


def _means(pairs: Sequence[tuple[Floats, Floats]], rate_hz: int) -> dict[str, float]:
    """Return mean SI-SDR and PESQ, without those of which there is none."""
    found = {"si_sdr_db": [si_sdr_db(target, heard) for target, heard in pairs]}
    with suppress(MetricsError):  # the extra is not installed, or the clips are too short
        found["pesq"] = [pesq_wb(target, heard, rate_hz) for target, heard in pairs]
    means = {
        name: float(np.mean([v for v in values if math.isfinite(v)] or [math.nan]))
        for name, values in found.items()
    }
    return {name: round(value, 3) for name, value in means.items() if math.isfinite(value)}
