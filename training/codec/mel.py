"""Distance of mel spectra at several resolutions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

__all__ = ["MelDistance", "mel_filters"]

WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
FLOOR = 1e-5


class MelDistance(nn.Module):
    """Sum over seven windows of the mean absolute difference of log10 mel magnitudes.

    Parameters
    ----------
    rate_hz
        Sample rate.

    Notes
    -----
    Kumar et al.: High-fidelity audio compression with improved RVQGAN, NeurIPS 2023.

    Examples
    --------
    >>> distance, noise = MelDistance(16000), torch.randn(1, 8192)
    >>> float(distance(noise, noise)), round(float(distance(10 * noise, noise)), 3)
    (0.0, 7.0)
    """

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        for place, window in enumerate(WINDOWS):
            filters = torch.from_numpy(mel_filters(rate_hz, window, 5 << place))
            self.register_buffer(f"filters_{window}", filters, persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    @override
    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the distance of sounds, float32 (batch, samples)."""
        total = output.new_zeros(())
        for size in WINDOWS:
            filters, window = (self.get_buffer(f"{name}_{size}") for name in ("filters", "window"))
            a, b = (
                torch.stft(x, size, size // 4, window=window, return_complex=True).abs()
                for x in (output, target)
            )
            logs = [torch.log10((filters @ each).clamp(min=FLOOR)) for each in (a, b)]
            total = total + (logs[0] - logs[1]).abs().mean()
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
        Number of filters from 0 Hz to half the sample rate.

    Returns
    -------
    numpy.ndarray
        float32 (bands, window // 2 + 1).

    Notes
    -----
    Slaney: Auditory toolbox, technical report 1998-010: 200/3 Hz per mel up to 1 kHz, then 27 mels
    to a factor of 6.4.
    """
    per_mel_hz, step = 200 / 3, np.log(6.4) / 27
    half_hz = rate_hz / 2
    top = half_hz / per_mel_hz if half_hz < 1000 else 15 + np.log(half_hz / 1000) / step
    mels = np.linspace(0, top, bands + 2)
    edges_hz = np.where(mels < 15, mels * per_mel_hz, 1000 * np.exp(step * (mels - 15)))
    lines_hz = np.linspace(0, half_hz, window // 2 + 1)
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (lines_hz - low) / (middle - low), (high - lines_hz) / (high - middle)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    filters: NDArray[np.float32] = triangles.astype(np.float32)
    return filters
