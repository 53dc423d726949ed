"""Open-Unmix, made causal for live use, and its bidirectional form for whole signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import override

from export.spectral import OverlapAdd
from export.streaming import State, StreamingModule
from rtaudio.models.stems import RESIDUAL, STEMS
from training.models.overlap_net import OverlapNet

__all__ = ["OpenUnmix"]

RATE_HZ = 44100
SIDES = 2
LAYERS = 3
DROPOUT = 0.4


class OpenUnmix(OverlapNet):
    r"""A net per stem that multiplies magnitudes, and what is left of the song beside them.

    ::

        |frames| --> scale --> dense, norm, tanh --+--> LSTM x 3 --+
           |                                       +---------------+--> dense, norm, relu
           |                                                                   |
           +----------------> x <-- relu <-- scale <-- norm <-- dense <--------+

    The stems are followed by the ``residual``: the song, equally late, minus all stems. The causal
    form reads forward only and carries the state of its LSTMs. The other one reads a whole signal
    in one call, both ways; the exporter refuses it.

    Parameters
    ----------
    hidden
        Features; the LSTMs of the bidirectional form have half as many in each direction.
    n_fft, hop
        Samples of a frame, a Hann window, and from one to the next, at 44.1 kHz. The net is late
        by ``n_fft - hop``; a host whose block is no multiple of the hop adds
        ``hop - gcd(hop, block)``.
    bandwidth_hz
        What the LSTMs hear; the output covers all frequencies.
    targets
        The stems, one net each.
    causal
        Whether the LSTMs read forward only.

    Raises
    ------
    ValueError
        An unknown stem, or one that is named twice.

    Notes
    -----
    Stöter, Uhlich, Liutkus, Mitsufuji: Open-Unmix - A reference implementation for music source
    separation, Journal of Open Source Software 4(41), 1667, 2019.

    Examples
    --------
    >>> net = OpenUnmix(targets=["vocals"])
    >>> net.latency_samples, sum(p.numel() for p in net.parameters())
    (3072, 10466212)
    """

    task = "separate"
    rate_hz = RATE_HZ

    def __init__(
        self,
        hidden: Annotated[int, Field(ge=4, le=2048, multiple_of=2)] = 512,
        n_fft: Annotated[int, Field(ge=64, le=16384)] = 4096,
        hop: Annotated[int, Field(ge=16, le=8192)] = 1024,
        bandwidth_hz: Annotated[float, Field(gt=0, le=RATE_HZ / 2)] = 16000.0,
        targets: Sequence[str] = STEMS,
        causal: bool = True,
    ) -> None:
        if not set(targets) <= set(STEMS) or not targets or len(set(targets)) != len(targets):
            raise ValueError(f"targets {list(targets)}: choose some of {', '.join(STEMS)}")
        heard = int(np.flatnonzero(np.fft.rfftfreq(n_fft, 1 / RATE_HZ) <= bandwidth_hz)[-1]) + 1
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        stems = (*targets, RESIDUAL)
        super().__init__(
            OverlapAdd(
                _Targets(targets, hidden, heard, n_fft // 2 + 1, causal),
                n_fft=n_fft,
                hop=hop,
                windows=(hann, hann),
                channels=(SIDES, SIDES * len(stems)),
            )
        )
        self.stems = stems
        self.sizes = {
            "hidden": hidden,
            "n_fft": n_fft,
            "hop": hop,
            "bandwidth_hz": bandwidth_hz,
            "causal": causal,
        }

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes of the net; there is no kernel but the graph."""
        return {"type": "open-unmix", **self.sizes}


class _Targets(StreamingModule):
    """Frames (batch, 2, sides * frames, bins) in, those of all stems and the residual out."""

    def __init__(
        self, targets: Sequence[str], hidden: int, heard: int, bins: int, causal: bool
    ) -> None:
        super().__init__()
        self.nets = nn.ModuleDict({name: _Target(hidden, heard, bins, causal) for name in targets})

    def _each(self) -> list[tuple[str, _Target]]:
        return [(name, net) for name, net in self.nets.items() if isinstance(net, _Target)]

    @override
    def initial_state(self, batch: int = 1) -> State:
        return {
            f"{name}.{key}": value
            for name, net in self._each()
            for key, value in net.initial_state(batch).items()
        }

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, _, lines, bins = x.shape
        spectrum = x.reshape(batch, 2, SIDES, lines // SIDES, bins)
        # The slope of the root is infinite at 0.
        magnitude = (spectrum.square().sum(dim=1) + 1e-16).sqrt().permute(2, 0, 1, 3)
        stems: list[Tensor] = []
        following: State = {}
        for name, net in self._each():
            own = {key: state[f"{name}.{key}"] for key in ("h", "c") if f"{name}.{key}" in state}
            mask, after = net(magnitude, own)
            following |= {f"{name}.{key}": value for key, value in after.items()}
            stems.append(spectrum * mask.permute(1, 2, 0, 3)[:, None])
        rest = spectrum - torch.stack(stems).sum(dim=0)
        return torch.cat([*stems, rest], dim=2).reshape(batch, 2, -1, bins), following


class _Target(StreamingModule):
    """From magnitudes (frames, batch, sides, bins) to the mask of a stem, of the same shape."""

    def __init__(self, hidden: int, heard: int, bins: int, causal: bool) -> None:
        super().__init__()
        self.heard, self.causal = heard, causal
        self.input_mean = nn.Parameter(torch.zeros(heard))
        self.input_scale = nn.Parameter(torch.ones(heard))
        self.output_mean = nn.Parameter(torch.ones(bins))
        self.output_scale = nn.Parameter(torch.ones(bins))
        self.squeeze = nn.Linear(heard * SIDES, hidden, bias=False)
        self.squeeze_norm = nn.BatchNorm1d(hidden)
        size = hidden if causal else hidden // 2
        self.lstm = nn.LSTM(hidden, size, LAYERS, bidirectional=not causal, dropout=DROPOUT)
        self.dense = nn.Linear(2 * hidden, hidden, bias=False)
        self.dense_norm = nn.BatchNorm1d(hidden)
        self.expand = nn.Linear(hidden, bins * SIDES, bias=False)
        self.expand_norm = nn.BatchNorm1d(bins * SIDES)

    @override
    def initial_state(self, batch: int = 1) -> State:
        if not self.causal:
            return {}
        zeros = self.input_mean.new_zeros(LAYERS, batch, self.lstm.hidden_size)
        return {"h": zeros, "c": zeros.clone()}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        frames, batch, sides, bins = x.shape
        heard = (x[..., : self.heard] + self.input_mean) * self.input_scale
        rows = self.squeeze(heard.reshape(frames * batch, -1))
        y = torch.tanh(self.squeeze_norm(rows)).reshape(frames, batch, -1)
        if self.causal:
            z, (h, c) = self.lstm(y, (state["h"], state["c"]))
            following = {"h": h, "c": c}
        else:
            z, _ = self.lstm(y)
            following = {}
        rows = torch.cat([y, z], dim=-1).reshape(frames * batch, -1)
        rows = torch.relu(self.dense_norm(self.dense(rows)))
        mask = self.expand_norm(self.expand(rows)).reshape(frames, batch, sides, bins)
        return torch.relu(mask * self.output_scale + self.output_mean), following
