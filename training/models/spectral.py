"""An amp as a recurrent net on windowed Fourier frames."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from export.layers import Gru, Lstm
from export.spectral import Fourier, OverlapAdd
from export.streaming import State, StreamingModule
from training.models.overlap_net import OverlapNet

__all__ = ["SpectralAmp"]


class SpectralAmp(OverlapNet):
    r"""Fourier frames -> LSTM or GRU, one step per frame -> complex masks -> overlap-add.

    ::

        frames --+------------------ mask ------------------(+)--> overlap-add
                 +-- mask --> irfft --> tanh --> rfft --> mask --+   (once for each shaper)
                 +-- LSTM: all the masks, anew for every frame

    A mask weighs what is there; what an amp adds, its harmonics, comes from the shapers, each a
    curve between two filters. Much cheaper than a step per sample, late by ``n_fft - hop`` samples,
    and blunter than one. The untrained net is a delay; silence in, silence out.

    Parameters
    ----------
    hidden
        Units of each recurrent layer.
    n_fft, hop
        Samples of a frame, and from one to the next: a half, a quarter, ... of it.
    cell
        The kind of recurrent layer.
    layers
        Number of recurrent layers.
    shapers
        Curves beside the plain mask; 0 is the mask alone.

    Examples
    --------
    >>> SpectralAmp(hidden=16, n_fft=512, hop=128).latency_samples
    384
    """

    def __init__(
        self,
        hidden: Annotated[int, Field(ge=1, le=1024)],
        n_fft: Annotated[int, Field(ge=4, le=4096)] = 256,
        hop: Annotated[int, Field(ge=1, le=2048)] = 64,
        cell: Literal["lstm", "gru"] = "lstm",
        layers: Annotated[int, Field(ge=1, le=3)] = 1,
        shapers: Annotated[int, Field(ge=0, le=8)] = 2,
    ) -> None:
        # A curve must see the samples as they are, so no window comes in front of it.
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        super().__init__(
            OverlapAdd(
                _Masks(n_fft, hidden, cell, layers, shapers),
                n_fft=n_fft,
                hop=hop,
                windows=(np.ones(n_fft), hann) if shapers else None,
            )
        )
        self.sizes = {
            "hidden": hidden,
            "n_fft": n_fft,
            "hop": hop,
            "cell": cell,
            "layers": layers,
            "shapers": shapers,
        }

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes of the frames and of the net; there is no kernel but the graph."""
        return {"type": "spectral", **self.sizes}


class _Masks(StreamingModule):
    """Frames in, frames out: one complex mask, and two for each shaper, from a recurrent net."""

    def __init__(self, n_fft: int, hidden: int, cell: str, layers: int, shapers: int) -> None:
        super().__init__()
        self.bins = n_fft // 2 + 1
        self.shapers = shapers
        self.masks = 1 + 2 * shapers
        # A bin's magnitude grows with n_fft for a tone, with its root for noise.
        self.scale = 2.0 / n_fft**0.5
        kind = Lstm if cell == "lstm" else Gru
        self.rnn = kind(2 * self.bins, hidden, layers=layers)
        self.head = nn.Linear(hidden, self.masks * 2 * self.bins)
        nn.init.zeros_(self.head.weight)
        # At first the plain mask is 1, gains from 1 to 10 lead to the curves, and none comes back.
        start = torch.zeros(self.masks, 2, self.bins)
        start[0, 0] = 1
        start[1 : 1 + shapers, 0] = torch.logspace(0, 1, shapers)[:, None]
        self.head.bias = nn.Parameter(start.flatten())
        self.offset = nn.Parameter(0.1 * torch.randn(shapers, 1, 1))
        self.fourier = Fourier(np.ones(n_fft), np.ones(n_fft)) if shapers else None

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.rnn.initial_state(batch)

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, _, frames, bins = x.shape
        steps = x.permute(2, 0, 1, 3).reshape(frames, batch, 2 * bins)
        features, state = self.rnn(self.scale * steps, state)
        masks = self.head(features).reshape(frames, batch, self.masks, 2, bins)
        masks = masks.permute(1, 3, 2, 0, 4)  # batch, 2, masks, frames, bins
        y = _product(x, masks[:, :, 0])
        if self.fourier is not None:
            before, after = masks[:, :, 1:].split(self.shapers, dim=2)
            # The curves stand side by side along the frames, which the transform does not mix.
            driven = _product(x[:, :, None], before).reshape(batch, 2, -1, bins)
            waves = self.fourier.inverse(driven).reshape(batch, self.shapers, frames, -1)
            shaped = torch.tanh(waves + self.offset) - torch.tanh(self.offset)
            spectra = self.fourier(shaped.reshape(batch, self.shapers * frames, -1))
            back = _product(spectra.reshape(batch, 2, self.shapers, frames, bins), after)
            y = y + back.sum(dim=2)
        return y, state


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Complex product; axis 1 holds real and imaginary part."""
    real = a[:, 0] * b[:, 0] - a[:, 1] * b[:, 1]
    return torch.stack([real, a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0]], dim=1)
