"""The level of a signal so far, by which a spectral net divides what it hears."""

from __future__ import annotations

import torch
from torch import Tensor

from export.streaming import State
from training.models.fading import faded

__all__ = ["running_level"]


def running_level(power: Tensor, state: State, decay: float) -> tuple[Tensor, Tensor, State]:
    """Return the faded sum of all powers so far, and that of their weights, for every frame.

    Their quotient is the level: a running mean that is right from the first frame on.

    Parameters
    ----------
    power
        float32 (batch, frames).
    state
        ``level`` and ``weight``, (batch, 1) each; zeros at the start.
    decay
        What is left of a frame in the next one, 0 .. 1.

    Returns
    -------
    level, weight, following
        (batch, frames) each, and the state for the next block.

    Examples
    --------
    >>> zeros = {"level": torch.zeros(1, 1), "weight": torch.zeros(1, 1)}
    >>> level, weight, _ = running_level(torch.tensor([[2.0, 2.0, 4.0]]), zeros, 0.5)
    >>> [round(mean, 2) for mean in (level / weight)[0].tolist()]
    [2.0, 2.0, 3.14]
    """
    weighed = torch.stack([power, torch.ones_like(power)], dim=-1)
    sums = faded(weighed, torch.cat([state["level"], state["weight"]], dim=-1), decay)
    level, weight = sums.unbind(dim=-1)
    return level, weight, {"level": level[:, -1:], "weight": weight[:, -1:]}
