"""Pairs of dry and wet takes, and the excerpts a training epoch is made of."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from rtaudio.models.nam import read_nam
from training.config import ConfigError, DataConfig, ScheduleConfig
from training.teacher import Teacher

__all__ = ["Split", "Take", "excerpts", "load_split"]

NOISE = "(noise)"
"""Name of the take that is made up."""


@dataclass(frozen=True)
class Take:
    """One recording: ``dry`` and ``wet``, each (samples,), aligned to the sample."""

    name: str
    dry: NDArray[np.float32]
    wet: NDArray[np.float32]


@dataclass(frozen=True)
class Split:
    """Whole takes, each in one part only, at one rate in hertz."""

    train: tuple[Take, ...]
    validation: tuple[Take, ...]
    test: tuple[Take, ...]
    sample_rate: int


def load_split(data: DataConfig) -> Split:
    """Read the dry takes and render the wet ones, or fetch them from the cache of renders.

    Raises
    ------
    ConfigError
        A take that is not mono or not at the rate of the capture.
    rtaudio.models.capture.CaptureError
        The capture cannot be read.
    """
    root = Path(data.root)
    capture_path = root / data.teacher
    capture = read_nam(capture_path)
    rate = capture.sample_rate
    teacher = Teacher(capture)
    stamp = hashlib.sha256(capture_path.read_bytes()).hexdigest()
    parts: dict[str, list[Take]] = {"train": [], "validation": [], "test": []}
    wanted = [(part, name) for part in parts for name in getattr(data, part)]
    if data.noise_seconds:
        wanted.append(("train", NOISE))
    for part, name in track(wanted, description=f"rendering {capture_path.stem}"):
        if name == NOISE:
            dry = _noise(data.noise_seconds, rate)
        else:
            dry = _read(root / data.takes / f"{name}.flac", rate)
        wet = _cached(teacher, dry, stamp)
        advance = data.advance_samples
        parts[part].append(Take(name, dry[: len(dry) - advance], wet[advance:]))
    return Split(
        train=tuple(parts["train"]), validation=tuple(parts["validation"]),
        test=tuple(parts["test"]), sample_rate=rate,
    )


def _read(path: Path, rate: int) -> NDArray[np.float32]:
    dry, found = soundfile.read(path, dtype="float32")
    if dry.ndim != 1 or found != rate:
        raise ConfigError(
            f"{path}: wanted mono at {rate} Hz, the rate of the capture; convert it first"
        )
    return dry


def _noise(seconds: int, rate: int) -> NDArray[np.float32]:
    """White noise, each second at another level from -50 to -10 dB (RMS)."""
    generator = np.random.default_rng(0)
    levels = 10 ** (generator.uniform(-50, -10, (seconds, 1)) / 20)
    noise = generator.standard_normal((seconds, rate)) * levels
    return noise.ravel().astype(np.float32)


def _cached(teacher: Teacher, dry: NDArray[np.float32], stamp: str) -> NDArray[np.float32]:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "rtaudio" / "renders"
    key = hashlib.sha256(stamp.encode() + dry.tobytes()).hexdigest()[:32]
    path = folder / f"{key}.npy"
    if path.is_file():
        wet = np.load(path, allow_pickle=False)
        if wet.shape == dry.shape and wet.dtype == np.float32:
            return wet
    wet = teacher(dry)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".npy", delete=False) as file:
        np.save(file, wet)
    os.replace(file.name, path)
    return wet


def excerpts(
    takes: tuple[Take, ...], schedule: ScheduleConfig, *, seed: int, epoch: int
) -> list[tuple[Tensor, Tensor]]:
    """Batches of one epoch: (dry, wet), each (batch, 1, warm-up + excerpt).

    Every take is cut from a random start, so that no two epochs have the same borders. The
    excerpts depend on ``seed`` and ``epoch`` alone: a resumed run goes on as if never stopped.
    """
    generator = np.random.default_rng([seed, epoch])
    length = schedule.warmup_samples + schedule.excerpt_samples
    pieces: list[tuple[Take, int]] = []
    for take in takes:
        latest = max(1, min(schedule.excerpt_samples, len(take.dry) - length))
        first = int(generator.integers(latest))
        starts = range(first, len(take.dry) - length + 1, schedule.excerpt_samples)
        pieces += [(take, start) for start in starts]
    if len(pieces) < schedule.batch:
        raise ConfigError(
            f"schedule.batch: {schedule.batch} excerpts of {length} samples are more than the "
            f"training takes hold ({len(pieces)}); lower batch or excerpt_samples"
        )
    order = generator.permutation(len(pieces))
    batches = []
    # A last, smaller batch would get as large a step as the others; its excerpts wait instead.
    for row in range(0, len(pieces) - schedule.batch + 1, schedule.batch):
        chosen = [pieces[i] for i in order[row : row + schedule.batch]]
        dry = np.stack([take.dry[at : at + length] for take, at in chosen])
        wet = np.stack([take.wet[at : at + length] for take, at in chosen])
        batches.append((torch.from_numpy(dry)[:, None], torch.from_numpy(wet)[:, None]))
    return batches
