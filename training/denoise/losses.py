"""Losses of a denoiser, which ignore what lies above the real bandwidth of the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from training.denoise.disturbance import disturbance
from training.denoise.features import FeatureLoss
from training.denoise.keep import Keep

__all__ = ["FEATURES", "LOSSES", "DenoiseLoss", "denoise_loss", "si_sdr_db"]

FEATURES = "features"
"""Name of the term that has a net and weights of its own."""

RESOLUTIONS = (512, 2048)
"""Lengths of the windows in samples at 48 kHz; at other rates as long in time."""
FLOOR = 1e-6
"""Power of a spectral line, relative to the mixture, below which differences hardly count."""
BEST_DB = 30.0


def compressed_spectrum(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Distance of the spectra S |S|^-0.75, at two resolutions: 0.7 magnitude, 0.3 complex.

    Bins are weighted by their width on the ERB scale: equal weights would give two thirds to the
    frequencies above 8 kHz.

    Parameters
    ----------
    output, target, noisy, keep
        As for `denoise_loss`.

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

    It saturates at 30 dB.

    Parameters
    ----------
    output, target, noisy, keep
        As for `denoise_loss`.
    """
    samples = output.shape[-1]
    there = keep.bins(samples)
    a, b = (
        torch.view_as_real(torch.fft.rfft(signal[:, 0]) * there).flatten(1)
        for signal in (output, target)
    )
    spoken = (target * target).mean(dim=(1, 2)) > 1e-9
    ratio = si_sdr_db(a, b)
    # Without the soft limit, the last decibels of nearly clean speech would outweigh the rest.
    limited = -10 * torch.log10(10 ** (-ratio / 10) + 10 ** (-BEST_DB / 10))
    return -(limited * spoken).sum() / (100 * spoken.sum().clamp(min=1))


def sdr(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Like `si_sdr`, but a wrong level is an error, too.

    Parameters
    ----------
    output, target, noisy, keep
        As for `denoise_loss`.
    """
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

    Parameters
    ----------
    output, target
        float32 of shape (..., samples).

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
    """Mean absolute error of the samples.

    Parameters
    ----------
    output, target, noisy, keep
        As for `denoise_loss`.
    """
    return keep.heard(output - target).abs().mean()


def l2(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Mean square error of the samples.

    Parameters
    ----------
    output, target, noisy, keep
        As for `denoise_loss`.
    """
    return keep.heard(output - target).square().mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, Keep], Tensor]] = {
    "spectrum": compressed_spectrum,
    "si_sdr": si_sdr,
    "sdr": sdr,
    "l1": l1,
    "l2": l2,
    "disturbance": disturbance,
}
"""Terms by their name in a configuration, without `FEATURES`."""


class DenoiseLoss(nn.Module):
    """Weighted sum of the terms of `LOSSES` and of the distance in features.

    Parameters
    ----------
    weights
        Weights by name of the term.
    features
        The term `FEATURES`; it compares the frequencies below the bandwidth of the target.
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
        """Whether the loss has changed its scale; see `FeatureLoss`."""
        return self.features is not None and self.features.balanced

    def end_epoch(self) -> None:
        """Advance the epoch counter of `FeatureLoss`."""
        if self.features is not None:
            self.features.end_epoch()


def denoise_loss(
    output: Tensor, target: Tensor, noisy: Tensor, keep: Keep, weights: Mapping[str, float]
) -> Tensor:
    """Return the weighted sum of terms of `LOSSES`.

    Parameters
    ----------
    output, target, noisy
        The denoised, clean and noisy sounds, float32 of shape (batch, 1, samples), aligned.
    keep
        The frequencies to compare.
    weights
        Weights by name of the term.
    """
    terms = [weight * LOSSES[name](output, target, noisy, keep) for name, weight in weights.items()]
    return torch.stack(terms).sum()


def window_samples(size: int, rate_hz: int) -> int:
    """Return the length in samples at ``rate_hz`` of a window of ``size`` samples at 48 kHz.

    Parameters
    ----------
    size
        Samples at 48 kHz.
    rate_hz
        Samples per second.
    """
    return round(size * rate_hz / 48000)


def _compressed(signal: Tensor, n_fft: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return real part, imaginary part and magnitude of S |S|^-0.75: (batch, frames, bins) each.

    S is scaled so that unit noise has unit mean square.
    """
    window = torch.hann_window(n_fft, device=signal.device)
    window = window * float((window * window).sum()) ** -0.5
    spectrum = torch.fft.rfft(signal[:, 0].unfold(-1, n_fft, n_fft // 2) * window)
    re, im = spectrum.real.contiguous(), spectrum.imag.contiguous()
    # |S|^(1/4) by square roots: a power and its derivative would cost as much as the net.
    root = (re * re + im * im + FLOOR).sqrt()
    magnitude = root.sqrt().sqrt()
    shrink = magnitude / root
    return re * shrink, im * shrink, magnitude
