"""Excerpts of noise of known kinds, and the classifier that a feature net is trained in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from rtaudio.runtime.decibels import from_db
from training.config import ConfigError
from training.denoise.corpus import Clip, Collection
from training.denoise.features import FeatureNet

__all__ = ["SceneClassifier", "Scenes", "score"]

LEVEL_DBFS = (-35.0, -20.0)
MIX_DB = 6.0
"""Largest difference in level between two mixed noises."""

ASKED = 6
"""Number of held-out excerpts of each kind."""


class SceneClassifier(nn.Module):
    """A feature net with two linear answers about ``kinds`` of noise.

    Two outputs of shape (batch, kinds): which kind it is (scene), and which kinds occur (tags),
    before softmax and sigmoid. Both see all layers, averaged over time, so that the first layers,
    which a loss compares, learn as fast as the last.
    """

    def __init__(self, kinds: int) -> None:
        super().__init__()
        self.features = FeatureNet()
        self.scene = nn.Linear(sum(self.features.channels), kinds)
        self.tags = nn.Linear(sum(self.features.channels), kinds)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = torch.cat([layer.mean(dim=-1) for layer in self.features(x)], dim=1)
        return self.scene(mean), self.tags(mean)


@dataclass(frozen=True)
class _Kind:
    name: str
    train: tuple[Clip, ...]
    held_out: tuple[Clip, ...]


class Scenes:
    """Excerpts of noise and their kinds; kinds too short to be split are left out.

    Parameters
    ----------
    noise
        Recordings by kind.
    excerpt_samples, held_out
        As in `SceneData`.
    """

    def __init__(self, noise: Collection, excerpt_samples: int, held_out: float) -> None:
        self.recordings = noise.recordings
        self.samples = excerpt_samples
        self.kinds = [
            kind
            for source in noise.sources
            if (kind := self._split(source.name, source.clips, held_out)).train and kind.held_out
        ]
        if len(self.kinds) < 2:
            raise ConfigError(
                f"data: fewer than two kinds of noise have excerpts of {excerpt_samples} samples "
                "to train and to hold out; make excerpts shorter, or record more"
            )

    def _split(self, name: str, clips: Sequence[Clip], held_out: float) -> _Kind:
        parts: tuple[list[Clip], list[Clip]] = ([], [])
        for clip in clips:
            middle = clip.stop - round(held_out * (clip.stop - clip.start))
            for part, start, stop in ((0, clip.start, middle), (1, middle, clip.stop)):
                if stop - start >= self.samples:
                    parts[part].append(Clip(start, stop, clip.bandwidth_hz, clip.rms))
        return _Kind(name, tuple(parts[0]), tuple(parts[1]))

    def batch(self, generator: np.random.Generator, size: int) -> tuple[Tensor, Tensor]:
        """Draw a batch: the first half holds one kind of noise each, the second half two.

        Parameters
        ----------
        generator
            All randomness comes from it.
        size
            Number of excerpts, even.

        Returns
        -------
        sounds, present
            float32 of shapes (size, 1, samples) and (size, kinds), the latter 0 or 1.
        """
        sounds = np.zeros((size, self.samples), np.float32)
        present = np.zeros((size, len(self.kinds)), np.float32)
        for row in range(size):
            chosen = generator.choice(len(self.kinds), 1 if row < size // 2 else 2, replace=False)
            for number in chosen:
                clips = self.kinds[number].train
                lengths = np.array([clip.stop - clip.start for clip in clips], np.float64)
                clip = clips[generator.choice(len(clips), p=lengths / lengths.sum())]
                start = int(generator.integers(clip.start, clip.stop - self.samples + 1))
                gain_db = generator.uniform(-MIX_DB, 0) if len(chosen) > 1 else 0.0
                sounds[row] += np.float32(from_db(gain_db)) * self._read(start)
                present[row, number] = 1
            sounds[row] *= np.float32(from_db(generator.uniform(*LEVEL_DBFS)))
        return torch.from_numpy(sounds[:, None]), torch.from_numpy(present)

    def held_out(self, number: int) -> NDArray[np.float32]:
        """Return excerpts of a kind, (excerpts, samples), evenly spaced over its held-out parts."""
        clips = self.kinds[number].held_out
        starts = np.concatenate(
            [np.arange(clip.start, clip.stop - self.samples + 1, self.samples) for clip in clips]
        )
        places = np.linspace(0, len(starts) - 1, min(ASKED, len(starts))).astype(int)
        level = np.float32(from_db(sum(LEVEL_DBFS) / 2))
        return np.stack([level * self._read(int(starts[place])) for place in places])

    def _read(self, start: int) -> NDArray[np.float32]:
        signal = self.recordings.read(start, start + self.samples)
        return signal / np.float32(math.sqrt(float(np.dot(signal, signal)) / len(signal)) + 1e-6)


@torch.no_grad()
def score(net: SceneClassifier, scenes: Scenes) -> dict[str, Any]:
    """Score a classifier on the held-out parts of the recordings.

    Parameters
    ----------
    net
        The classifier, on the CPU, in evaluation mode.
    scenes
        The recordings.

    Returns
    -------
    dict
        ``scene_accuracy``: share of excerpts named rightly, every kind counting alike;
        ``tags_found``: of two kinds mixed at equal level, the share among the two highest tags;
        ``kinds``, ``excerpts``: their numbers.
    """
    asked = [scenes.held_out(number) for number in range(len(scenes.kinds))]
    right = []
    for number, sounds in enumerate(asked):
        scene, _ = net(torch.from_numpy(sounds[:, None]))
        right.append(float((scene.argmax(dim=1) == number).float().mean()))
    found = []
    for number, sounds in enumerate(asked):
        # Neighbours in the alphabet often sound alike; kinds half a list apart do not.
        other = (number + len(asked) // 2) % len(asked)
        count = min(len(sounds), len(asked[other]))
        mixed = torch.from_numpy((sounds[:count] + asked[other][:count])[:, None])
        best = net(mixed)[1].topk(2, dim=1).indices
        found.append(float(((best == number) | (best == other)).float().mean()))
    return {
        "scene_accuracy": round(sum(right) / len(right), 4),
        "tags_found": round(sum(found) / len(found), 4),
        "kinds": len(asked),
        "excerpts": sum(len(sounds) for sounds in asked),
    }
