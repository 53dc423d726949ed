"""Train a feature net to classify kinds of noise, for `FeatureLoss`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR
from typing_extensions import override

from rtaudio.atomic import replacing
from training.config import RunConfig
from training.denoise.corpus import load_corpus
from training.denoise.recordings import cache_folder
from training.denoise.scene_config import SceneConfig
from training.denoise.scenes import SceneClassifier, Scenes, score
from training.task import Row, Task

__all__ = ["SceneTask"]

EPOCH_STEPS = 100


class SceneTask(Task):
    """Train a classifier of scenes and tags, and leave its features in ``features.pt``.

    The last net is kept: the scores of held-out excerpts are a check, not a choice.

    Parameters
    ----------
    config
        The run.
    device
        Where to compute.

    Raises
    ------
    ConfigError
        Recordings that cannot be used.
    """

    config: SceneConfig
    net: SceneClassifier

    def __init__(self, config: SceneConfig, device: torch.device) -> None:
        self.config = config
        self.device = device
        data = config.data
        cache = Path(data.cache) if data.cache else cache_folder()
        corpus = load_corpus(Path(data.root), data.rate_hz, "train", cache)
        self.scenes = Scenes(corpus.noise, data.excerpt_samples, data.held_out)
        self.arguments = {"kinds": len(self.scenes.kinds)}
        self.net = SceneClassifier(**self.arguments).to(device)
        self.steps = config.schedule.steps
        self.epochs = -(-self.steps // EPOCH_STEPS)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=config.schedule.learning_rate)
        self.scheduler = CosineAnnealingLR(self.optimizer, self.steps)
        self.parts = {"net": self.net, "optimizer": self.optimizer, "scheduler": self.scheduler}
        self.generator = np.random.default_rng(config.seed)

    @override
    def describe(self) -> str:
        return f"{len(self.scenes.kinds)} kinds of noise, {self.steps} steps"

    @override
    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(min(EPOCH_STEPS, self.steps - epoch * EPOCH_STEPS)):
            yield self.scenes.batch(self.generator, self.config.schedule.batch)

    @override
    def step(self, batch: tuple[Tensor, Tensor], number: int) -> dict[str, Tensor]:
        sounds, present = (part.to(self.device) for part in batch)
        loss = _loss(self.net, sounds, present)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        return {"loss": loss.detach()}

    @override
    def validate(self, net: nn.Module) -> Row:
        return {}

    @override
    def rank(self, row: Row) -> tuple[float, ...]:
        return (-row["step"],)

    @override
    def card(self) -> dict[str, Any]:
        config = self.config
        return {
            "sample_rate": config.data.rate_hz,
            "levels": {},
            "provenance": {
                "data": {
                    "source": config.source,
                    **config.data.model_dump(mode="json", exclude={"root", "cache"}),
                },
                "config": config.model_dump(mode="json", include={"seed", "schedule"}),
            },
        }

    @override
    def metrics(self, row: Row) -> dict[str, Any]:
        return {"steps": int(row["step"])}

    @override
    def score(self, net: nn.Module, row: Row) -> dict[str, Any]:
        assert isinstance(net, SceneClassifier)
        return {**score(net, self.scenes), **self.metrics(row)}

    @override
    def report(self, folder: Path, net: nn.Module, rows: Sequence[Row]) -> None:
        """Write ``features.pt``: the trained features, and the kinds of noise they know."""
        assert isinstance(net, SceneClassifier)
        content = {
            "features": net.features.state_dict(),
            "kinds": [kind.name for kind in self.scenes.kinds],
            "rate_hz": self.config.data.rate_hz,
            "license": self.config.license,
            "source": self.config.source,
            "metrics": json.loads((folder / "metrics.json").read_text(encoding="utf-8")),
        }
        with replacing(folder / "features.pt") as temporary:
            torch.save(content, temporary)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "generator": self.generator.bit_generator.state}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.generator.bit_generator.state = state["generator"]

    @staticmethod
    @override
    def verdict(metrics: Mapping[str, Any]) -> str:
        return (
            f"{100 * metrics['scene_accuracy']:.0f} % of {metrics['excerpts']} excerpts of "
            f"{metrics['kinds']} kinds named rightly; of two mixed kinds "
            f"{100 * metrics['tags_found']:.0f} % found"
        )

    @staticmethod
    @override
    def next_steps(config: RunConfig) -> list[str]:
        return [f"use it in the loss term 'features': net: {config.run_folder / 'features.pt'}"]


def _loss(net: SceneClassifier, sounds: Tensor, present: Tensor) -> Tensor:
    """Return cross-entropy of the scene for the first half, of every tag for the second."""
    scene, tags = net(sounds)
    half = len(sounds) // 2
    which = functional.cross_entropy(scene[:half], present[:half].argmax(dim=1))
    binary = functional.binary_cross_entropy_with_logits(tags[half:], present[half:])
    # Nearly all tags are absent; as a sum over them, the two that are not weigh like a scene.
    return which + binary * present.shape[1] / 2
