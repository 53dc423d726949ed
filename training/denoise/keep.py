"""The part of the spectrum that a loss compares."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Keep"]


class Keep:
    """The part of the spectrum to compare: up to ``bandwidth_hz`` of each target, (batch,)."""

    def __init__(self, bandwidth_hz: Tensor, rate_hz: int) -> None:
        self.bandwidth_hz, self.rate_hz = bandwidth_hz, rate_hz

    def bins(self, n_fft: int) -> Tensor:
        """Return 1 for the bins to compare, else 0: (batch, n_fft // 2 + 1)."""
        hz = torch.arange(n_fft // 2 + 1, device=self.bandwidth_hz.device) * self.rate_hz / n_fft
        return (hz <= self.bandwidth_hz[:, None]).float()

    def heard(self, signal: Tensor) -> Tensor:
        """Return a signal (batch, 1, samples) without the frequencies above."""
        samples = signal.shape[-1]
        kept: Tensor = torch.fft.rfft(signal) * self.bins(samples)[:, None]
        sound: Tensor = torch.fft.irfft(kept, samples)
        return sound

    def erb_shares(self, n_fft: int) -> Tensor:
        """Return the width of each bin on the ERB scale, up to a constant: (n_fft // 2 + 1,)."""
        hz = torch.arange(n_fft // 2 + 1, device=self.bandwidth_hz.device) * self.rate_hz / n_fft
        return 1 / (1 + 0.00437 * hz)
