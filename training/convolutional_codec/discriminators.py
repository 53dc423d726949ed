"""The discriminators of a codec's training: by periods, by complex spectra, and by sample rates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm
from typing_extensions import override

from training.convolutional_codec.spectra import spectrum

__all__ = ["Discriminators", "band_edges"]

SLOPE = 0.1
PEAK = 0.8
BAND_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
LOW_PASS_TAPS = 24
"""Taps of the low-pass filter on either side, in output samples."""


class Discriminators(nn.Module):
    """Several discriminators side by side, for sounds float32 (batch, 1, samples).

    Sounds lose their mean and get a peak of 0.8 first.

    Parameters
    ----------
    periods
        One discriminator each folds the sound to rows of this many samples.
    windows
        One discriminator each sees real and imaginary part of the spectrum of these windows, with
        layers of its own for each of five bands.
    factors
        One discriminator each hears the sound at the sample rate divided by this factor.
    period_channels, band_channels, factor_channels
        Channels of their first layers; those of a factor are a multiple of 4.

    Notes
    -----
    Kong, Kim, Bae: HiFi-GAN, NeurIPS 2020 (periods); Kumar et al.: MelGAN, NeurIPS 2019 (rates);
    Kumar et al.: High-fidelity audio compression with improved RVQGAN, NeurIPS 2023 (complex
    spectra in bands).

    Examples
    --------
    >>> judges = Discriminators(periods=[2, 3], windows=[256], period_channels=2, band_channels=2)
    >>> [tuple(maps[-1].shape) for maps in judges(torch.randn(1, 1, 1000))]
    [(1, 1, 7, 2), (1, 1, 5, 3), (1, 1, 16, 18)]
    """

    def __init__(
        self,
        periods: Sequence[int] = (2, 3, 5, 7, 11),
        windows: Sequence[int] = (2048, 1024, 512),
        factors: Sequence[int] = (),
        *,
        period_channels: int = 32,
        band_channels: int = 32,
        factor_channels: int = 16,
    ) -> None:
        super().__init__()
        self.judges = nn.ModuleList(
            [_Period(period, period_channels) for period in periods]
            + [_Factor(factor, factor_channels) for factor in factors]
            + [_Bands(window, band_channels) for window in windows]
        )

    @override
    def forward(self, sound: Tensor) -> list[list[Tensor]]:
        """Return the feature maps of each discriminator; the last one is its score."""
        sound = sound - sound.mean(-1, keepdim=True)
        sound = PEAK * sound / (sound.abs().amax(-1, keepdim=True) + 1e-9)
        return [judge(sound) for judge in self.judges]


def band_edges(window: int) -> list[int]:
    """Return the bins at which the bands of a spectrum begin, and the number of bins.

    Examples
    --------
    >>> band_edges(2048)
    [0, 102, 256, 512, 768, 1025]
    """
    return [int(share * (window // 2 + 1)) for share in BAND_SHARES]


class _Period(nn.Module):
    """2-D convolutions along the columns of a sound in rows of one period."""

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, *(channels * factor for factor in (1, 4, 16, 32, 32))]
        strides = (3, 3, 3, 3, 1)
        self.layers = nn.ModuleList(
            _conv2d(a, b, (5, 1), (stride, 1))
            for (a, b), stride in zip(itertools.pairwise(widths), strides, strict=True)
        )
        self.score = _conv2d(widths[-1], 1, (3, 1))

    @override
    def forward(self, sound: Tensor) -> list[Tensor]:
        batch, channels, samples = sound.shape
        # A multiple of the period gets one more period.
        padded = functional.pad(sound, (0, self.period - samples % self.period), "reflect")
        rows = padded.reshape(batch, channels, -1, self.period)
        return _through(self.layers, self.score, rows)


class _Factor(nn.Module):
    """1-D convolutions over a sound at a fraction of its sample rate."""

    def __init__(self, factor: int, channels: int) -> None:
        super().__init__()
        if channels % 4:
            raise ValueError(f"factor_channels {channels}: not a multiple of 4")
        self.factor = factor
        self.register_buffer("low_pass", _low_pass(factor), persistent=False)
        c, g = channels, channels // 4
        self.layers = nn.ModuleList(
            [
                _conv1d(1, c, 15),
                _conv1d(c, 4 * c, 41, 4, g),
                _conv1d(4 * c, 16 * c, 41, 4, 4 * g),
                _conv1d(16 * c, 64 * c, 41, 4, 16 * g),
                _conv1d(64 * c, 64 * c, 41, 4, 64 * g),
                _conv1d(64 * c, 64 * c, 5),
            ]
        )
        self.score = _conv1d(64 * c, 1, 3)

    @override
    def forward(self, sound: Tensor) -> list[Tensor]:
        if self.factor > 1:
            taps = self.get_buffer("low_pass")
            sound = functional.conv1d(sound, taps, stride=self.factor, padding=taps.shape[-1] // 2)
        return _through(self.layers, self.score, sound)


class _Bands(nn.Module):
    """2-D convolutions over the complex spectrum, with weights of its own for each band."""

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.window = window
        c = channels
        self.bands = nn.ModuleList(
            nn.ModuleList(
                [
                    _conv2d(2, c, (3, 9)),
                    _conv2d(c, c, (3, 9), (1, 2)),
                    _conv2d(c, c, (3, 9), (1, 2)),
                    _conv2d(c, c, (3, 9), (1, 2)),
                    _conv2d(c, c, (3, 3)),
                ]
            )
            for _ in BAND_SHARES[1:]
        )
        self.score = _conv2d(c, 1, (3, 3))

    @override
    def forward(self, sound: Tensor) -> list[Tensor]:
        # (batch, real and imaginary, frames, bins)
        parts = torch.view_as_real(spectrum(sound, self.window)).permute(0, 3, 2, 1)
        maps: list[Tensor] = []
        ends: list[Tensor] = []
        edges = itertools.pairwise(band_edges(self.window))
        for (first, end), layers in zip(edges, self.bands, strict=True):
            x = parts[..., first:end]
            assert isinstance(layers, nn.ModuleList)
            for layer in layers:
                x = functional.leaky_relu(layer(x), SLOPE)
                maps.append(x)
            ends.append(x)
        return [*maps, self.score(torch.cat(ends, dim=-1))]


def _through(layers: nn.ModuleList, score: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the maps of all layers, and the score."""
    maps: list[Tensor] = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), SLOPE)
        maps.append(x)
    return [*maps, score(x)]


def _conv1d(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups)
    return _normalised(conv)


def _conv2d(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)
) -> nn.Module:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return _normalised(nn.Conv2d(inputs, outputs, kernel, stride, padding=padding))


def _normalised(conv: nn.Module) -> nn.Module:
    weight_norm(conv)
    return conv


def _low_pass(factor: int) -> Tensor:
    """Return the taps (1, 1, samples) of a windowed sinc that ends below the new half rate."""
    half = LOW_PASS_TAPS * factor
    times = torch.arange(-half, half + 1, dtype=torch.float64) / factor
    taps = 0.9 * torch.sinc(0.9 * times) * torch.cos(times / LOW_PASS_TAPS * math.pi / 2).square()
    return (taps / taps.sum()).float()[None, None]
