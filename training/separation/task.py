"""A separator learns from songs that are mixed while it trains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from rtaudio.models.stems import STEMS
from rtaudio.runtime.memory import Floats
from training.config import ConfigError
from training.lineage import LineageTask
from training.models import net_class
from training.models.open_unmix import OpenUnmix
from training.models.separator import Separator
from training.muon import Muon
from training.precision import precision
from training.separation.config import SeparationConfig, SeparationData, Source
from training.separation.curve import PICTURE, draw_curve
from training.separation.losses import BASS, OTHER, joined, stem_loss
from training.separation.mixer import Mixer
from training.separation.stems import find_tracks
from training.task import Row

__all__ = ["SeparationTask"]

BETAS = (0.9, 0.99)
WEIGHT_DECAY = 1e-2
GRADIENT_LIMIT = 5.0
LEAST_RATE = 0.05
"""The learning rate at the end of a run, as a share of its peak."""


class Batch(NamedTuple):
    """Stems (batch, stems, 2, samples), and where bass and other are one, (batch,)."""

    stems: Tensor
    merged: Tensor


class SeparationTask(LineageTask):
    """Train a separator on mixtures of stems.

    The mixtures of a step depend on the seed and its number alone, so that a resumed run equals an
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
        A net that is no separator, excerpts shorter than its latency, or sources that are missing
        or cannot be read.
    """

    config: SeparationConfig
    net: Separator | OpenUnmix

    def __init__(self, config: SeparationConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        schedule = config.schedule
        self.epochs = -(-schedule.steps // schedule.epoch_steps)
        self.steps = schedule.steps
        self.average = schedule.average
        self.arguments = config.net.arguments
        try:
            net = net_class(config.net.type)(**self.arguments)
        except ValueError as error:
            raise ConfigError(f"net: {error}") from None
        if not isinstance(net, Separator | OpenUnmix):
            raise ConfigError(
                f"net.type: {config.net.type!r} is no separator; choose separator or open-unmix"
            )
        least = net.latency_samples // net.hop + 1
        if config.data.excerpt_hops < least:
            raise ConfigError(
                f"data.excerpt_hops = {config.data.excerpt_hops}: the net is late by "
                f"{net.latency_samples} samples; take {least} or more"
            )
        self.net = net.to(device)
        rate, net = schedule.learning_rate, self.net
        self.optimizer: Optimizer = (
            Muon(net, rate, weight_decay=WEIGHT_DECAY)
            if schedule.optimizer == "muon"
            else torch.optim.AdamW(net.parameters(), rate, BETAS, weight_decay=WEIGHT_DECAY)
        )
        self.parts = {"net": self.net, "optimizer": self.optimizer}
        self.mixer = Mixer(config.data, net.rate_hz, config.data.excerpt_hops * net.hop)
        self.held_out = _songs(config.data, config.data.validation, net.rate_hz)

    @override
    def describe(self) -> str:
        net, data = self.net, self.config.data
        seconds = self.config.schedule.batch * data.excerpt_hops * net.hop / net.rate_hz
        late_ms = 1000 * net.latency_samples / net.rate_hz
        return f"{late_ms:.1f} ms late, {seconds:.0f} s of music per step"

    @override
    def batches(self, epoch: int) -> Iterator[Batch]:
        schedule = self.config.schedule
        first = epoch * schedule.epoch_steps
        for number in range(first, min(first + schedule.epoch_steps, schedule.steps)):
            generator = np.random.default_rng([self.config.seed, number])
            songs = [self.mixer.draw(generator) for _ in range(schedule.batch)]
            stems = torch.from_numpy(np.stack([song.stems for song in songs]))
            yield Batch(stems, torch.tensor([song.merged for song in songs]))

    @override
    def step(self, batch: Batch, number: int) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(number)
        targets, merged = (part.to(self.device) for part in batch)
        with precision(self.config.schedule.precision, self.device):
            estimates, targets = _aligned(self.net, targets)
        losses = stem_loss(
            joined(estimates.float(), merged), joined(targets, merged), self.config.treble
        )
        scored = self._scored(merged).to(losses.dtype)
        loss = (losses * scored).sum() / scored.sum().clamp(min=1)
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
        if torch.isfinite(norm):  # one bad batch would spoil all weights for good
            self.optimizer.step()
        return {"loss": loss.detach()}

    def _scored(self, merged: Tensor) -> Tensor:
        """Return which stems count, (batch, stems): those of the net, no hidden bass."""
        learnt = torch.tensor([stem in self.net.stems for stem in STEMS], device=merged.device)
        scored = learnt.repeat(len(merged), 1)
        scored[:, BASS] &= ~merged
        if not learnt[BASS]:
            scored[:, OTHER] &= ~merged
        return scored

    def _learning_rate(self, number: int) -> float:
        schedule = self.config.schedule
        rise = min(1.0, number / max(schedule.warmup_steps, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * number / schedule.steps))
        return schedule.learning_rate * rise * (LEAST_RATE + (1 - LEAST_RATE) * cosine)

    @override
    def validate(self, net: nn.Module) -> Row:
        """Return the SDR on the validation songs: of each stem, and the mean."""
        assert isinstance(net, Separator | OpenUnmix)
        means = _sdr(net, self.held_out, self.device)
        found = [value for value in means.values() if math.isfinite(value)]
        return {
            "val_sdr_db": sum(found) / max(len(found), 1),
            **{f"val_{stem}_db": value for stem, value in means.items()},
        }

    @override
    def rank(self, row: Row) -> tuple[float, ...]:
        return (-row["val_sdr_db"],)

    @override
    def card(self) -> dict[str, Any]:
        config = self.config
        told = dict.fromkeys(("seed", "net", "treble", "schedule"), True)
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
        found = {stem: row[f"val_{stem}_db"] for stem in STEMS}
        return {"step": int(row["step"]), "validation_sdr_db": _rounded(found)}

    @override
    def score(self, net: nn.Module, row: Row) -> dict[str, Any]:
        """Score the test songs: the SDR of each stem."""
        assert isinstance(net, Separator | OpenUnmix)
        songs = _songs(self.config.data, self.config.data.test, net.rate_hz)
        found = _sdr(net, songs, torch.device("cpu"))
        return {**self.metrics(row), "test_sdr_db": _rounded(found)}

    @override
    def report(self, folder: Path, net: nn.Module, rows: Sequence[Row]) -> None:
        draw_curve(folder / PICTURE, rows)

    @staticmethod
    @override
    def verdict(metrics: Mapping[str, Any]) -> str:
        found = metrics["test_sdr_db"]
        return "SDR " + ", ".join(f"{stem} {db:g} dB" for stem, db in found.items())


def _aligned(net: Separator | OpenUnmix, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return estimates and targets, both (batch, stems, 2, samples), in line with each other.

    Stems that the net does not have are silent.
    """
    mixture = targets.sum(dim=1)
    y, _ = net(mixture, net.initial_state(len(mixture)))
    late = net.latency_samples
    parts = dict(zip(net.stems, y.unflatten(1, (len(net.stems), -1)).unbind(1), strict=True))
    nothing = torch.zeros_like(mixture)
    estimates = torch.stack([parts.get(stem, nothing) for stem in STEMS], dim=1)[..., late:]
    return estimates, targets[..., : targets.shape[-1] - late]


def _songs(data: SeparationData, patterns: Iterable[str], rate_hz: int) -> list[list[Floats]]:
    """Return clips of each song, (stems, 2, samples) each, evenly spread."""
    samples = round(data.clip_s * rate_hz)
    songs = []
    for pattern in patterns:
        for track in find_tracks(data, Source(files=pattern), rate_hz):
            last = max(0, track.frames - samples)
            clips = []
            for start in np.linspace(0, last, data.clips + 2, dtype=int)[1:-1]:
                rows = [track.sounds[s].read(start, start + samples) if s in track.sounds
                        else np.zeros((2, samples), np.float32) for s in STEMS]  # fmt: skip
                clips.append(np.stack(rows))
            songs.append(clips)
    return songs


@torch.inference_mode()
def _sdr(
    net: Separator | OpenUnmix, songs: Sequence[Sequence[Floats]], device: torch.device
) -> dict[str, float]:
    """Return the ratio of each stem to its error over all of a song, in dB, as the mean over songs.

    That of silence is 0 dB. Ratios of single clips would be about those in which a stem rests.

    Notes
    -----
    Mitsufuji et al.: Music demixing challenge 2021, Frontiers in Signal Processing, 2022.
    """
    ratios: dict[str, list[float]] = {stem: [] for stem in STEMS}
    for clips in songs:
        power, error = np.zeros(len(STEMS)), np.zeros(len(STEMS))
        for clip in clips:
            whole = clip.shape[-1] // net.hop * net.hop
            targets = torch.from_numpy(clip[..., :whole])[None].to(device)
            estimates, targets = _aligned(net, targets)
            power += targets.square().sum(dim=(0, 2, 3)).cpu().numpy()
            error += (estimates - targets).square().sum(dim=(0, 2, 3)).cpu().numpy()
        for number, stem in enumerate(STEMS):
            if stem in net.stems and power[number] > 0:
                ratio = power[number] / max(error[number], 1e-12)
                ratios[stem].append(10 * math.log10(ratio))
    return {stem: float(np.mean(found)) if found else math.nan for stem, found in ratios.items()}


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {stem: round(db, 2) for stem, db in found.items() if math.isfinite(db)}
