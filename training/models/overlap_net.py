"""A net of audio that is a net of spectral frames inside an overlap-add."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from export.spectral import OverlapAdd
from export.streaming import State, StreamingModule

__all__ = ["OverlapNet"]


class OverlapNet(StreamingModule):
    """Base of the spectral nets: hop, channels, latency and state are those of ``stream``.

    Parameters
    ----------
    stream
        The net of frames, with its windows.
    """

    def __init__(self, stream: OverlapAdd) -> None:
        super().__init__()
        self.stream = stream
        self.hop = stream.hop
        self.channels = stream.channels
        self.latency_samples = stream.latency_samples

    @override
    def initial_state(self, batch: int = 1) -> State:
        return self.stream.initial_state(batch)

    @override
    def forward(self, x: Tensor, state: State, *knobs: Tensor) -> tuple[Tensor, State]:
        played: tuple[Tensor, State] = self.stream(x, state, *knobs)
        return played
