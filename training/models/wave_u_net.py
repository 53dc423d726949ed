"""Wave-U-Net: a stereo waveform through ever lower rates and back, with skips at each rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.layers import CausalConv1d
from export.streaming import State, StreamingModule
from training.models.geometry import Geometry, Layer

__all__ = ["WaveUNet"]

Skip = Literal["add", "concatenate"]


class WaveUNet(StreamingModule):
    r"""A U-Net of one-dimensional convolutions, which streams in blocks of ``2**levels`` samples.

    ::

        x -> conv -> relu --+--> every 2nd sample -> conv ... bottleneck ... conv -> relu
                            |                                                    |
                            +--> skip, delayed ----------> (+) <-- conv <-- interpolate x 2
                                                            |
        x, delayed --------------------> concatenate -> 1 x 1 [+ x, delayed] -> y

    Every convolution is causal, half a kernel late; which of two samples decimation keeps, and the
    delays of the skips, make up for it. So the output is that of the net with centred
    convolutions on a whole file, `latency_samples` later.

    Parameters
    ----------
    base_channels
        Channels of the first level; each next one has twice as many.
    levels
        How often the rate is halved.
    kernel
        Taps of the convolutions, odd.
    dropout
        Share of activations that training drops.
    skip
        How a level of the encoder reaches the decoder: added after the convolution of its level, or
        concatenated before it.
    residual
        Add the input, so that the net learns the difference; it starts as a wire.

    Raises
    ------
    ValueError
        An even kernel.

    Notes
    -----
    Stoller, Ewert, Dixon: Wave-U-Net, a multi-scale neural network for end-to-end audio source
    separation, ISMIR 2018; it concatenates. A transposed convolution of stride 1 is a convolution
    with its taps turned round, and is one here. Weights start as of Glorot and Bengio (AISTATS
    2010), biases at zero.

    Examples
    --------
    >>> net = WaveUNet(base_channels=24, levels=4)
    >>> sum(weight.numel() for weight in net.parameters()), net.hop, net.latency_samples
    (2939478, 16, 328)
    """

    channels = (2, 2)

    def __init__(
        self,
        base_channels: Annotated[int, Field(ge=1, le=64)] = 24,
        levels: Annotated[int, Field(ge=1, le=12)] = 8,
        kernel: Annotated[int, Field(ge=3, le=63)] = 15,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        skip: Skip = "add",
        residual: bool = False,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel {kernel} is even, so it has no centre; take {kernel + 1}")
        self.base_channels, self.levels, self.kernel = base_channels, levels, kernel
        self.skip: Skip = skip
        self.residual = residual
        self.dropout = nn.Dropout(dropout)
        widths = [base_channels * 2**level for level in range(levels + 1)]
        inputs = [self.channels[0], *widths[:-1]]
        joined = skip == "concatenate"
        self.encoder = nn.ModuleList(
            CausalConv1d(inputs[n], widths[n], kernel) for n in range(levels)
        )
        self.bottleneck = CausalConv1d(inputs[levels], widths[levels], kernel)
        self.decoder = nn.ModuleList(
            CausalConv1d(widths[n + 1] + joined * widths[n], widths[n], kernel)
            for n in range(levels)
        )
        self.head = nn.Conv1d(widths[0] + self.channels[0], self.channels[1], 1)
        self.hop = 2**levels
        self._align()
        self._start()
        silent = self.latency_samples + self.look_back_samples
        self.prewarm_samples = -(-silent // self.hop) * self.hop

    def _align(self) -> None:
        """Set phases and delays, so that all paths arrive together.

        A level that comes ``late`` samples late, at its own rate, leaves its convolution half a
        kernel later. The samples with even numbers are then at odd places if that sum is odd.
        Interpolation needs the next sample, which costs one at the higher rate.
        """
        half = self.kernel // 2
        self.phases: list[int] = []
        lates = [0]
        for _ in range(self.levels):
            self.phases.append((lates[-1] + half) % 2)
            lates.append((lates[-1] + half) // 2)
        self.skip_delays = [0] * self.levels
        after = lates[self.levels] + half
        for n in reversed(range(self.levels)):
            interpolated = 2 * after + 1
            after = interpolated + half
            meeting = after if self.skip == "add" else interpolated
            self.skip_delays[n] = meeting - lates[n] - half
        self.latency_samples = after

    @torch.no_grad()
    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        if self.residual:
            nn.init.zeros_(self.head.weight)

    def _convolutions(self) -> Iterator[tuple[str, CausalConv1d]]:
        for side, layers in (("encoder", self.encoder), ("decoder", self.decoder)):
            for n, layer in enumerate(layers):
                assert isinstance(layer, CausalConv1d)
                yield f"{side}.{n}", layer
        yield "bottleneck", self.bottleneck

    @property
    def geometry(self) -> Geometry:
        """The path through all levels, of the net with centred convolutions."""
        convolutions = dict(self._convolutions())
        halve = Layer(1, 2, 1, (0, 0), 0)
        double = Layer(4, 2, 1, (0, 0), 1, transposed=True)
        rows: list[Layer] = []
        for n in range(self.levels):
            rows += [self._layer(convolutions[f"encoder.{n}"]), halve]
        rows.append(self._layer(self.bottleneck))
        for n in reversed(range(self.levels)):
            rows += [double, self._layer(convolutions[f"decoder.{n}"])]
        rows.append(Layer(1, 1, 1, (self.head.in_channels, self.head.out_channels), 0))
        return Geometry(rows)

    def _layer(self, conv: CausalConv1d) -> Layer:
        return Layer(self.kernel, 1, 1, conv.channels, self.kernel // 2)

    @property
    def look_ahead_samples(self) -> int:
        """Samples after an output sample that it depends on, at most."""
        geometry = self.geometry
        return max(geometry.inputs(n, n)[1] - n for n in range(self.hop))

    @property
    def look_back_samples(self) -> int:
        """Samples before an output sample that it depends on, at most."""
        geometry = self.geometry
        return max(n - geometry.inputs(n, n)[0] for n in range(self.hop))

    @override
    def initial_state(self, batch: int = 1) -> State:
        weight = self.head.weight
        state = {name: layer.initial_state(batch)["past"] for name, layer in self._convolutions()}
        for n in range(self.levels):
            width = self.base_channels * 2**n
            state[f"skip.{n}"] = weight.new_zeros(batch, width, self.skip_delays[n])
            state[f"last.{n}"] = weight.new_zeros(batch, 2 * width, 1)
        state["dry"] = weight.new_zeros(batch, self.channels[0], self.latency_samples)
        return state

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        following = State()
        y, skips = x, []
        for n, layer in enumerate(self.encoder):
            y = self._convolved(layer, y, f"encoder.{n}", state, following)
            skips.append(_delayed(y, f"skip.{n}", state, following))
            y = y[..., self.phases[n] :: 2]
        y = self._convolved(self.bottleneck, y, "bottleneck", state, following)
        for n in reversed(range(self.levels)):
            y = _interpolated(y, f"last.{n}", state, following)
            if self.skip == "concatenate":
                y = torch.cat([y, skips[n]], dim=1)
            y = self._convolved(self.decoder[n], y, f"decoder.{n}", state, following)
            if self.skip == "add":
                y = y + skips[n]
        dry = _delayed(x, "dry", state, following)
        y = self.head(torch.cat([y, dry], dim=1))
        return (y + dry if self.residual else y), following

    def _convolved(
        self, layer: nn.Module, x: Tensor, name: str, state: State, following: State
    ) -> Tensor:
        y, after = layer(x, {"past": state[name]})
        following[name] = after["past"]
        dropped: Tensor = self.dropout(functional.relu(y))
        return dropped

    @override
    def architecture(self) -> dict[str, Any]:
        return {
            "type": "wave_u_net",
            "base_channels": self.base_channels,
            "levels": self.levels,
            "kernel": self.kernel,
            "skip": self.skip,
            "residual": self.residual,
        }


def _delayed(x: Tensor, name: str, state: State, following: State) -> Tensor:
    """Delay by the length of a state."""
    line = torch.cat([state[name], x], dim=-1)
    following[name] = line[..., x.shape[-1] :]
    return line[..., : x.shape[-1]]


def _interpolated(x: Tensor, name: str, state: State, following: State) -> Tensor:
    """Double the rate by linear interpolation, one sample of the higher rate late.

    New samples lie a quarter of the old distance before and after the old ones.
    """
    before = torch.cat([state[name], x], dim=-1)[..., :-1]
    following[name] = x[..., -1:]
    pair = torch.stack([0.75 * before + 0.25 * x, 0.25 * before + 0.75 * x], dim=-1)
    return pair.flatten(-2)
