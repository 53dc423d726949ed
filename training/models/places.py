"""Places of a spectrum: its low bins one by one, and bands of those above; layers across them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["PlaceConvolution", "PlaceUpsampling", "Places", "fold_norms"]

COMPRESSION = 0.3


class Places(nn.Module):
    """The lowest ``lines`` bins of a spectrum as they are, and ``bands`` triangles above.

    The triangles overlap, and are equally wide on the ERB scale.

    Parameters
    ----------
    window
        Samples of a frame.
    lines, bands
        Number of places of either kind.
    rate_hz
        Samples per second.

    Examples
    --------
    >>> places = Places(240, lines=24, bands=8, rate_hz=48000)
    >>> power = places.power(torch.ones(1, 2, 3, 121))
    >>> tuple(power.shape), tuple(places(power).shape), tuple(places.spread(places(power)).shape)
    ((1, 3, 121), (1, 3, 32), (1, 3, 121))
    """

    to_bands: Tensor
    to_bins: Tensor

    def __init__(self, window: int, *, lines: int, bands: int, rate_hz: int) -> None:
        super().__init__()
        self.lines, self.bands, self.bins = lines, bands, window // 2 + 1
        # A bin of noise has the mean square n_fft / 2 times the mean square of the samples.
        self.scale = 2.0 / window
        weights = _triangles(self.bins - lines, lines, bands, rate_hz / window)
        spread = weights / weights.sum(axis=0)
        mean = (weights / weights.sum(axis=1, keepdims=True)).T
        self.register_buffer("to_bands", torch.tensor(mean, dtype=torch.float32), persistent=False)
        self.register_buffer("to_bins", torch.tensor(spread, dtype=torch.float32), persistent=False)

    def __len__(self) -> int:
        return self.lines + self.bands

    def power(self, x: Tensor) -> Tensor:
        """Return the power of spectra (batch, 2, frames, bins), (batch, frames, bins)."""
        return self.scale * x.square().sum(dim=1)

    def forward(self, bins: Tensor) -> Tensor:
        """Return the mean of each place, (..., places), of values by bin, (..., bins)."""
        low, high = bins[..., : self.lines], bins[..., self.lines :]
        return torch.cat([low, high @ self.to_bands], -1)

    def spread(self, values: Tensor) -> Tensor:
        """Return values by bin, (..., bins), of values by place, (..., places)."""
        low, high = values[..., : self.lines], values[..., self.lines :]
        return torch.cat([low, high @ self.to_bins], -1)

    def compressed(self, x: Tensor, power: Tensor, gain: Tensor) -> Tensor:
        """Return the magnitude to the power of 0.3, and real and imaginary part of the lines.

        Parameters
        ----------
        x
            Spectra, float32 (batch, 2, frames, bins).
        power
            Their power by place, (batch, frames, places).
        gain
            Factor of the power, (batch, frames, 1).

        Returns
        -------
        Tensor
            (batch, 3, frames, places); the parts are 0 in the bands.
        """
        magnitude = (power * gain + 1e-6) ** (COMPRESSION / 2)
        low = x[..., : self.lines] * (self.scale * gain[:, None]) ** 0.5
        shrunk = low * (magnitude[..., : self.lines] ** (1 - 1 / COMPRESSION))[:, None]
        return torch.cat([magnitude[:, None], functional.pad(shrunk, (0, self.bands))], dim=1)


class PlaceConvolution(nn.Module):
    """Across neighbouring places and past frames.

    Parameters
    ----------
    inputs, outputs
        Channels.
    frames, width
        Taps over time, this frame included, and over places.
    stride
        Places in for one place out.
    """

    def __init__(
        self, inputs: int, outputs: int, *, frames: int, width: int, stride: int = 2
    ) -> None:
        super().__init__()
        self.inputs, self.frames = inputs, frames
        self.conv = nn.Conv2d(
            inputs, outputs, (frames, width), (1, stride), padding=(0, width // 2), bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the output, and the frames that the next call needs as ``past``, if any."""
        seen = x if past is None else torch.cat([past, x], dim=2)
        rest = None if past is None else seen[:, :, -(self.frames - 1) :]
        return functional.relu(self.norm(self.conv(seen))), rest


class PlaceUpsampling(nn.Module):
    """Doubles the places.

    Parameters
    ----------
    inputs, outputs
        Channels.
    width
        Taps over places.
    """

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            inputs,
            outputs,
            (1, width),
            stride=(1, 2),
            padding=(0, width // 2),
            output_padding=(0, 1),
            bias=False,
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return twice as many places of (batch, inputs, frames, places)."""
        return functional.relu(self.norm(self.conv(x)))


def fold_norms(net: nn.Module) -> None:
    """Fold the frozen statistics of a net into the weights of the convolutions before them."""
    for layer in net.modules():
        if isinstance(layer, PlaceConvolution | PlaceUpsampling):
            assert isinstance(layer.norm, nn.BatchNorm2d)
            up = isinstance(layer, PlaceUpsampling)
            layer.conv = fuse_conv_bn_eval(layer.conv, layer.norm, transpose=up)
            layer.norm = nn.Identity()


def _triangles(bins: int, first: int, bands: int, spacing_hz: float) -> np.ndarray[Any, Any]:
    """Overlapping triangles of equal width on the ERB scale: (bands, bins), each bin's sum 1."""
    hz = (first + np.arange(bins)) * spacing_hz
    erb = 21.4 * np.log10(1 + 0.00437 * hz)
    position = (erb - erb[0]) / (erb[-1] - erb[0]) * (bands - 1)
    return np.asarray(np.maximum(0.0, 1.0 - np.abs(position - np.arange(bands)[:, None])))
