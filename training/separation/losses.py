"""How far separated stems are from the true ones, whether they sound or rest."""

from __future__ import annotations

import torch
from torch import Tensor

from rtaudio.models.stems import STEMS

__all__ = ["BASS", "OTHER", "joined", "stem_loss"]

FLOOR = 3e-3
"""Errors of 25 dB below the mixture are as good as none: less would be about stems that rest."""
SILENCE = 1e-8
BASS, OTHER = STEMS.index("bass"), STEMS.index("other")


def joined(stems: Tensor, merged: Tensor) -> Tensor:
    """Move the bass into ``other`` where it may be there already.

    Parameters
    ----------
    stems
        (batch, stems, channels, samples), in the order of `rtaudio.models.stems.STEMS`.
    merged
        bool (batch,).
    """
    share = merged.to(stems.dtype)[:, None, None]
    vocals, drums, bass, other = stems.unbind(dim=1)
    return torch.stack([vocals, drums, bass * (1 - share), other + bass * share], dim=1)


def stem_loss(estimates: Tensor, targets: Tensor, treble: float = 0.0) -> Tensor:
    """Return the power of the errors relative to that of the mixture, in dB, per excerpt and stem.

    The logarithm makes it a matter of ratios, as the ear has it; that to the mixture lets it score
    stems that rest.

    Parameters
    ----------
    estimates, targets
        (batch, stems, channels, samples).
    treble
        Weight of the same loss of the first differences.

    Returns
    -------
    Tensor
        (batch, stems).

    Notes
    -----
    Wisdom et al.: What's all the fuss about free universal sound separation data?, ICASSP 2021.

    Examples
    --------
    >>> target = torch.ones(1, 2, 1, 4)
    >>> stem_loss(torch.zeros(1, 2, 1, 4), target).round(decimals=1)
    tensor([[-6., -6.]])
    """
    loss = _error_db(estimates, targets)
    if treble:
        high = _error_db(estimates.diff(dim=-1), targets.diff(dim=-1))
        loss = (loss + treble * high) / (1 + treble)
    return loss


def _error_db(estimates: Tensor, targets: Tensor) -> Tensor:
    mixture = targets.sum(dim=1, keepdim=True).square().mean(dim=(2, 3))
    # Stems that cancel each other must not make an error of any size count for nothing.
    mixture = torch.maximum(
        mixture, targets.square().mean(dim=(2, 3)).amax(dim=1, keepdim=True) / 4
    )
    error = (estimates - targets).square().mean(dim=(2, 3))
    return 10 * torch.log10((error + FLOOR * mixture + SILENCE) / (mixture + SILENCE))
