"""Mixtures whose target is a teacher's answer, made where the net learns."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from training.denoise.config import TeacherConfig
from training.denoise.mixture import Mixture
from training.denoise.teacher import Teacher

__all__ = ["Taught"]


class Taught(nn.Module):
    """Replaces the clean side of mixtures by a teacher's answer.

    Parameters
    ----------
    config
        The teacher, and what it hears.
    rate_hz
        Samples per second.
    seed
        With the number of a batch, all its randomness.

    Raises
    ------
    ConfigError
        No teacher in the folder.
    """

    def __init__(self, config: TeacherConfig, rate_hz: int, seed: int) -> None:
        super().__init__()
        self.config, self.rate_hz, self.seed = config, rate_hz, seed
        self.teacher = Teacher(config.folder)

    @override
    @torch.no_grad()
    def forward(self, batch: Mixture, number: int) -> Mixture:
        """Return a batch with answers in place of clean speech; where there is none, as it was."""
        config, noisy, clean = self.config, batch.noisy, batch.clean
        generator = np.random.default_rng([self.seed, number])
        count = len(noisy)
        less = 10 ** (-generator.uniform(*config.less_noise_db, count) / 20)
        less[generator.random(count) >= config.less_noise] = 1.0
        heard = clean + _column(less, noisy) * (noisy - clean)
        spoken = (torch.as_tensor(batch.snr_db) > -math.inf).to(noisy)[:, None, None]
        answer = self.teacher(heard[:, 0])[:, None] * spoken + clean * (1 - spoken)
        low, high = map(math.log, config.band_limit_hz)
        limits_hz = np.exp(generator.uniform(low, high, count))
        limits_hz[generator.random(count) >= config.band_limit] = math.inf
        if np.isfinite(limits_hz).any():
            kept = _low_passes(_column(limits_hz, noisy), self.rate_hz, noisy.shape[-1])
            noisy, answer = (
                torch.fft.irfft(torch.fft.rfft(side) * kept, noisy.shape[-1])
                for side in (noisy, answer)
            )
        return replace(batch, noisy=noisy, clean=answer)


def _low_passes(limits_hz: Tensor, rate_hz: int, samples: int) -> Tensor:
    """Return the gains of `training.denoise.curves.low_pass` for many limits, where they are.

    Those of a batch would be 27 MB to move at every step.
    """
    bins = torch.arange(samples // 2 + 1, device=limits_hz.device)
    last = (limits_hz / rate_hz * samples).clamp(max=2 * samples).floor()
    first = (0.96 * last).floor()
    return torch.cos(math.pi / 2 * ((bins - first) / (last - first)).clamp(0, 1)).square()


def _column(values: np.ndarray[tuple[int], np.dtype[np.float64]], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like)[:, None, None]
