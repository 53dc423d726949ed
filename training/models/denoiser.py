"""A full-band speech denoiser: convolutions across bands, a recurrent core, filters per bin."""

from __future__ import annotations

import copy
import math
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.layers import Gru
from export.spectral import OverlapAdd
from export.streaming import State, StreamingModule
from training.models.overlap_net import OverlapNet
from training.models.places import PlaceConvolution, Places, PlaceUpsampling, fold_norms
from training.models.running_level import running_level

__all__ = ["Denoiser"]

RATE_HZ = 48000
LEVEL_SECONDS = 2.0
"""Time constant of the running level by which all features are divided."""
FLOOR = 1e-9
"""Mean square of a spectral line, about -100 dB of full scale, below which a signal is silence."""


class Denoiser(OverlapNet):
    r"""Noisy speech in, speech out, late by ``window - hop + look_ahead * hop`` samples.

    ::

        frames --> level --> bands [3, 128] --> 3 convolutions --> [64] [32] [16]
           |                                         |              |    |    |  skips
           |                                        GRU x 2         |    |    |
           |                                         |              |    |    |
           +--> filter of ``taps`` frames per bin <-- 3 transposed convolutions

    The lowest ``lines`` bins (4.8 kHz) keep their resolution and their phase: each is a complex
    filter over ``taps`` frames, times a gain. Above, ``bands`` triangular bands share a gain, since
    an ear hears no phase there. All features are divided by the running level of the input, so
    that quiet speech is treated as loud speech is. What leaves is a filter of what came in:
    silence stays silence.

    Parameters
    ----------
    window, hop
        Samples of a frame, and from one to the next, at 48 kHz.
    look_ahead
        Frames that may be heard before one is answered.
    lines, bands
        Bins as they are, and bands of the bins above.
    channels
        Of the three convolutions.
    hidden
        Units of each of the two recurrent layers.
    taps
        Frames of the filters.

    Notes
    -----
    What it owes to others: filters over frames and the split of the spectrum, Schröter et al.:
    DeepFilterNet, ICASSP 2022; bands for bins and the small convolutional net around a recurrent
    one, Rong et al.: GTCRN, ICASSP 2024; Braun et al.: Towards efficient models for real-time deep
    noise suppression, ICASSP 2021.

    Examples
    --------
    >>> net = Denoiser()
    >>> net.latency_samples, sum(p.numel() for p in net.parameters()) < 1_000_000
    (960, True)
    """

    task = "denoise"

    def __init__(
        self,
        window: Annotated[int, Field(ge=64, le=4096)] = 960,
        hop: Annotated[int, Field(ge=32, le=2048)] = 480,
        look_ahead: Annotated[int, Field(ge=0, le=4)] = 1,
        lines: Annotated[int, Field(ge=8, le=512)] = 96,
        bands: Annotated[int, Field(ge=8, le=128)] = 32,
        channels: tuple[int, int, int] = (16, 24, 32),
        hidden: Annotated[int, Field(ge=8, le=512)] = 192,
        taps: Annotated[int, Field(ge=1, le=8)] = 5,
    ) -> None:
        core = _Filters(window, hop, look_ahead, lines, bands, channels, hidden, taps)
        super().__init__(OverlapAdd(core, n_fft=window, hop=hop, look_ahead=look_ahead))
        self.sizes = {
            "window": window,
            "hop": hop,
            "look_ahead": look_ahead,
            "lines": lines,
            "bands": bands,
            "channels": list(channels),
            "hidden": hidden,
            "taps": taps,
        }
        self.look_ahead = look_ahead

    def adopt(self, other: Denoiser) -> None:
        """Start with the weights of a net of another look-ahead, its filters moved in time.

        Raises
        ------
        RuntimeError
            Its other sizes are not those of this net.
        """
        weights = dict(other.state_dict())
        later = other.look_ahead - self.look_ahead
        for name in ("stream.net.head.weight", "stream.net.head.bias"):
            gain, filters = weights[name].split([1, len(weights[name]) - 1])
            moved = torch.zeros_like(filters).unflatten(0, (2, -1))
            there = filters.unflatten(0, (2, -1))
            kept = moved.shape[1] - abs(later)
            moved[:, max(later, 0) :][:, :kept] = there[:, max(-later, 0) :][:, :kept]
            weights[name] = torch.cat([gain, moved.flatten(0, 1)])
        self.load_state_dict(weights)

    @override
    def folded(self) -> Denoiser:
        """The frozen statistics go into the weights of the convolutions in front of them."""
        net = copy.deepcopy(self)
        fold_norms(net)
        return net

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes of the frames and of the net; there is no kernel but the graph."""
        return {"type": "denoiser", **self.sizes}


class _Filters(StreamingModule):
    """Frames (batch, 2, frames, bins) in, filtered frames out."""

    start: Tensor

    def __init__(
        self,
        window: int,
        hop: int,
        look_ahead: int,
        lines: int,
        bands: int,
        channels: tuple[int, int, int],
        hidden: int,
        taps: int,
    ) -> None:
        super().__init__()
        if look_ahead >= taps:
            raise ValueError(f"taps = {taps}: wanted more than look_ahead = {look_ahead}")
        if (lines + bands) % 8:
            raise ValueError(f"lines + bands = {lines + bands}: wanted a multiple of 8")
        self.lines, self.taps, self.look_ahead = lines, taps, look_ahead
        self.decay = math.exp(-hop / (RATE_HZ * LEVEL_SECONDS))
        self.places = Places(window, lines=lines, bands=bands, rate_hz=RATE_HZ)
        places = len(self.places)
        a, b, c = channels
        self.place = nn.Parameter(torch.zeros(3, 1, places))
        self.encoder = nn.ModuleList(
            [
                PlaceConvolution(3, a, frames=3, width=5),
                PlaceConvolution(a, b, frames=2, width=3),
                PlaceConvolution(b, c, frames=1, width=3),
            ]
        )
        inner = c * places // 8
        self.squeeze = nn.Linear(inner, hidden)
        self.core = Gru(hidden, hidden, layers=2)
        self.expand = nn.Linear(hidden, inner)
        self.skips = nn.ModuleList([nn.Conv2d(n, n, 1) for n in channels])
        self.decoder = nn.ModuleList(
            [
                PlaceUpsampling(c, b, 3),
                PlaceUpsampling(b, a, 3),
                PlaceUpsampling(a, a, 5),
            ]
        )
        self.head = nn.Conv2d(a, 1 + 2 * taps, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        self.head.bias = nn.Parameter(torch.zeros(1 + 2 * taps))
        start = torch.zeros(1, 2, 1, taps, 1)
        start[:, 0, :, taps - 1 - look_ahead] = 1
        self.register_buffer("start", start, persistent=False)
        self.band_head = nn.Parameter(torch.ones(2, places))

    @override
    def initial_state(self, batch: int = 1) -> State:
        zeros = self.place.new_zeros
        state = {
            "level": zeros(batch, 1),
            "weight": zeros(batch, 1),
            "past": zeros(batch, 2, self.taps - 1, self.lines),
            "late": zeros(batch, 2, self.look_ahead, self.places.bins - self.lines),
            **self.core.initial_state(batch),
        }
        for number, layer in enumerate(self.encoder):
            assert isinstance(layer, PlaceConvolution)
            size = len(self.places) >> number
            state |= {f"conv{number}": zeros(batch, layer.inputs, layer.frames - 1, size)}
        return {name: value for name, value in state.items() if value.numel()}

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        following: State = {}
        y, level = self._features(x, state)
        following |= level
        skips = []
        for number, layer in enumerate(self.encoder):
            y, rest = layer(y, state.get(f"conv{number}"))
            if rest is not None:
                following[f"conv{number}"] = rest
            skips.append(y)
        batch, c, frames, places = y.shape
        z = functional.relu(self.squeeze(y.permute(2, 0, 1, 3).reshape(frames, batch, c * places)))
        out, hidden = self.core(z, {"h": state["h"]})
        following |= hidden
        z = self.expand(out + z).reshape(frames, batch, c, places)
        y = functional.relu(z).permute(1, 2, 0, 3)
        for layer, skip, link in zip(
            self.decoder, reversed(skips), reversed(list(self.skips)), strict=True
        ):
            y = layer(y + link(skip))
        y, rest = self._filtered(x, self.head(y), state)
        return y, following | rest

    def _features(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Compressed spectrum at the running level: (batch, 3, frames, lines + bands)."""
        power = self.places.power(x)
        level, weight, following = running_level(power.mean(dim=-1), state, self.decay)
        gain = weight[..., None] / (level[..., None] + FLOOR * weight[..., None])
        features = self.places.compressed(x, self.places(power), gain) + self.place
        return features, following

    def _filtered(self, x: Tensor, head: Tensor, state: State) -> tuple[Tensor, State]:
        """Filter the low bins over frames, weigh the bands above."""
        batch, _, frames, _ = x.shape
        following: State = {}
        gain = torch.sigmoid(head[:, :1] * self.band_head[0] + self.band_head[1])
        low = x[..., : self.lines]
        seen = torch.cat([state["past"], low], dim=2) if self.taps > 1 else low
        if self.taps > 1:
            following["past"] = seen[:, :, -(self.taps - 1) :]
        if frames > 1:
            heard = seen.unfold(2, self.taps, 1).transpose(-1, -2)
        else:  # as in a graph: what was seen is the one window
            heard = seen[:, :, None]
        coefficients = torch.tanh(head[:, 1:, :, : self.lines])
        coefficients = coefficients.reshape(batch, 2, self.taps, frames, self.lines)
        coefficients = coefficients.transpose(2, 3) + self.start
        straight, crossed = heard * coefficients, heard * coefficients.flip(1)
        real = straight[:, :1] - straight[:, 1:]
        filtered = torch.cat([real, crossed.sum(dim=1, keepdim=True)], dim=1).sum(dim=3)
        filtered = filtered * gain[..., : self.lines]
        high = x[..., self.lines :]
        if self.look_ahead:
            late = torch.cat([state["late"], high], dim=2)
            following["late"] = late[:, :, -self.look_ahead :]
            high = late[:, :, :frames]
        high = high * self.places.spread(gain)[..., self.lines :]
        return torch.cat([filtered, high], dim=-1), following
