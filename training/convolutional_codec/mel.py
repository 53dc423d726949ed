"""Distance of log-mel spectra at several resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import override

from rtaudio.analysis.mel_filters import mel_filters
from training.convolutional_codec.spectra import magnitudes

__all__ = ["MelDistance"]

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
            filters = torch.tensor(mel_filters(rate_hz, window, bands), dtype=torch.float32)
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
