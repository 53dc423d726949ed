"""The excerpts of takes that an epoch trains on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.config import ConfigError
from training.guitar.config import ScheduleConfig
from training.guitar.data import Take

__all__ = ["Batch", "excerpts"]


class Batch(NamedTuple):
    """Excerpts side by side: ``dry`` and ``wet`` (batch, 1, samples), ``knobs`` (batch, K)."""

    dry: Tensor
    wet: Tensor
    knobs: Tensor


def excerpts(
    takes: Sequence[Take], schedule: ScheduleConfig, *, seed: int, epoch: int
) -> list[Batch]:
    """Cut the batches of one epoch.

    Every take is cut from a random start, so that no two epochs have the same borders.

    Parameters
    ----------
    takes
        The training takes.
    schedule
        Length of excerpt and warm-up, and the batch size.
    seed, epoch
        The excerpts depend on these two alone, so that a resumed run hears the same as an unbroken
        one.

    Returns
    -------
    list of Batch
        Excerpts of ``warmup_samples + excerpt_samples``.

    Raises
    ------
    ConfigError
        The takes may hold less than one batch.
    """
    generator = np.random.default_rng([seed, epoch])
    length = schedule.warmup_samples + schedule.excerpt_samples
    pieces: list[tuple[Take, int]] = []
    fewest = 0
    for take in takes:
        # Samples count after the warm-up only; none of those to skip may count.
        earliest = max(0, take.skip_samples - schedule.warmup_samples)
        room = len(take.dry) - length - earliest
        choices = max(1, min(schedule.excerpt_samples, room))
        end = len(take.dry) - length + 1
        first = earliest + int(generator.integers(choices))
        pieces += [(take, start) for start in range(first, end, schedule.excerpt_samples)]
        fewest += len(range(earliest + choices - 1, end, schedule.excerpt_samples))
    # Judged by the worst cut, so that a run fails before its first epoch or never.
    if fewest < schedule.batch:
        raise ConfigError(
            f"schedule.batch: {schedule.batch} excerpts of {length} samples are more than the "
            f"training takes are sure to hold ({fewest}); lower batch or excerpt_samples"
        )
    order = generator.permutation(len(pieces))
    batches = []
    # A smaller last batch would make as large a step as the others, so it is left out.
    for row in range(0, len(pieces) - schedule.batch + 1, schedule.batch):
        chosen = [pieces[i] for i in order[row : row + schedule.batch]]
        dry = np.stack([take.dry[at : at + length] for take, at in chosen])
        wet = np.stack([take.wet[at : at + length] for take, at in chosen])
        knobs = torch.tensor([take.knobs for take, _ in chosen], dtype=torch.float32)
        batches.append(Batch(torch.from_numpy(dry)[:, None], torch.from_numpy(wet)[:, None], knobs))
    return batches
