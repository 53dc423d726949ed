"""A distance of sounds as the ear has it: the disturbances of PESQ, differentiable."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.denoise.keep import Keep

__all__ = ["disturbance"]

FRAME_S = 0.032
HIGHEST_HZ = 8000.0
BANDS = 42
SPEECH_HZ = (350.0, 3250.0)
"""The level of speech is taken between these frequencies, and set to `SPEECH_POWER`."""
SPEECH_POWER = 10**7.5
SYLLABLE = 20
"""Frames over which the worst count most, half overlapping."""
MASKED = 0.25
"""Share of the lesser loudness by which two may differ unheard."""


def disturbance(output: Tensor, target: Tensor, noisy: Tensor, keep: Keep) -> Tensor:
    """Distance in loudness over 42 Bark bands below 8 kHz, where there is speech.

    It is 0.1 D + 0.0309 DA, what the score loses: D counts all differences of a frame, DA those
    that were added, which disturb more. Within a syllable the worst frame counts most, and loud
    moments more than their length: a few clicks of a keyboard spoil a sentence.

    Parameters
    ----------
    output, target, noisy, keep
        As for `training.denoise.losses.denoise_loss`.

    Notes
    -----
    ITU-T P.862: Perceptual evaluation of speech quality, 2001, has the loudness, the asymmetry and
    the weights; without its alignment in time and level. As a loss:
    Martin-Donas et al.: A deep learning loss function based on the perceptual evaluation of the
    speech quality, SPL 2018.
    """
    shares, threshold, width = (
        value.to(output.device) for value in map(torch.as_tensor, _tables(keep.rate_hz))
    )
    there = keep.bins(_size(keep.rate_hz))[:, None, : len(shares)]
    heard, wanted = (_power(x[:, 0], keep.rate_hz) * there for x in (output, target))
    gain = _level_gain(wanted, keep.rate_hz)
    heard, wanted = (gain * heard) @ shares, (gain * wanted) @ shares
    loud, wanted_loud = _loudness(heard, threshold), _loudness(wanted, threshold)
    apart = (loud - wanted_loud).abs() - MASKED * torch.minimum(loud, wanted_loud)
    apart = apart.clamp(min=0)
    added = ((heard + 50) / (wanted + 50)) ** 1.2
    added = torch.where(added < 3, torch.zeros_like(added), added.clamp(max=12))
    total = width * BANDS
    symmetric = ((apart.square() * width).sum(-1) / total + 1e-8).sqrt() * total
    asymmetric = (apart * added * width).sum(-1)
    weight = ((wanted.sum(-1) + 1e5) / 1e7) ** 0.04
    value = 0.1 * _over_time((symmetric / weight).clamp(max=45))
    value = value + 0.0309 * _over_time((asymmetric / weight).clamp(max=135))
    spoken = target.square().mean(dim=(1, 2)) > 1e-9
    return (value * spoken).sum() / spoken.sum().clamp(min=1)


def _over_time(frames: Tensor) -> Tensor:
    """Return the norm of order 6 within syllables, of order 2 over them: (batch,)."""
    length = min(SYLLABLE, frames.shape[-1])
    scale = frames.detach().amax(-1, keepdim=True).clamp(min=1e-3)
    parts = (frames / scale).unfold(-1, length, max(length // 2, 1))
    syllables = (parts.pow(6).mean(-1) + 1e-12).pow(1 / 6)
    return torch.as_tensor(scale[..., 0] * syllables.square().mean(-1).sqrt())


def _size(rate_hz: int) -> int:
    return round(FRAME_S * rate_hz)


@lru_cache(maxsize=4)
def _tables(rate_hz: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the share of each bin in each band, the threshold in quiet, and a band's width."""
    spacing_hz = rate_hz / _size(rate_hz)
    hz = np.arange(int(min(HIGHEST_HZ, rate_hz / 2) / spacing_hz)) * spacing_hz
    edges, z = np.linspace(_bark(50.0), _bark(HIGHEST_HZ), BANDS + 1), _bark(hz)
    half = 0.5 * np.gradient(z)[:, None]
    inside = np.minimum(z[:, None] + half, edges[1:]) - np.maximum(z[:, None] - half, edges[:-1])
    khz = np.interp(0.5 * (edges[:-1] + edges[1:]), z, hz) / 1000
    quiet_db = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4 - 3.0
    return (
        np.clip(inside / (2 * half), 0, 1).astype(np.float32),
        (10 ** (quiet_db / 10)).astype(np.float32),
        np.asarray(edges[1] - edges[0], np.float32),
    )


def _bark(hz: NDArray[Any] | float) -> Any:
    """Zwicker, Terhardt: Analytical expressions for critical-band rate, JASA 1980."""
    return 13 * np.arctan(0.00076 * np.asarray(hz)) + 3.5 * np.arctan((np.asarray(hz) / 7500) ** 2)


def _power(signal: Tensor, rate_hz: int) -> Tensor:
    """Return the power of half overlapping frames below 8 kHz: (batch, frames, bins)."""
    size = _size(rate_hz)
    window = torch.hann_window(size, device=signal.device)
    bins = len(_tables(rate_hz)[0])
    spectrum = torch.fft.rfft(signal.unfold(-1, size, size // 2) * window)[..., :bins]
    power: Tensor = spectrum.real.square() + spectrum.imag.square()
    return power


def _level_gain(power: Tensor, rate_hz: int) -> Tensor:
    """Return the factor that sets speech to its level, by its loud frames: (batch, 1, 1)."""
    low, high = (int(hz * _size(rate_hz) / rate_hz) for hz in SPEECH_HZ)
    voice = power[..., low:high].sum(-1)
    active = voice >= 1e-3 * voice.amax(-1, keepdim=True)
    level = (voice * active).sum(-1) / active.sum(-1).clamp(min=1)
    return (SPEECH_POWER / level.clamp(min=1e-8))[:, None, None]


def _loudness(power: Tensor, threshold: Tensor) -> Tensor:
    """Return the loudness of each band in sone (Zwicker, Feldtkeller, 1967)."""
    over = (0.5 + 0.5 * power / threshold).clamp(min=1.0)
    return 0.1866 * (threshold / 0.5) ** 0.23 * (over**0.23 - 1)
