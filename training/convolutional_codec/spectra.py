"""Short-time spectra that losses and discriminators share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["magnitudes", "spectrum"]


def spectrum(sound: Tensor, window: int) -> Tensor:
    """Return the complex spectrum of Hann windows that follow each other by a quarter.

    Parameters
    ----------
    sound
        float32 (batch, 1, samples), at least ``window`` of them.
    window
        Samples of a frame.

    Returns
    -------
    Tensor
        complex64 (batch, window // 2 + 1, ceil(4 * samples / window)): the number of frames is
        that of the hops, the ends are mirrored.
    """
    hop = window // 4
    side = (window - hop) // 2
    padded = functional.pad(sound, (side, side + -sound.shape[-1] % hop), "reflect")
    return torch.stft(
        padded[:, 0],
        window,
        hop,
        window=torch.hann_window(window, device=sound.device),
        center=False,
        return_complex=True,
    )


def magnitudes(sound: Tensor, window: int) -> Tensor:
    """Return the magnitudes of a spectrum, with a gradient that is finite in silence.

    Parameters
    ----------
    sound, window
        As for `spectrum`.
    """
    parts = torch.view_as_real(spectrum(sound, window))
    return parts.square().sum(-1).clamp(min=1e-14).sqrt()
