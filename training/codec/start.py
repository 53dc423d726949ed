"""The start of a codec: principal axes and k-means make it work before any training."""

from __future__ import annotations

import torch
from torch import Tensor

from training.models.codec import Codec

__all__ = ["start_codec"]


@torch.no_grad()
def start_codec(codec: Codec, x: Tensor) -> None:
    """Set statistics, linear paths and books of a codec from audio.

    The linear paths become the principal axes of levels and shape, and back.

    Parameters
    ----------
    codec
        The codec, which is changed.
    x
        float32 (batch, 1, frames * hop), of at least as many frames as a book has entries.

    Examples
    --------
    >>> codec = Codec(rate_hz=16000, entries=64)
    >>> start_codec(codec, torch.randn(10, 1, 320 * 10))
    >>> codes, _ = codec.encode(torch.randn(1, 1, 3200), codec.encoder_state(), books=24)
    >>> tuple(codes.shape), bool((codes >= 0).all())
    ((1, 24, 10), True)
    """
    silence = codec.encoder_state(len(x))
    coefficients, _ = codec.mdct.analyse(x[:, 0], silence["past"])
    codec.level_mean.zero_()
    codec.shape_gain.fill_(1)
    shape, levels = codec.features(coefficients)
    codec.level_mean.copy_(levels.mean(dim=(0, 1)))
    codec.shape_gain.copy_(1 / shape.square().mean().sqrt())
    dims = codec.level_quantiser.dims
    codec.level_axes.copy_(_principal_axes(levels - codec.level_mean, dims))
    axes = _principal_axes(shape * codec.shape_gain, codec.shape_quantiser.dims)
    for net in (codec.encoder, codec.decoder):
        net.skip.weight.zero_()
        net.skip.bias.zero_()
    codec.encoder.skip.weight[:, : codec.hop] = axes.T
    codec.decoder.skip.weight[: codec.hop, dims:] = axes
    codec.decoder.skip.weight[codec.hop :, :dims] = codec.level_axes
    levels, shape, _ = codec.latents(x, silence)
    codec.level_quantiser.start(levels)
    codec.shape_quantiser.start(shape.reshape(-1, shape.shape[2]))


def _principal_axes(frames: Tensor, count: int) -> Tensor:
    """Return the ``count`` strongest axes of frames (batch, frames, dims), as (dims, count)."""
    flat = frames.reshape(-1, frames.shape[2])
    axes: Tensor = torch.linalg.eigh((flat.T @ flat / len(flat)).double())[1]
    return axes[:, -count:].flip(1).float()
