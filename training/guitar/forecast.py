"""What a training of a capture will take on this machine, and how good it may get, by size."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from rtaudio.models.read import read_onnx
from rtaudio.shipped import shipped_models
from training.guitar.captures import SIZES, capture_config
from training.guitar.scores import scores
from training.guitar.task import AmpTask

__all__ = ["Forecast", "forecast"]

PROBE_S = 1.0
"""Time spent on the first updates of each size."""


class Forecast(NamedTuple):
    """The expectation for one size.

    Attributes
    ----------
    size
        A key of `training.guitar.captures.SIZES`.
    minutes
        Duration of the whole training, from its first updates on this machine.
    esr
        Error-to-signal ratios on held-out takes of the shipped models with a net of this size, by
        name.
    """

    size: str
    minutes: float
    esr: dict[str, float]

    def __str__(self) -> str:
        known = ", ".join(f"{name} {esr:.2g}" for name, esr in self.esr.items())
        about = f"ESR of shipped models of this size: {known}" if known else "no shipped model"
        return f"--size {self.size:<6} about {_duration(self.minutes)}; {about}"


def forecast(
    folders: Sequence[Path], place: torch.device, *, epochs: int | None = None, threads: int = 1
) -> Iterator[Forecast]:
    """Yield what each size will take; the random state is as before afterwards.

    Parameters
    ----------
    folders
        The captures.
    place
        Where it will be computed.
    epochs
        Number of epochs; None: the default.
    threads
        Number of threads of the training.
    """
    former = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for size in SIZES:
            with torch.random.fork_rng(devices=[]):
                task = AmpTask(capture_config(folders, size=size, epochs=epochs), place, show=False)
                yield Forecast(size, _seconds(task) / 60, _shipped_esr(SIZES[size]))
    finally:
        torch.set_num_threads(former)


def _seconds(task: AmpTask) -> float:
    """Return the expected duration of a training from a second of its updates."""
    batch = task.batches(0)[0]
    updates = task.updates(batch)
    next(updates)  # the first one also warms up
    began, count = time.perf_counter(), 0
    for _ in updates:
        count += 1
        if time.perf_counter() - began > PROBE_S:
            break
    update_s = (time.perf_counter() - began) / max(1, count)
    return update_s * task.steps * task.updates_per_step + task.epochs * _validation_s(task)


def _validation_s(task: AmpTask) -> float:
    """Return the duration of one validation, from a part of the first take."""
    takes = task.split.validation
    frames = min(task.split.rate_hz, len(takes[0].dry))
    part = replace(takes[0], dry=takes[0].dry[:frames], wet=takes[0].wet[:frames], skip_samples=0)
    began = time.perf_counter()
    scores(task.net.eval(), [part])
    took_s = time.perf_counter() - began
    return took_s * sum(len(take.dry) for take in takes) / frames


@cache
def _cards() -> dict[str, tuple[str, int, float]]:
    """Return kind of net, units and error of each shipped model of an amp or pedal."""
    cards = {name: read_onnx(file).card for name, file in shipped_models().items()}
    return {
        name: (
            str(card.architecture["type"]),
            int(card.architecture["hidden"]),
            float(card.metrics["esr_mean"]),
        )
        for name, card in cards.items()
        if "esr_mean" in card.metrics and "hidden" in card.architecture
    }


def _shipped_esr(net: dict[str, object]) -> dict[str, float]:
    return {
        name: esr
        for name, (kind, hidden, esr) in _cards().items()
        if (kind, hidden) == (net["type"], net["hidden"])
    }


def _duration(minutes: float) -> str:
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
