"""Distance of log-mel spectra at several resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from training.convolutional_codec.spectra import magnitudes

__all__ = ["MelDistance", "mel_filters"]

WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
MELS = (5, 10, 20, 40, 80, 160, 320)
FLOOR = 1e-5
"""Magnitude below which a band is silent."""


class MelDistance(nn.Module):
    """Sum over windows of the mean absolute difference of log10 mel magnitudes.

    Parameters
    ----------
    rate_hz
        Sample rate.
    windows
        Lengths of the Hann windows in samples; frames follow each other by a quarter.
    mels
        Bands of each window, from 0 Hz to half of the sample rate.

    Notes
    -----
    Kumar et al.: High-fidelity audio compression with improved RVQGAN, NeurIPS 2023, in its final
    configuration: magnitudes, no linear term. The values of that paper are at 44.1 kHz.

    Examples
    --------
    >>> distance = MelDistance(44100)
    >>> noise = torch.randn(1, 1, 8192)
    >>> float(distance(noise, noise)), round(float(distance(10 * noise, noise)), 3)
    (0.0, 7.0)
    """

    def __init__(
        self, rate_hz: int, windows: Sequence[int] = WINDOWS, mels: Sequence[int] = MELS
    ) -> None:
        super().__init__()
        self.windows = tuple(windows)
        for window, bands in zip(windows, mels, strict=True):
            filters = torch.from_numpy(mel_filters(rate_hz, window, bands))
            self.register_buffer(f"filters_{window}", filters, persistent=False)

    @override
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of sounds, float32 (batch, 1, samples)."""
        total = output.new_zeros(())
        for window in self.windows:
            filters: Tensor = self.get_buffer(f"filters_{window}")
            a, b = (
                torch.log10((filters @ magnitudes(sound, window)).clamp(min=FLOOR))
                for sound in (output, target)
            )
            total = total + (a - b).abs().mean()
        return total


def mel_filters(rate_hz: int, window: int, bands: int) -> NDArray[np.float32]:
    """Return triangular filters of equal area, evenly spaced on Slaney's mel scale.

    Parameters
    ----------
    rate_hz
        Sample rate.
    window
        Samples of a frame.
    bands
        Number of filters between 0 Hz and half of the sample rate.

    Returns
    -------
    ndarray
        float32 (bands, window // 2 + 1).

    Notes
    -----
    Slaney: Auditory toolbox, technical report 1998-010: linear below 1 kHz, 200/3 Hz a mel, and
    logarithmic above, 27 mels to a factor of 6.4.
    """
    edges_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(rate_hz / 2), bands + 2))
    bins_hz = np.arange(window // 2 + 1) * rate_hz / window
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * 2 / (high - low)).astype(np.float32)


_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return _BREAK_HZ / _HZ_PER_MEL + float(np.log(hz / _BREAK_HZ)) / float(_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = mel * _HZ_PER_MEL
    return np.where(
        linear < _BREAK_HZ,
        linear,
        _BREAK_HZ * np.exp(_STEP * (mel - _BREAK_HZ / _HZ_PER_MEL)),
    )
