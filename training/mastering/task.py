"""A net learns to turn degraded music back into what it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from typing_extensions import override

from export.streaming import StreamingModule
from rtaudio.analysis.log_spectral_distance import log_spectral_distance_db
from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.analysis.signal_to_noise import blind_snr_db
from rtaudio.analysis.speech import snr_db
from rtaudio.atomic import replacing
from rtaudio.runtime.memory import Floats
from rtaudio.view.terminal import remark
from training.checkpoint import load_fitting
from training.config import ConfigError
from training.guitar.plots import save
from training.mastering.config import MasteringConfig
from training.mastering.excerpts import QUIET_RMS, Excerpts
from training.mastering.tracks import Track, consolidated, split
from training.models import net_class
from training.task import Row, Task

__all__ = ["MasteringTask", "blended", "enhanced"]

GRADIENT_LIMIT = 1.0
MOST_SNR_DB = 120.0
AVERAGE = 0.99
SCORED_S = 5.0
SCORED_PASSAGES = 3
"""Passages of a test track that the score hears."""

VALIDATION, SCORE = 1, 2
"""Second numbers of the seeds; batches have 0."""


class MasteringTask(Task):
    """Train a stereo net on pairs, on degraded music, or on both; averaged weights are kept.

    Excerpts and degradations depend on the seed and the number of the batch alone, so that a
    resumed run hears the same as an unbroken one. Tracks are in one part only: what the score
    hears, no batch has held.

    Parameters
    ----------
    config
        The run.
    device
        Where to compute.

    Raises
    ------
    ConfigError
        A net that is not stereo, excerpts that are not whole hops, or music that cannot be used.
    """

    config: MasteringConfig
    net: StreamingModule
    average = AVERAGE

    def __init__(self, config: MasteringConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        data, schedule = config.data, config.schedule
        self.steps = schedule.steps
        self.epochs = -(-schedule.steps // schedule.epoch_steps)
        self.patience_epochs = schedule.patience_epochs
        self.arguments = config.net.arguments
        self.net = _make_net(config).to(device)
        self.optimizer = AdamW(
            self.net.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        self.parts = {"net": self.net, "optimizer": self.optimizer}
        self.tracks = consolidated(data)
        self.split = split((t.name for t in self.tracks), data.validation, data.test, config.seed)
        self.excerpts = Excerpts(self._part("train"), data)
        held_out = Excerpts(self._part("validation"), data)
        self.held_out = [
            held_out.draw(
                np.random.default_rng([config.seed, VALIDATION, n]),
                schedule.batch,
                data.excerpt_samples,
            )
            for n in range(schedule.validation_batches)
        ]

    def _part(self, part: str) -> list[Track]:
        return [track for track in self.tracks if self.split[track.name] == part]

    @override
    def describe(self) -> str:
        minutes = {
            part: sum(track.frames for track in self._part(part)) / self.config.data.rate_hz / 60
            for part in ("train", "validation", "test")
        }
        told = ", ".join(f"{part} {length:.1f} min" for part, length in minutes.items())
        return f"{self.steps} steps; {told}"

    @override
    def batches(self, epoch: int) -> Iterable[Tensor]:
        return self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        schedule, data = self.config.schedule, self.config.data
        first = epoch * schedule.epoch_steps
        for number in range(first, min(first + schedule.epoch_steps, schedule.steps)):
            generator = np.random.default_rng([self.config.seed, 0, number])
            yield self.excerpts.draw(generator, schedule.batch, data.excerpt_samples)

    @override
    def step(self, batch: Tensor, number: int) -> dict[str, Tensor]:
        bad, good = batch.to(self.device)
        loss = blended(*self._compared(self.net, bad, good), self.config.schedule.mse_share)
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), GRADIENT_LIMIT)
        if torch.isfinite(norm):  # one bad batch would spoil all weights for good
            self.optimizer.step()
        return {"loss": loss.detach()}

    def _compared(self, net: nn.Module, bad: Tensor, good: Tensor) -> tuple[Tensor, Tensor]:
        """Return output and target of the part of excerpts that counts, aligned."""
        late, warm = self.net.latency_samples, self.config.data.warmup_samples
        y, _ = net(bad, self.net.initial_state(len(bad)))
        return y[..., late + warm :], good[..., warm : good.shape[-1] - late]

    @override
    @torch.inference_mode()
    def validate(self, net: nn.Module) -> Row:
        """Return the loss on held-out music, that of doing nothing, and the gain of SNR in dB.

        Music that was not degraded counts for the losses only: it has no noise to remove.
        """
        share = self.config.schedule.mse_share
        rows, gains_db = [], []
        for batch in self.held_out:
            bad, good = batch.to(self.device)
            output, target = self._compared(net, bad, good)
            warm = self.config.data.warmup_samples
            dry = bad[..., warm : warm + target.shape[-1]]
            noise = [(each - target).square().sum(dim=(1, 2)) for each in (dry, output)]
            gain_db = 10 * torch.log10((noise[0] + 1e-9) / (noise[1] + 1e-9))
            gains_db += gain_db[noise[0] > 0].tolist()
            rows.append(torch.stack([blended(each, target, share) for each in (output, dry)]))
        losses = dict(
            zip(("val_loss", "val_untouched"), torch.stack(rows).mean(0).tolist(), strict=True)
        )
        return losses | {"val_snr_gain_db": sum(gains_db) / max(len(gains_db), 1)}

    @override
    def rank(self, row: Row) -> tuple[float, ...]:
        return (row["val_loss"],)

    @override
    def adopt(self, checkpoint: Path) -> None:
        """Start with all weights of a ``best.pt`` that fit by name and shape, and report them."""
        remark(f"{checkpoint}: {load_fitting(self.net, checkpoint)}")

    @override
    def card(self) -> dict[str, Any]:
        config = self.config
        data = config.data.model_dump(mode="json", exclude={"root", "cache"})
        tracks = {part: [t.name for t in self._part(part)] for part in ("validation", "test")}
        told = {"seed", "net", "schedule"}
        return {
            "sample_rate": config.data.rate_hz,
            "levels": {},
            "provenance": {
                "data": {"source": config.source, **data, "tracks": len(self.tracks), **tracks},
                "config": config.model_dump(mode="json", include=told),
            },
        }

    @override
    def metrics(self, row: Row) -> dict[str, Any]:
        return {
            "step": int(row["step"]),
            "validation_loss": row["val_loss"],
            "validation_snr_gain_db": round(row["val_snr_gain_db"], 2),
        }

    @override
    def score(self, net: nn.Module, row: Row) -> dict[str, Any]:
        """Add the means over passages of the test tracks, before and after."""
        assert isinstance(net, StreamingModule)
        data = self.config.data
        excerpts = Excerpts(self._part("test"), data)
        generator = np.random.default_rng([self.config.seed, SCORE])
        found = []
        for track in excerpts.tracks:
            length = min(round(SCORED_S * data.rate_hz), track.frames)
            for n in range(SCORED_PASSAGES):
                start = (track.frames - length) * (n + 1) // (SCORED_PASSAGES + 1)
                bad, good = excerpts.pair(track, start, start + length, generator)
                if good.std() <= QUIET_RMS:  # silence has no loudness
                    continue
                sounds = {"before": bad, "after": enhanced(net, bad)}
                found.append({k: _figures(x, good, data.rate_hz) for k, x in sounds.items()})
        if not found:
            raise ConfigError("data: the tracks for testing are silent; choose others")
        test = {
            side: {
                name: round(float(np.mean([each[side][name] for each in found])), 2)
                for name in found[0][side]
            }
            for side in ("before", "after")
        }
        return {**self.metrics(row), "test": test, "test_passages": len(found)}

    @override
    def report(self, folder: Path, net: nn.Module, rows: Sequence[Row]) -> None:
        """Write the manifest of the tracks, and a picture of the losses."""
        manifest = [
            {"name": track.name, "part": self.split[track.name], **track.card}
            for track in self.tracks
        ]
        with replacing(folder / "manifest.json") as temporary:
            temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        _picture(folder / "loss.png", rows)

    @staticmethod
    @override
    def verdict(metrics: Mapping[str, Any]) -> str:
        before, after = metrics["test"]["before"], metrics["test"]["after"]
        return (
            f"SNR {before['snr_db']:g} -> {after['snr_db']:g} dB, spectral distance "
            f"{before['spectral_distance_db']:g} -> {after['spectral_distance_db']:g} dB"
        )


def blended(output: Tensor, target: Tensor, mse_share: float) -> Tensor:
    """Return ``mse_share`` times the mean squared error, plus the rest times the mean error.

    Parameters
    ----------
    output, target
        Of one shape.
    mse_share
        1: the squared error alone; 0: the absolute error alone.

    Examples
    --------
    >>> error = torch.tensor([0.0, 2.0]), torch.zeros(2)
    >>> [float(blended(*error, share)) for share in (0.0, 0.25, 1.0)]
    [1.0, 1.25, 2.0]
    """
    squared = functional.mse_loss(output, target)
    return mse_share * squared + (1.0 - mse_share) * functional.l1_loss(output, target)


@torch.inference_mode()
def enhanced(net: StreamingModule, sound: Floats) -> Floats:
    """Play a sound through a net; the result has its length, and is aligned with it.

    Parameters
    ----------
    net
        A stereo net, on the CPU.
    sound
        float32 ``[2, samples]``.
    """
    length, late = sound.shape[1], net.latency_samples
    hop = max(1, net.hop)
    whole = -(-(length + late) // hop) * hop
    silence = torch.zeros(1, 2, -(-net.prewarm_samples // hop) * hop)
    padded = functional.pad(torch.from_numpy(sound)[None], (0, whole - length))
    y, _ = net(torch.cat([silence, padded], dim=-1), net.initial_state())
    start = silence.shape[-1] + late
    result: Floats = y[0, :, start : start + length].numpy()
    return result


def _make_net(config: MasteringConfig) -> StreamingModule:
    """Return the net of a configuration, if it is stereo and takes such excerpts."""
    try:
        net = net_class(config.net.type)(**config.net.arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"net: {error}") from None
    if net.channels != (2, 2) or net.kind != "effect" or net.controls:
        raise ConfigError(
            f"net.type {config.net.type!r}: not a stereo net without knobs; use crnn or wave-u-net"
        )
    data = config.data
    if data.excerpt_samples % max(1, net.hop):
        raise ConfigError(
            f"data.excerpt_samples = {data.excerpt_samples}: the net wants a multiple of its hop, "
            f"{net.hop}"
        )
    if data.excerpt_samples <= 2 * data.warmup_samples + net.latency_samples:
        raise ConfigError(
            f"data.excerpt_samples = {data.excerpt_samples}: too short for a warm-up of "
            f"{data.warmup_samples} and a net that is {net.latency_samples} late"
        )
    return net


def _figures(sound: Floats, good: Floats, rate_hz: int) -> dict[str, float]:
    loudness = [programme_loudness(each, rate_hz) for each in (sound, good)]
    return {
        "snr_db": min(MOST_SNR_DB, snr_db(good.ravel(), sound.ravel())),
        "blind_snr_db": blind_snr_db(sound, rate_hz),
        "spectral_distance_db": log_spectral_distance_db(sound, good),
        "loudness_error_lu": abs(loudness[0].integrated_lufs - loudness[1].integrated_lufs),
        "true_peak_dbtp": loudness[0].true_peak_dbtp,
    }


def _picture(path: Path, rows: Sequence[Row]) -> None:
    """Draw the losses of training and validation, beside that of doing nothing."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axis = figure.subplots()
    steps = [row["step"] for row in rows]
    for key, label in (
        ("loss", "training"),
        ("val_loss", "validation"),
        ("val_untouched", "validation, untouched"),
    ):
        axis.plot(steps, [row[key] for row in rows], label=label)
    axis.set(xlabel="step", ylabel="loss", yscale="log")
    axis.legend()
    save(figure, path)
