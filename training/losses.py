"""Losses and scores of an effect: the error beside the signal that was asked for."""

from __future__ import annotations

from torch import Tensor

__all__ = ["amp_loss", "error_to_signal"]

PRE_EMPHASIS = 0.85
ESR_WEIGHT = 0.75
DC_WEIGHT = 0.25
_FLOOR = 0.1


def error_to_signal(output: Tensor, target: Tensor) -> Tensor:
    """Plain error-to-signal ratio, sum (y - t)^2 / sum t^2, over the last axis.

    Examples
    --------
    >>> import torch
    >>> error_to_signal(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 2.0])).item()
    0.20000000298023224
    """
    return (output - target).square().sum(-1) / target.square().sum(-1)


def amp_loss(output: Tensor, target: Tensor) -> Tensor:
    """0.75 ESR of the pre-emphasised signals + 0.25 ESR of their means.

    Shape: (batch, channels, samples) each. Every excerpt is weighed by its own energy, so that
    soft playing counts as much as loud, down to a tenth of the batch's mean energy: below that
    an excerpt is mostly silence, and its ratio mostly noise.

    Notes
    -----
    Wright, Välimäki: Perceptual loss function for neural modelling of audio systems, ICASSP 2020
    (pre-emphasis y[n] - 0.85 y[n-1] as in the authors' code).
    """
    error = output - target
    sharp = error[..., 1:] - PRE_EMPHASIS * error[..., :-1]
    sharp_target = target[..., 1:] - PRE_EMPHASIS * target[..., :-1]
    ratio = _ratio(sharp.square().mean(-1), sharp_target.square().mean(-1))
    offset = _ratio(error.mean(-1).square(), target.square().mean(-1))
    return ESR_WEIGHT * ratio + DC_WEIGHT * offset


def _ratio(error: Tensor, energy: Tensor) -> Tensor:
    return (error / (energy + _FLOOR * energy.mean() + 1e-8)).mean()
