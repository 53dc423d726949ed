"""Zwicker's critical bands of hearing, as groups of spectral lines."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

__all__ = ["critical_bands"]

EDGES_HZ = (
    *(0, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700),
    *(3150, 3700, 4400, 5300, 6400, 8000, 9500, 12000, 15500),
)


def critical_bands(rate_hz: int, lines: int) -> Tensor:
    """Return the number of the critical band of each of ``lines`` evenly spaced lines, int64.

    Parameters
    ----------
    rate_hz
        Sample rate; the lines go up to half of it, where the last band ends.
    lines
        Number of lines, enough for at least one in each band.

    Notes
    -----
    Zwicker: Subdivision of the audible frequency range into critical bands, JASA 33(2), 1961.

    Examples
    --------
    >>> critical_bands(16000, 320).bincount().tolist()[:6]
    [4, 4, 4, 4, 4, 5]
    """
    width_hz = rate_hz / 2 / lines
    edges = [round(edge / width_hz) for edge in EDGES_HZ if edge < rate_hz / 2] + [lines]
    sizes = torch.tensor([b - a for a, b in itertools.pairwise(edges)])
    return torch.arange(len(sizes)).repeat_interleave(sizes)
