"""Running means over frames that go on from one block to the next."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["faded"]


def faded(values: Tensor, last: Tensor, decay: float | Tensor) -> Tensor:
    """Return the running mean of values for every frame; newer ones weigh more.

    All frames at once: a product with a matrix of weights, in float32 whatever the precision of the
    products around it.

    Parameters
    ----------
    values
        float32 (batch, frames, places).
    last
        The running mean before the first of them, (batch, places).
    decay
        What is left of the mean after a frame, 0 .. 1. Several, (count, 1, 1), make as many means:
        of values (batch, 1 or count, frames, places), with ``last`` (batch, count, places).

    Returns
    -------
    Tensor
        (batch, frames, places), or (batch, count, frames, places).

    Examples
    --------
    >>> faded(torch.ones(1, 3, 1), torch.zeros(1, 1), 0.5)[0, :, 0]
    tensor([0.5000, 0.7500, 0.8750])
    """
    if values.shape[-2] == 1:  # as in a graph
        return (1 - decay) * values + decay * last[..., None, :]
    steps = torch.arange(values.shape[-2], device=values.device, dtype=torch.float32)
    ages = steps[:, None] - steps
    kernel = (1 - decay) * torch.where(ages < 0, torch.zeros_like(ages), decay ** ages.clamp(min=0))
    with torch.autocast(values.device.type, enabled=False):
        return kernel @ values.float() + decay ** (steps[:, None] + 1) * last[..., None, :]
