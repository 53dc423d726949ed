"""An amp as a recurrent net on windowed Fourier frames."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from export.layers import Gru, Lstm
from export.spectral import OverlapAdd
from export.streaming import State, StreamingModule

__all__ = ["SpectralAmp"]


class SpectralAmp(StreamingModule):
    """Fourier frames -> LSTM or GRU, one step per frame -> complex mask -> overlap-add.

    Much cheaper than a step per sample, late by ``n_fft - hop`` samples, and blunt: within a frame
    it can only weigh what is there, so the harmonics of a hard distortion stay coarse. The mask
    starts at 1, so the untrained net is a delay; silence in, silence out.

    Parameters
    ----------
    hidden
        Units of each recurrent layer.
    n_fft, hop
        Samples of a frame, and from one to the next: a half, a quarter, ... of it.
    cell
        The kind of recurrent layer.
    layers
        Layers one behind the other.

    Examples
    --------
    >>> SpectralAmp(hidden=16, n_fft=512, hop=128).latency
    384
    """

    def __init__(
        self,
        hidden: Annotated[int, Field(ge=1, le=1024)],
        n_fft: Annotated[int, Field(ge=4, le=4096)] = 128,
        hop: Annotated[int, Field(ge=1, le=2048)] = 32,
        cell: Literal["lstm", "gru"] = "lstm",
        layers: Annotated[int, Field(ge=1, le=3)] = 1,
    ) -> None:
        super().__init__()
        self.sizes = {
            "hidden": hidden, "n_fft": n_fft, "hop": hop, "cell": cell, "layers": layers,
        }
        mask = _MaskNet(n_fft, hidden, cell, layers)
        self.stream = OverlapAdd(mask, n_fft=n_fft, hop=hop)
        self.hop = hop
        self.latency = self.stream.latency

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.stream.initial_state(batch)

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.stream(x, state)

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes of the frames and of the net; there is no kernel but the graph."""
        return {"type": "spectral", **self.sizes}


class _MaskNet(StreamingModule):
    """Real and imaginary parts of all bins -> a complex factor for each of them."""

    def __init__(self, n_fft: int, hidden: int, cell: str, layers: int) -> None:
        super().__init__()
        self.bins = n_fft // 2 + 1
        # A bin's magnitude grows with n_fft for a tone, with its root for noise.
        self.scale = 2.0 / n_fft**0.5
        kind = Lstm if cell == "lstm" else Gru
        self.rnn = kind(2 * self.bins, hidden, layers=layers)
        self.head = nn.Linear(hidden, 2 * self.bins)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.rnn.initial_state(batch)

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, _, frames, bins = x.shape
        steps = x.permute(2, 0, 1, 3).reshape(frames, batch, 2 * bins)
        features, state = self.rnn(self.scale * steps, state)
        mask = self.head(features).reshape(frames, batch, 2, bins).permute(1, 2, 0, 3)
        real, imag = x[:, 0], x[:, 1]
        gain, turn = 1 + mask[:, 0], mask[:, 1]
        return torch.stack([real * gain - imag * turn, real * turn + imag * gain], dim=1), state
