"""Losses of an effect: the error relative to the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from auraloss.freq import MultiResolutionSTFTLoss
from torch import Tensor

__all__ = ["LOSSES", "effect_loss", "error_to_signal"]

PRE_EMPHASIS = 0.85
_FLOOR = 0.1


def error_to_signal(output: Tensor, target: Tensor) -> Tensor:
    """Return the plain error-to-signal ratio, sum (y - t)^2 / sum t^2, over the last axis.

    Parameters
    ----------
    output, target
        float32 of shape (..., samples).

    Examples
    --------
    >>> import torch
    >>> error_to_signal(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 2.0])).item()
    0.20000000298023224
    """
    return (output - target).square().sum(-1) / target.square().sum(-1)


def sharp_esr(output: Tensor, target: Tensor) -> Tensor:
    """Return the ESR of the pre-emphasised signals y[n] - 0.85 y[n-1]: ears weigh treble more.

    Every excerpt is divided by its own energy, so that soft playing counts as much as loud. The
    floor is a tenth of the batch's mean energy: below it an excerpt is mostly silence, and its
    ratio mostly noise.

    Parameters
    ----------
    output, target
        As for `effect_loss`.
    """
    error = output - target
    sharp = error[..., 1:] - PRE_EMPHASIS * error[..., :-1]
    sharp_target = target[..., 1:] - PRE_EMPHASIS * target[..., :-1]
    return _ratio(sharp.square().mean(-1), sharp_target.square().mean(-1))


def dc(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean of the error, relative to the energy of the target.

    Parameters
    ----------
    output, target
        As for `effect_loss`.
    """
    return _ratio((output - target).mean(-1).square(), target.square().mean(-1))


def mean_square(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean square of the error, which favours loud passages.

    Parameters
    ----------
    output, target
        As for `effect_loss`.
    """
    return (output - target).square().mean()


def spectra(output: Tensor, target: Tensor) -> Tensor:
    """Return the distance of the magnitude spectra at three resolutions, without phase.

    Parameters
    ----------
    output, target
        As for `effect_loss`.
    """
    loss: Tensor = _multi_resolution(str(output.device))(output, target)
    return loss


@lru_cache
def _multi_resolution(device: str) -> torch.nn.Module:
    loss: torch.nn.Module = MultiResolutionSTFTLoss().to(device)
    return loss


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "esr": sharp_esr,
    "dc": dc,
    "mse": mean_square,
    "mrstft": spectra,
}
"""Terms by their name in a configuration."""


def effect_loss(output: Tensor, target: Tensor, weights: Mapping[str, float]) -> Tensor:
    """Return the weighted sum of terms of `LOSSES`.

    Parameters
    ----------
    output, target
        float32 of shape (batch, channels, samples), aligned.
    weights
        Weights by name of the term.

    Notes
    -----
    Wright, Välimäki: Perceptual loss function for neural modelling of audio systems, ICASSP 2020
    (``esr`` and ``dc``; pre-emphasis as in the authors' code). Yamamoto, Song, Kim: Parallel
    WaveGAN, ICASSP 2020 (``mrstft``, as implemented by auraloss).
    """
    terms = [weight * LOSSES[name](output, target) for name, weight in weights.items()]
    return torch.stack(terms).sum()


def _ratio(error: Tensor, energy: Tensor) -> Tensor:
    return (error / (energy + _FLOOR * energy.mean() + 1e-8)).mean()
