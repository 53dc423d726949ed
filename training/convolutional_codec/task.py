"""A convolutional codec learns against discriminators, from balanced excerpts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader
from typing_extensions import override

from training.config import ConfigError
from training.convolutional_codec.config import ConvolutionalCodecConfig
from training.convolutional_codec.data import BalancedBatches
from training.convolutional_codec.discriminators import Discriminators
from training.convolutional_codec.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)
from training.convolutional_codec.mel import MelDistance
from training.convolutional_codec.metrics import bitrate_efficiency, si_sdr_db, stft_distance
from training.denoise.corpus import Part
from training.models import net_class
from training.models.convolutional_codec import ConvolutionalCodec
from training.task import Row, Task

__all__ = ["ConvolutionalCodecTask"]

BETAS = (0.79, 0.91)
GENERATOR_LIMIT = 1000.0
DISCRIMINATOR_LIMIT = 10.0


class ConvolutionalCodecTask(Task):
    """Train codec and discriminators in turn; the best epoch is that of the least mel distance.

    Batches depend on the seed and their number alone, so that a resumed run hears the same as an
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
        A net that is no convolutional codec, excerpts that are not whole frames, or data that
        cannot be used.
    """

    config: ConvolutionalCodecConfig
    net: ConvolutionalCodec

    def __init__(self, config: ConvolutionalCodecConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        schedule = config.schedule
        self.steps = schedule.steps
        self.epochs = -(-schedule.steps // schedule.epoch_steps)
        self.arguments = config.net.arguments
        self.net = _make_net(config).to(device)
        self.optimizer = self._adam(self.net)
        self.parts = {"net": self.net, "optimizer": self.optimizer}
        self.discriminators: Discriminators | None = None
        if config.loss.adversarial or config.loss.feature:
            self.discriminators = Discriminators(**config.discriminators.model_dump()).to(device)
            self.discriminator_optimizer = self._adam(self.discriminators)
            self.parts["discriminators"] = self.discriminators
            self.parts["discriminator_optimizer"] = self.discriminator_optimizer
        self.mel = MelDistance(config.data.rate_hz).to(device)
        self._stream: Iterator[Tensor] | None = None
        self._train = self._data("train", schedule.steps)
        held_out = self._data("validation", schedule.validation_batches)
        self.held_out = [held_out[n] for n in range(schedule.validation_batches)]

    @override
    def describe(self) -> str:
        rate_hz = self.config.data.rate_hz
        bitrate_kbps = self.net.bitrate_bps(rate_hz) / 1000
        return f"{self.steps} steps, {bitrate_kbps:.2f} kbit/s at {rate_hz} Hz"

    @override
    def batches(self, epoch: int) -> Iterable[Tensor]:
        schedule = self.config.schedule
        first = epoch * schedule.epoch_steps
        if self._stream is None:
            # One stream for all epochs: the workers go on while the net is validated.
            self._stream = iter(
                DataLoader(
                    self._train,
                    batch_size=None,
                    sampler=range(first, schedule.steps),
                    num_workers=self.config.workers,
                    # Leaves the global random state alone, see Task.batches.
                    generator=torch.Generator(),
                )
            )
        return islice(self._stream, min(schedule.epoch_steps, schedule.steps - first))

    @override
    def step(self, batch: Tensor, number: int) -> dict[str, Tensor]:
        sound = batch.to(self.device)
        self.net.train()
        z, _ = self.net.encoder(sound, self.net.encoder.initial_state(len(sound)))
        quantised = self.net.quantiser(z)
        output, _ = self.net.decoder(quantised.z, self.net.decoder.initial_state(len(sound)))
        losses = {
            "mel": self.mel(output, sound),
            "commitment": quantised.commitment,
            "codebook": quantised.codebook,
        }
        told: dict[str, Tensor] = {}
        if self.discriminators is not None:
            told["discriminator"] = self._judge(output.detach(), sound, number)
            losses |= self._judged(self.discriminators, output, sound)
        weights = self.config.loss.model_dump()
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        self._update(loss, self.net, self.optimizer, GENERATOR_LIMIT, number)
        return {name: value.detach() for name, value in {"loss": loss, **losses, **told}.items()}

    def _judge(self, output: Tensor, sound: Tensor, number: int) -> Tensor:
        """Teach the discriminators, and return their loss."""
        assert self.discriminators is not None
        self.discriminators.requires_grad_(True)
        loss = discriminator_loss(self.discriminators(output), self.discriminators(sound))
        optimizer = self.discriminator_optimizer
        self._update(loss, self.discriminators, optimizer, DISCRIMINATOR_LIMIT, number)
        return loss

    @staticmethod
    def _judged(discriminators: Discriminators, output: Tensor, sound: Tensor) -> dict[str, Tensor]:
        """Return the losses that the discriminators, which do not learn now, give the codec."""
        discriminators.requires_grad_(False)
        with torch.no_grad():
            real = discriminators(sound)
        fake = discriminators(output)
        return {"adversarial": adversarial_loss(fake), "feature": feature_loss(fake, real)}

    def _update(
        self, loss: Tensor, net: nn.Module, optimizer: Optimizer, limit: float, number: int
    ) -> None:
        schedule = self.config.schedule
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * schedule.decay ** (number - 1)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), limit)
        if torch.isfinite(norm):  # one bad batch would spoil all weights for good
            optimizer.step()

    @override
    @torch.inference_mode()
    def validate(self, net: nn.Module) -> Row:
        """Return the mean distances of the held-out excerpts at full depth."""
        assert isinstance(net, ConvolutionalCodec)
        rows = []
        for batch in self.held_out:
            sound = batch.to(self.device)
            output, _ = net.reconstruct(sound)
            rows.append(
                torch.stack(
                    [
                        self.mel(output, sound),
                        stft_distance(output, sound),
                        (output - sound).abs().mean(),
                        si_sdr_db(output, sound).mean(),
                    ]
                )
            )
        names = ("val_mel", "val_stft", "val_waveform", "val_si_sdr_db")
        return dict(zip(names, torch.stack(rows).mean(0).tolist(), strict=True))

    @override
    def rank(self, row: Row) -> tuple[float, ...]:
        return (row["val_mel"],)

    @override
    def card(self) -> dict[str, Any]:
        config = self.config
        told = {"seed", "net", "loss", "discriminators", "schedule"}
        data = config.data.model_dump(mode="json", exclude={"root", "cache"})
        return {
            "sample_rate": config.data.rate_hz,
            "levels": {},
            "provenance": {
                "data": {"source": config.source, **data},
                "config": config.model_dump(mode="json", include=told),
            },
        }

    @override
    def metrics(self, row: Row) -> dict[str, Any]:
        return {
            "step": int(row["step"]),
            "bitrate_kbps": round(self.net.bitrate_bps(self.config.data.rate_hz) / 1000, 3),
            "mel_distance": round(row["val_mel"], 4),
            "stft_distance": round(row["val_stft"], 4),
            "si_sdr_db": round(row["val_si_sdr_db"], 2),
        }

    @override
    @torch.inference_mode()
    def score(self, net: nn.Module, row: Row) -> dict[str, Any]:
        """Add the mel distance at every depth, and the bitrate efficiency."""
        assert isinstance(net, ConvolutionalCodec)
        mel = self.mel.cpu()
        depths = range(1, net.quantiser.codebooks + 1)
        distances = [
            sum(float(mel(net.reconstruct(sound, depth)[0], sound)) for sound in self.held_out)
            for depth in depths
        ]
        codes = torch.cat([net.reconstruct(sound)[1] for sound in self.held_out])
        efficiency = bitrate_efficiency(codes, net.quantiser.codebook_size)
        return {
            **self.metrics(row),
            "mel_distance_by_depth": [round(each / len(self.held_out), 4) for each in distances],
            "bitrate_efficiency": round(efficiency, 4),
            "frames": codes.shape[0] * codes.shape[2],
        }

    @staticmethod
    @override
    def verdict(metrics: Mapping[str, Any]) -> str:
        return (
            f"mel distance {metrics['mel_distance']:.3f}, SI-SDR {metrics['si_sdr_db']:.1f} dB, "
            f"bitrate efficiency {metrics['bitrate_efficiency']:.0%} at "
            f"{metrics['bitrate_kbps']:.2f} kbit/s"
        )

    def _adam(self, net: nn.Module) -> AdamW:
        return AdamW(net.parameters(), self.config.schedule.learning_rate, BETAS)

    def _data(self, part: Part, length: int) -> BalancedBatches:
        config = self.config
        return BalancedBatches(
            config.data, part, config.schedule.batch, seed=config.seed, length=length
        )


def _make_net(config: ConvolutionalCodecConfig) -> ConvolutionalCodec:
    """Return the net of a configuration, if it is of this kind and takes such excerpts."""
    try:
        net = net_class(config.net.type)(**config.net.arguments)
    except ValueError as error:
        raise ConfigError(f"net: {error}") from None
    if not isinstance(net, ConvolutionalCodec):
        raise ConfigError(f"net.type {config.net.type!r}: not a codec; use convolutional-codec")
    samples = config.data.excerpt_samples
    if samples % net.hop:
        raise ConfigError(
            f"data.excerpt_samples = {samples}: the net wants a multiple of its hop, {net.hop}"
        )
    return net
