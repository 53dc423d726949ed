"""A codec's pass in training: quantised forward, as if there were no quantiser backward."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from training.models.codec import Codec

__all__ = ["straight_through"]


def straight_through(codec: Codec, x: Tensor, depths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Encode and decode; in training mode the books learn.

    Parameters
    ----------
    codec
        The codec.
    x
        float32 (batch, 1, frames * hop).
    depths
        Number of books of each item, which must not fall.

    Returns
    -------
    y, commitment
        The output, and the mean square error of the quantised shape.

    Notes
    -----
    Bengio, Leonard, Courville: Estimating or propagating gradients through stochastic neurons for
    conditional computation, arXiv 1308.3432, 2013.
    """
    levels, shape, _ = codec.latents(x, codec.encoder_state(len(x)))
    with torch.no_grad():
        levels = codec.level_quantiser.learn_frames(levels)
        left = [depth - codec.level_books for depth in depths]
        quantised = codec.shape_quantiser(shape.detach(), left)
    through = shape + (quantised - shape).detach()
    y, _ = codec.synthesis(levels, through, codec.decoder_state(len(x)))
    return y, functional.mse_loss(shape, quantised)
