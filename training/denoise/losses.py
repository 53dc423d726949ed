"""Losses of a denoiser, deaf above the real bandwidth of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from training.denoise.features import FeatureLoss

__all__ = ["FEATURES", "LOSSES", "DenoiseLoss", "denoise_loss", "si_sdr_db"]

FEATURES = "features"
"""Name of the one term that has a net and weights of its own."""

RESOLUTIONS = (512, 2048)
"""Samples of the windows at 48 kHz; at other rates as long in time."""
FLOOR = 1e-6
"""Mean square of a spectral line beside that of the mixture, below which nothing is heard."""
BEST_DB = 30.0


def compressed_spectrum(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Distance of the spectra S |S|^-0.75, at two resolutions: 0.7 magnitude, 0.3 complex.

    A bin counts by its share of the ERB scale: bins alone would give two thirds to what lies above
    8 kHz.

    Notes
    -----
    Braun, Tashev: A consolidated view of loss functions for supervised deep learning-based speech
    enhancement, TSP 2021.
    """
    level = (noisy * noisy).mean(dim=-1, keepdim=True).clamp(min=1e-10).rsqrt()
    total = output.new_zeros(())
    for size in RESOLUTIONS:
        n_fft = window_samples(size, keep.rate_hz)
        there = (keep.bins(n_fft) * keep.erb_shares(n_fft))[:, None]
        re, im, magnitude = _compressed(output * level, n_fft)
        wanted_re, wanted_im, wanted = _compressed(target * level, n_fft)
        louder, re, im = magnitude - wanted, re - wanted_re, im - wanted_im
        distance = 0.7 * louder * louder + 0.3 * (re * re + im * im)
        total = total + (distance * there).sum() / (there.sum() * distance.shape[1])
    return total / len(RESOLUTIONS)


def si_sdr(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Negative scale-invariant signal-to-distortion ratio in dB / 100, where there is speech.

    Beyond 30 dB it counts no more.
    """
    samples = output.shape[-1]
    there = keep.bins(samples)
    a, b = (
        torch.view_as_real(torch.fft.rfft(signal[:, 0]) * there).flatten(1)
        for signal in (output, target)
    )
    spoken = (target * target).mean(dim=(1, 2)) > 1e-9
    ratio = si_sdr_db(a, b)
    # A soft limit: the last decibels of nearly clean speech would outweigh all else.
    limited = -10 * torch.log10(10 ** (-ratio / 10) + 10 ** (-BEST_DB / 10))
    return -(limited * spoken).sum() / (100 * spoken.sum().clamp(min=1))


def sdr(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """As `si_sdr`, but a wrong level is an error, too."""
    there = keep.bins(output.shape[-1])
    a, b = (
        torch.view_as_real(torch.fft.rfft(signal[:, 0]) * there).flatten(1)
        for signal in (output, target)
    )
    spoken = (target * target).mean(dim=(1, 2)) > 1e-9
    error = a - b
    share = ((error * error).sum(-1) + 1e-9) / ((b * b).sum(-1) + 1e-9)
    limited = -10 * torch.log10(share + 10 ** (-BEST_DB / 10))
    return -(limited * spoken).sum() / (100 * spoken.sum().clamp(min=1))


def si_sdr_db(output: Tensor, target: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over the last axis.

    Notes
    -----
    Le Roux et al.: SDR - half-baked or well done?, ICASSP 2019.
    """
    energy = target.square().sum(-1, keepdim=True) + 1e-9
    part = (output * target).sum(-1, keepdim=True) / energy * target
    return 10 * torch.log10(
        (part.square().sum(-1) + 1e-9) / ((output - part).square().sum(-1) + 1e-9)
    )


def l1(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Mean absolute error of the samples."""
    return keep.heard(output - target).abs().mean()


def l2(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Mean square error of the samples."""
    return keep.heard(output - target).square().mean()


class Keep:
    """Which part of the spectrum counts: ``bandwidth_hz`` of each target, shape (batch,)."""

    def __init__(self, bandwidth_hz: Tensor, rate_hz: int) -> None:
        self.bandwidth_hz, self.rate_hz = bandwidth_hz, rate_hz

    def bins(self, n_fft: int) -> Tensor:
        """1 for the bins that count: (batch, n_fft // 2 + 1)."""
        hz = torch.arange(n_fft // 2 + 1, device=self.bandwidth_hz.device) * self.rate_hz / n_fft
        return (hz <= self.bandwidth_hz[:, None]).float()

    def heard(self, signal: Tensor) -> Tensor:
        """Return the part of a signal (batch, 1, samples) that counts."""
        samples = signal.shape[-1]
        return torch.fft.irfft(torch.fft.rfft(signal) * self.bins(samples)[:, None], samples)

    def erb_shares(self, n_fft: int) -> Tensor:
        """Width of each bin on the ERB scale, but for a constant: (n_fft // 2 + 1,)."""
        hz = torch.arange(n_fft // 2 + 1, device=self.bandwidth_hz.device) * self.rate_hz / n_fft
        return 1 / (1 + 0.00437 * hz)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, Keep], Tensor]] = {
    "spectrum": compressed_spectrum,
    "si_sdr": si_sdr,
    "sdr": sdr,
    "l1": l1,
    "l2": l2,
}
"""Terms by the name a configuration gives them, but for `FEATURES`."""


class DenoiseLoss(nn.Module):
    """Weighted sum of terms, as a run computes it: those of `LOSSES`, and the distance in features.

    Parameters
    ----------
    weights
        By name.
    features
        For the term `FEATURES`, which hears what lies below the bandwidth of the target.
    """

    def __init__(self, weights: Mapping[str, float], features: FeatureLoss | None = None) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.features = features

    @override
    def forward(self, output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
        """Return the loss of sounds (batch, 1, samples)."""
        plain = {name: weight for name, weight in self.weights.items() if name != FEATURES}
        total = denoise_loss(output, target, noisy, keep, plain) if plain else output.new_zeros(())
        if self.features is not None:
            distance, _ = self.features(keep.heard(output), target)
            total = total + self.weights[FEATURES] * distance
        return total

    @property
    def balanced(self) -> bool:
        """Whether the loss means something else than at first; see `FeatureLoss`."""
        return self.features is not None and self.features.balanced

    def end_epoch(self) -> None:
        """Let what counts epochs do so."""
        if self.features is not None:
            self.features.end_epoch()


def denoise_loss(
    output: Tensor, target: Tensor, noisy: Tensor, keep: Keep, weights: Mapping[str, float]
) -> Tensor:
    """Weighted sum of the terms of `LOSSES`. Shape: (batch, 1, samples) each."""
    terms = [weight * LOSSES[name](output, target, noisy, keep) for name, weight in weights.items()]
    return torch.stack(terms).sum()


def window_samples(size: int, rate_hz: int) -> int:
    """Length at a rate of one of the windows of `RESOLUTIONS`."""
    return round(size * rate_hz / 48000)


def _compressed(signal: Tensor, n_fft: int) -> tuple[Tensor, Tensor, Tensor]:
    """Real part, imaginary part and magnitude of S |S|^-0.75: (batch, frames, bins) each.

    S is of unit mean square for unit noise.
    """
    window = torch.hann_window(n_fft, device=signal.device)
    window = window * float((window * window).sum()) ** -0.5
    spectrum = torch.fft.rfft(signal[:, 0].unfold(-1, n_fft, n_fft // 2) * window)
    re, im = spectrum.real.contiguous(), spectrum.imag.contiguous()
    # |S|^(1/4) by square roots: a power with its derivative costs as much as the net.
    root = (re * re + im * im + FLOOR).sqrt()
    magnitude = root.sqrt().sqrt()
    shrink = magnitude / root
    return re * shrink, im * shrink, magnitude
