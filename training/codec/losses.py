"""The loss of a codec: spectra of one resolution per step, and the waveform."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from rtaudio.analysis.mel_filters import mel_filters

__all__ = ["CodecLoss"]

LOW_RATE_HZ = 32000
"""Below this rate, windows are half as long in samples."""

MELS = {256: 32, 512: 64, 1024: 96, 2048: 128}
BARKS = {256: 24, 512: 44, 1024: 49, 2048: 49}
POWER = 0.3
"""Magnitudes are compared as their power of 0.3, nearly as loud as they are heard."""
LOUDNESS = 0.23
DEAD_ZONE = 0.25
TOO_LOUD = 3.0


class CodecLoss(nn.Module):
    """Terms by which an output differs from its target, at one of three resolutions.

    ``magnitude`` compares compressed magnitudes, ``complex`` compressed spectra with their phase,
    ``mel`` the logarithms of mel bands, ``bark`` the loudness of narrow Bark bands as a listener
    would notice it, and ``time`` the samples.

    Parameters
    ----------
    rate_hz
        Sample rate.

    Attributes
    ----------
    sizes
        Lengths of the windows in samples.

    Notes
    -----
    Bark: a dead zone of a quarter of the smaller loudness, and a penalty on bands that are much too
    loud, after ITU-T P.862 (PESQ).

    Examples
    --------
    >>> loss, noise = CodecLoss(16000), torch.randn(2, 4000)
    >>> sorted(loss(noise, noise, 512))
    ['bark', 'complex', 'magnitude', 'mel', 'time']
    """

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        self.sizes = (256, 512, 1024) if rate_hz < LOW_RATE_HZ else (512, 1024, 2048)
        for size in self.sizes:
            mel = torch.tensor(mel_filters(rate_hz, size, MELS[size]), dtype=torch.float32)
            constants = {
                "window": torch.hann_window(size),
                "mel": mel,
                "bark": _bark_filters(rate_hz, size, BARKS[size]),
            }
            for name, value in constants.items():
                self.register_buffer(f"{name}_{size}", value, persistent=False)

    @override
    def forward(self, output: Tensor, target: Tensor, size: int) -> dict[str, Tensor]:
        """Compare float32 (batch, samples) with windows of one of ``sizes``."""
        mel, bark = self.get_buffer(f"mel_{size}"), self.get_buffer(f"bark_{size}")
        made, power = self._spectrum(output, size)
        wanted, wanted_power = self._spectrum(target, size)
        magnitude, wanted_magnitude = power.sqrt(), wanted_power.sqrt()
        soft, wanted_soft = power ** (POWER / 2), wanted_power ** (POWER / 2)
        phased = made * (soft / magnitude)[..., None]
        wanted_phased = wanted * (wanted_soft / wanted_magnitude)[..., None]
        logs = torch.log10(mel @ magnitude + 1e-5) - torch.log10(mel @ wanted_magnitude + 1e-5)
        level = 1 / (target.square().mean(dim=1) + 1e-6)[:, None, None]
        error = (output - target).square().mean(dim=1)
        return {
            "magnitude": (soft - wanted_soft).abs().mean() + (soft - wanted_soft).square().mean(),
            "complex": (phased - wanted_phased).square().sum(-1).mean(),
            "mel": logs.abs().mean(),
            "bark": _heard(bark @ (power * level) + 1e-4, bark @ (wanted_power * level) + 1e-4),
            "time": (error / (target.square().mean(dim=1) + 1e-5) + 1e-4).sqrt().mean(),
        }

    def _spectrum(self, x: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Return the spectrum (batch, lines, frames, 2) of which white noise has 1, and powers."""
        window = self.get_buffer(f"window_{size}")
        spectrum = torch.stft(x, size, size // 2, window=window, center=False, return_complex=True)
        scaled = torch.view_as_real(spectrum) / window.square().sum().sqrt()
        return scaled, scaled.square().sum(-1) + 1e-8


def _heard(power: Tensor, wanted: Tensor) -> Tensor:
    loud, wanted_loud = power**LOUDNESS, wanted**LOUDNESS
    difference = loud - wanted_loud
    zone = DEAD_ZONE * torch.minimum(loud, wanted_loud)
    difference = torch.sign(difference) * torch.relu(difference.abs() - zone)
    excess = ((power / wanted) ** 1.2).detach().clamp(0, 12)
    excess = excess * (excess >= TOO_LOUD)
    spread = (difference.square().mean(dim=1) + 1e-5).sqrt().mean()
    return spread + 0.3 * (difference.abs() * excess).mean()


def _bark_filters(rate_hz: int, size: int, bands: int) -> Tensor:
    """Return triangles evenly spaced on the Bark scale, (bands, size // 2 + 1)."""
    bark = 6 * torch.asinh(torch.linspace(0, rate_hz / 2, size // 2 + 1) / 600)
    top = float(bark[-1])
    centre = torch.linspace(0.4, top - 0.1, bands)[:, None]
    return torch.clamp(1 - (bark - centre).abs() / (top / bands), min=0)
