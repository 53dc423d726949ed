"""A light separator for live use: bands of a spectrum, recurrent over time, then mixed."""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.layers import Gru
from export.spectral import OverlapAdd, low_latency_windows
from export.streaming import State, StreamingModule
from rtaudio.models.stems import STEMS
from training.models.overlap_net import OverlapNet
from training.models.running_level import running_level

__all__ = ["Separator"]

RATE_HZ = 44100
WINDOW = 2048
FINE, COARSE = 304, 4
"""Bins of 21.5 Hz that are lines of their own; above, 6.5 kHz, ``COARSE`` bins share a line."""

LINES = FINE + (WINDOW // 2 - FINE) // COARSE
BANDS = ((8, 2), (8, 4), (6, 8), (5, 16), (4, 32), (5, 36))
"""Number and width, in lines, of the bands from 0 Hz up: about those of the ear."""

LEVEL_SECONDS = 3.0
"""Time constant of the running level by which all features are divided."""
FLOOR = 1e-9
"""Mean square of a spectral line, about -100 dB of full scale, below which a signal is silence."""
COMPRESSION = 0.3
SIDES = 2
VIEWS = 3
"""What a bin shows of a stereo signal: the magnitudes of left, right, and their difference."""


class Separator(OverlapNet):
    r"""A stereo song in, four stems out that add up to it; late by ``n_synthesis - hop``.

    ::

        frames --> |left|, |right|, |left - right| --> level --> bands [36, channels]
           |                                                      |
           |                        layers x { GRU over time, the same for all bands
           |                                 { two dense layers over the bands
           |                                                      |
           +--> x masks of the lines <-- softmax over the stems <-+

    A mask per stem, channel and line; those of a line add up to 1, so nothing is lost or added:
    what is no voice, drum or bass is in ``other``. A line is a bin, or four above 6.5 kHz. A frame
    is 2048 samples at 44.1 kHz, seen through a window that falls late and fast, and only its newest
    ``n_synthesis`` samples are played.

    Parameters
    ----------
    channels
        Features of each band.
    layers
        Number of pairs of a recurrent layer and a mixing of the bands.
    n_synthesis
        Samples from the first to the last that a frame contributes to; twice the hop.

    Notes
    -----
    What it owes to others: bands of their own nets, Luo, Yu: Music source separation with
    band-split RNN, IEEE/ACM TASLP 2023; mixing by dense layers over the bands, Tolstikhin et al.:
    MLP-Mixer, NeurIPS 2021; windows, see `export.spectral.low_latency_windows`.

    Examples
    --------
    >>> net = Separator()
    >>> net.latency_samples, sum(p.numel() for p in net.parameters())
    (512, 438564)
    """

    task = "separate"
    stems = STEMS
    rate_hz = RATE_HZ

    def __init__(
        self,
        channels: Annotated[int, Field(ge=4, le=256)] = 64,
        layers: Annotated[int, Field(ge=1, le=8)] = 3,
        n_synthesis: Annotated[int, Field(ge=256, le=WINDOW, multiple_of=2)] = 1024,
    ) -> None:
        hop = n_synthesis // 2
        super().__init__(
            OverlapAdd(
                _Masks(channels, layers, hop),
                n_fft=WINDOW,
                hop=hop,
                windows=low_latency_windows(WINDOW, n_synthesis),
                channels=(SIDES, len(STEMS) * SIDES),
                n_synthesis=n_synthesis,
            )
        )
        self.sizes = {"channels": channels, "layers": layers, "n_synthesis": n_synthesis}

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes of the net; there is no kernel but the graph."""
        return {"type": "separator", **self.sizes}


class _Masks(StreamingModule):
    """Frames (batch, 2, sides * frames, bins) in, those of all stems out."""

    def __init__(self, channels: int, layers: int, hop: int) -> None:
        super().__init__()
        self.decay = math.exp(-hop / (RATE_HZ * LEVEL_SECONDS))
        # A bin of noise has the mean square n_fft / 2 times the mean square of the samples.
        self.scale = 2.0 / WINDOW
        self.bands = sum(count for count, _ in BANDS)
        self.split = _Split(channels)
        self.layers = nn.ModuleList([_Layer(self.bands, channels) for _ in range(layers)])
        self.join = _Join(channels, len(STEMS) * SIDES)

    @override
    def initial_state(self, batch: int = 1) -> State:
        zeros = self.split.bias.new_zeros
        hidden = {
            f"h{number}": layer.gru.initial_state(batch * self.bands)["h"]
            for number, layer in enumerate(self._each())
        }
        return {"level": zeros(batch, 1), "weight": zeros(batch, 1), **hidden}

    def _each(self) -> list[_Layer]:
        return [layer for layer in self.layers if isinstance(layer, _Layer)]

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        batch, _, lines, bins = x.shape
        spectrum = x.reshape(batch, 2, SIDES, lines // SIDES, bins)
        features, following = self._features(spectrum, state)
        y = self.split(features)
        for number, layer in enumerate(self._each()):
            y, following[f"h{number}"] = layer(y, state[f"h{number}"])
        logits = self.join(y).reshape(-1, batch, LINES, SIDES, len(STEMS))
        # The stems come last, as that is where a softmax is fast in a graph.
        masks = _to_bins(torch.softmax(logits, dim=-1).permute(1, 4, 3, 0, 2))
        stems = spectrum[:, :, None] * masks[:, None]
        return stems.reshape(batch, 2, len(STEMS) * lines, bins), following

    def _features(self, spectrum: Tensor, state: State) -> tuple[Tensor, State]:
        """Compressed magnitudes at the running level: (frames, batch, views, lines)."""
        side = spectrum[:, :, :1] - spectrum[:, :, 1:]
        power = self.scale * torch.cat([spectrum, side], dim=2).square().sum(dim=1)
        mean = power[:, :SIDES].mean(dim=(1, 3))
        level, weight, following = running_level(mean, state, self.decay)
        gain = (weight / (level + FLOOR * weight))[:, None, :, None]
        features = (_to_lines(power) * gain + 1e-6) ** (COMPRESSION / 2)
        return features.permute(2, 0, 1, 3), following


def _to_lines(power: Tensor) -> Tensor:
    """Average the bins of each line; the highest bin, at half the sample rate, is left out."""
    shared = power[..., FINE:-1].unflatten(-1, (LINES - FINE, COARSE)).mean(dim=-1)
    return torch.cat([power[..., :FINE], shared], dim=-1)


def _to_bins(masks: Tensor) -> Tensor:
    """Give each bin the mask of its line."""
    shared = masks[..., FINE:, None].expand(*masks.shape[:-1], -1, COARSE).flatten(-2)
    return torch.cat([masks[..., :FINE], shared, masks[..., -1:]], dim=-1)


class _Split(nn.Module):
    """From (frames, batch, views, lines) to (frames, batch, bands, channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.ParameterList([
            nn.Parameter(torch.randn(count, VIEWS * width, channels) / math.sqrt(VIEWS * width))
            for count, width in BANDS
        ])  # fmt: skip
        bands = sum(count for count, _ in BANDS)
        # No norm follows, which would hide how loud a band is: the attack of a drum.
        self.bias = nn.Parameter(0.3 * torch.randn(bands, channels))

    def forward(self, x: Tensor) -> Tensor:
        frames, batch, _, _ = x.shape
        parts, first = [], 0
        for (count, width), weight in zip(BANDS, self.weights, strict=True):
            band = x[..., first : first + count * width]
            rows = band.reshape(frames * batch, VIEWS, count, width).permute(2, 0, 1, 3)
            parts.append(rows.reshape(count, frames * batch, VIEWS * width) @ weight)
            first += count * width
        y = torch.cat(parts).transpose(0, 1) + self.bias
        return y.reshape(frames, batch, *self.bias.shape)


class _Join(nn.Module):
    """From (frames, batch, bands, channels) to (frames, batch, lines, outputs)."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.norm = nn.LayerNorm(channels)
        self.weights = nn.ParameterList([
            nn.Parameter(0.5 / math.sqrt(channels) * torch.randn(count, channels, width * outputs))
            for count, width in BANDS
        ])  # fmt: skip
        self.bias = nn.Parameter(torch.zeros(LINES, outputs))

    def forward(self, y: Tensor) -> Tensor:
        frames, batch, _, channels = y.shape
        rows = self.norm(y).reshape(frames * batch, -1, channels).transpose(0, 1)
        parts, first = [], 0
        for (count, width), weight in zip(BANDS, self.weights, strict=True):
            part = (rows[first : first + count] @ weight).transpose(0, 1)
            parts.append(part.reshape(-1, count * width, self.outputs))
            first += count
        joined = torch.cat(parts, dim=1) + self.bias
        return joined.reshape(frames, batch, LINES, self.outputs)


class _Layer(nn.Module):
    """A recurrent layer for every band alike, and a mixing of the bands for every feature alike."""

    def __init__(self, bands: int, channels: int) -> None:
        super().__init__()
        self.before_time = nn.LayerNorm(channels)
        self.gru = Gru(channels, channels)
        self.before_bands = nn.LayerNorm(channels)
        self.mix = nn.Linear(bands, 2 * bands)
        self.merge = nn.Linear(2 * bands, bands)

    def forward(self, y: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        frames, batch, bands, channels = y.shape
        z = self.before_time(y).reshape(frames, batch * bands, channels)
        z, following = self.gru(z, {"h": h})
        y = y + z.reshape(y.shape)
        z = functional.relu(self.mix(self.before_bands(y).transpose(2, 3)))
        return y + self.merge(z).transpose(2, 3), following["h"]
