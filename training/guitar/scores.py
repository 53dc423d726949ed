"""How well a net copies takes: whole takes played, and their plain error-to-signal ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from export.streaming import State, StreamingModule
from training.guitar.data import Take

__all__ = ["initial_state", "play", "scores"]

CHUNK_SAMPLES = 1 << 15


def initial_state(net: StreamingModule, like: Tensor) -> State:
    """Return the net's start state for a batch.

    Parameters
    ----------
    net
        The net.
    like
        The batch, shape (batch, ...); the state is on its device.
    """
    return {k: v.to(like.device) for k, v in net.initial_state(like.shape[0]).items()}


@torch.inference_mode()
def play(net: StreamingModule, takes: Sequence[Take]) -> Tensor:
    """Play takes of one length side by side, from the zero state.

    Parameters
    ----------
    net
        The net, on any device.
    takes
        Takes of equal length.

    Returns
    -------
    Tensor
        float32 of shape (takes, samples), on the CPU.
    """
    device = next(net.parameters()).device
    samples = len(takes[0].dry)
    padding = -samples % net.hop if net.hop else 0
    dry = torch.from_numpy(np.pad(np.stack([t.dry for t in takes]), ((0, 0), (0, padding))))
    knobs = [torch.tensor([t.knobs for t in takes], device=device)] if net.controls else []
    state = initial_state(net, dry[:, None].to(device))
    chunk = CHUNK_SAMPLES // (net.hop or 1) * (net.hop or 1)
    pieces = []
    for x in dry[:, None].split(chunk, dim=-1):
        y, state = net(x.to(device), state, *knobs)
        pieces.append(y[:, 0].cpu())
    return torch.cat(pieces, dim=-1)[:, :samples]


def scores(net: StreamingModule, takes: Sequence[Take]) -> dict[str, float]:
    """Return the plain error-to-signal ratio of takes: all error energy over all signal energy.

    Parameters
    ----------
    net
        The net, on any device.
    takes
        Takes of any lengths. Those of one name are scored as one, and the first ``skip_samples`` of
        each do not count.

    Returns
    -------
    dict
        Ratios by name of take; infinite for a silent target.
    """
    alike: dict[tuple[int, int], list[Take]] = {}
    for take in takes:
        alike.setdefault((len(take.dry), take.skip_samples), []).append(take)
    sums = {take.name: np.zeros(2) for take in takes}
    for (_, skip), group in alike.items():
        output = play(net, group).numpy()
        for take, y in zip(group, output, strict=True):
            target = take.wet[skip:].astype(np.float64)
            sums[take.name] += (((y[skip:] - target) ** 2).sum(), (target**2).sum())
    return {
        name: float(error / signal) if signal else math.inf
        for name, (error, signal) in sums.items()
    }
