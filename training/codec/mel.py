"""Distance of mel spectra at several resolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from rtaudio.analysis.mel_filters import mel_filters

__all__ = ["MelDistance"]

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
            filters = torch.tensor(mel_filters(rate_hz, window, 5 << place), dtype=torch.float32)
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
