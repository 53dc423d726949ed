"""Teach a feature net what surroundings sound like: the frozen ear of `FeatureLoss`.

What a run leaves behind::

    config.json    what was asked for
    train.log      what was said
    features.pt    the trained net; also the kinds of noise that it knows
    metrics.json   how many held-out excerpts it names rightly, time spent
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from rtaudio.atomic import replacing
from rtaudio.view.terminal import progress
from training.config import ConfigError
from training.denoise.corpus import Clip, Collection, cache_folder, load_corpus
from training.denoise.features import FeatureNet
from training.denoise.scene_config import SceneConfig
from training.run import SAID, logging_to, pick_device

__all__ = ["SceneClassifier", "Scenes", "scene_run"]

LOG = logging.getLogger("training")

LEVEL_DBFS = (-35.0, -20.0)
MIX_DB = 6.0
"""How much louder one of two mixed noises is at most."""

ASKED = 6
"""Held-out excerpts of each kind."""


class SceneClassifier(nn.Module):
    """A feature net, averaged over time, and what it is asked about ``kinds`` of noise.

    Two answers of shape (batch, kinds): which one it is (scene), and which ones occur (tags), both
    before softmax and sigmoid. All layers answer together, so that the first ones, which a loss
    compares, learn as fast as the last.
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
    """Excerpts of noise and what they are of: the kinds long enough to be split.

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
        """Return sounds (size, 1, samples) and what is in them (size, kinds), 0 or 1.

        The first half is of one kind each, the second half of two at once.
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
                sounds[row] += _ratio(gain_db) * self._read(start)
                present[row, number] = 1
            sounds[row] *= _ratio(generator.uniform(*LEVEL_DBFS))
        return torch.from_numpy(sounds[:, None]), torch.from_numpy(present)

    def held_out(self, number: int) -> NDArray[np.float32]:
        """Return excerpts of a kind, evenly spaced over what is held out of it."""
        clips = self.kinds[number].held_out
        starts = np.concatenate(
            [np.arange(clip.start, clip.stop - self.samples + 1, self.samples) for clip in clips]
        )
        places = np.linspace(0, len(starts) - 1, min(ASKED, len(starts))).astype(int)
        level = _ratio(sum(LEVEL_DBFS) / 2)
        return np.stack([level * self._read(int(starts[place])) for place in places])

    def _read(self, start: int) -> NDArray[np.float32]:
        signal = self.recordings.read(start, start + self.samples)
        return signal / np.float32(math.sqrt(float(np.dot(signal, signal)) / len(signal)) + 1e-6)


def scene_run(config: SceneConfig, *, device: str = "auto", show: bool = True) -> dict[str, Any]:
    """Train a classifier of scenes and tags, score it, and keep its features.

    Parameters
    ----------
    config
        The run. It takes minutes, so there is no resuming.
    device
        Where to compute; see `training.run.pick_device`.
    show
        Show progress.

    Returns
    -------
    dict
        What ``metrics.json`` holds; see `score`.

    Raises
    ------
    ConfigError
        The run folder holds a run already, or the recordings do not do.
    """
    folder, schedule = config.run_folder, config.schedule
    if (folder / "features.pt").exists():
        raise ConfigError(f"{folder} holds a run already; start anew with --out")
    place = pick_device(device)
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(config.seed)
    data = config.data
    cache = Path(data.cache) if data.cache else cache_folder()
    corpus = load_corpus(Path(data.root), data.rate_hz, "train", cache)
    scenes = Scenes(corpus.noise, data.excerpt_samples, data.held_out)
    net = SceneClassifier(len(scenes.kinds)).to(place)
    optimizer = torch.optim.Adam(net.parameters(), lr=schedule.learning_rate)
    shape = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.steps)
    generator = np.random.default_rng(config.seed)
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(folder / "config.json", config.model_dump_json(indent=2))
    begun = (time.monotonic(), time.process_time())
    with logging_to(folder / "train.log", show), progress(show) as bar:
        LOG.log(
            SAID,
            "training %s: %d kinds of noise, on %s",
            config.name,
            len(scenes.kinds),
            place.type,
        )
        line = bar.add_task(config.name, total=schedule.steps)
        for step in range(1, schedule.steps + 1):
            sounds, present = (t.to(place) for t in scenes.batch(generator, schedule.batch))
            loss = _loss(net, sounds, present)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            shape.step()
            bar.update(line, completed=step)
            if step % 100 == 0:
                LOG.info("step %d of %d: loss %.3f", step, schedule.steps, loss.item())
        metrics = {
            **score(net.cpu().eval(), scenes),
            "steps": schedule.steps,
            "wall_minutes": round((time.monotonic() - begun[0]) / 60, 1),
            "cpu_minutes": round((time.process_time() - begun[1]) / 60, 1),
        }
        LOG.log(
            SAID,
            "of %d held-out excerpts %.0f %% named rightly (chance: %.1f %%); of two "
            "mixed kinds %.0f %% found",
            metrics["excerpts"],
            100 * metrics["scene_accuracy"],
            100 / len(scenes.kinds),
            100 * metrics["tags_found"],
        )
    with replacing(folder / "features.pt") as temporary:
        torch.save(
            {
                "features": net.features.state_dict(),
                "kinds": [kind.name for kind in scenes.kinds],
                "rate_hz": data.rate_hz,
                "license": config.license,
                "source": config.source,
                "metrics": metrics,
            },
            temporary,
        )
    _write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    return metrics


def _loss(net: SceneClassifier, sounds: Tensor, present: Tensor) -> Tensor:
    """Cross-entropy of the scene for the first half, of every tag for the second."""
    scene, tags = net(sounds)
    half = len(sounds) // 2
    which = functional.cross_entropy(scene[:half], present[:half].argmax(dim=1))
    binary = functional.binary_cross_entropy_with_logits(tags[half:], present[half:])
    # Nearly all tags are absent; as a sum over them, the two that are not weigh like a scene.
    return which + binary * present.shape[1] / 2


@torch.no_grad()
def score(net: SceneClassifier, scenes: Scenes) -> dict[str, Any]:
    """Ask an evaluated classifier about stretches of the recordings that it has not heard.

    Returns
    -------
    dict
        ``scene_accuracy``: share of excerpts named rightly, every kind counting alike;
        ``tags_found``: two kinds mixed at equal level, share of them among the two highest tags;
        ``kinds``, ``excerpts``: how many.
    """
    asked = [scenes.held_out(number) for number in range(len(scenes.kinds))]
    right = []
    for number, sounds in enumerate(asked):
        scene, _ = net(torch.from_numpy(sounds[:, None]))
        right.append(float((scene.argmax(dim=1) == number).float().mean()))
    found = []
    for number, sounds in enumerate(asked):
        # Neighbours by name are often alike; a kind far down the list is not.
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


def _ratio(db: float) -> np.float32:
    return np.float32(10 ** (db / 20))


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
