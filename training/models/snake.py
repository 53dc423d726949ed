"""Snake: an activation that is periodic and still monotonic, for sounds that are periodic."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from typing_extensions import override

__all__ = ["Snake", "snake_variance"]

_EPSILON = 1e-9


class Snake(nn.Module):
    """x + sin²(αx) / α with one learnt α per channel, 1 at first.

    Parameters
    ----------
    channels
        Channels of the input, float32 (batch, channels, samples).

    Notes
    -----
    A small constant beside α keeps the quotient finite: as α goes to 0, the layer becomes the
    identity. Ziyin, Hartwig, Ueda: Neural networks fail to learn periodic functions and how to fix
    it, NeurIPS 2020.

    Examples
    --------
    >>> [round(y, 4) for y in Snake(1)(torch.tensor([[[0.0, 1.0]]]))[0, 0].tolist()]
    [0.0, 1.7081]
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        sine = torch.sin(self.alpha * x)
        return x + sine * sine * (self.alpha + _EPSILON).reciprocal()


def snake_variance(alpha: float) -> float:
    """Return the variance of `Snake`'s output for standard normal input.

    It is largest, 1.2036, at α = 0.56045, and 1 for α = 0 and for large α.

    Examples
    --------
    >>> round(snake_variance(0.56045), 5)
    1.20363
    """
    if alpha == 0:
        return 1.0
    square = alpha * alpha
    return 1 + (1 + math.exp(-8 * square) - 2 * math.exp(-4 * square)) / (8 * square)
