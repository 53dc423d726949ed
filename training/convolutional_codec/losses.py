"""Adversarial losses by least squares, and the distance of a discriminator's features."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["adversarial_loss", "discriminator_loss", "feature_loss"]

Maps = list[list[Tensor]]
"""Feature maps of each discriminator; the last one is its score."""


def discriminator_loss(fake: Maps, real: Maps) -> Tensor:
    """Return the sum over discriminators of mean(fake²) + mean((1 - real)²) of their scores.

    Parameters
    ----------
    fake, real
        Feature maps for generated sounds, which were detached, and for recorded ones.

    Notes
    -----
    Mao et al.: Least squares generative adversarial networks, ICCV 2017.
    """
    terms = [
        made[-1].square().mean() + (1 - found[-1]).square().mean()
        for made, found in zip(fake, real, strict=True)
    ]
    return torch.stack(terms).sum()


def adversarial_loss(fake: Maps) -> Tensor:
    """Return the generator's sum over discriminators of mean((1 - fake)²) of their scores."""
    return torch.stack([(1 - made[-1]).square().mean() for made in fake]).sum()


def feature_loss(fake: Maps, real: Maps) -> Tensor:
    """Return the sum of mean absolute differences of all feature maps but the scores.

    Parameters
    ----------
    fake, real
        Feature maps for generated and for recorded sounds; no gradient goes to the recorded ones.

    Notes
    -----
    Larsen et al.: Autoencoding beyond pixels using a learned similarity metric, ICML 2016.
    """
    terms = [
        (a - b.detach()).abs().mean()
        for made, found in zip(fake, real, strict=True)
        for a, b in zip(made[:-1], found[:-1], strict=True)
    ]
    return torch.stack(terms).sum()
