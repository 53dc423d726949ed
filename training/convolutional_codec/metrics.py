"""Figures of a codec: spectral distance, waveform distance, and use of the codebooks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.convolutional_codec.spectra import magnitudes
from training.denoise.losses import si_sdr_db as _si_sdr_db

__all__ = ["bitrate_efficiency", "si_sdr_db", "stft_distance"]

WINDOWS = (2048, 512)
FLOOR = 1e-5


def stft_distance(output: Tensor, target: Tensor) -> Tensor:
    """Return the distance of spectra: of log10 powers, plus of magnitudes, over two windows.

    Parameters
    ----------
    output, target
        float32 (batch, 1, samples).
    """
    total = output.new_zeros(())
    for window in WINDOWS:
        a, b = magnitudes(output, window), magnitudes(target, window)
        logs = [2 * torch.log10(each.clamp(min=FLOOR)) for each in (a, b)]
        total = total + (logs[0] - logs[1]).abs().mean() + (a - b).abs().mean()
    return total


def si_sdr_db(output: Tensor, target: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio of sounds without their means, in dB.

    Parameters
    ----------
    output, target
        float32 (..., samples).
    """
    output, target = (sound - sound.mean(-1, keepdim=True) for sound in (output, target))
    return _si_sdr_db(output, target)


def bitrate_efficiency(codes: Tensor, codebook_size: int) -> float:
    """Return the share of the bits that carry information: entropies of all books over their bits.

    Entries that are all used equally often give 1, and one entry alone 0. With few frames it is
    too low: entropy cannot exceed the logarithm of their number.

    Parameters
    ----------
    codes
        int64 (batch, codebooks, frames), of as much sound as there is.
    codebook_size
        Entries of a book.

    Examples
    --------
    >>> bitrate_efficiency(torch.arange(64).reshape(1, 1, 64) % 16, 16)
    1.0
    """
    entropies_bits = 0.0
    for book in codes.unbind(1):
        share = torch.bincount(book.flatten(), minlength=codebook_size).double() / book.numel()
        entropies_bits -= float(torch.special.xlogy(share, share).sum()) / math.log(2)
    return entropies_bits / (codes.shape[1] * (codebook_size - 1).bit_length())
