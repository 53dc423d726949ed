"""The gains of `FineDenoiser`, found frame by frame from features of each place."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.layers import Gru
from export.streaming import State, StreamingModule
from training.models.fading import faded
from training.models.places import PlaceConvolution, Places, PlaceUpsampling
from training.models.running_level import running_level

__all__ = ["FineGains"]

RATE_HZ = 48000
LEVEL_SECONDS = 2.0
"""Time constant of the running level by which the features are divided."""
FLOOR = 1e-9
"""Mean square of a spectral line, about -100 dB of full scale, below which a signal is silence."""
RISE_DB, FIRST_RISE_DB, FIRST_FRAMES = 0.06, 1.0, 15.0
"""Rise of a tracked noise floor per frame, and what is added to it at first."""
SMOOTHING = 0.7
"""Share of the former frame in a smoothed power."""
ENTER_FRAMES = 3
"""Frames that the first convolution sees."""
FEATURES = 6
OVER_FLOOR, LOUDNESS = 3, 5
"""Indices of logarithms: a place's magnitude over its noise floor, and its power."""
LOUDNESS_SCALE, QUIET = 0.4, 1e-5


class FineGains(StreamingModule):
    """Frames (batch, 2, frames, bins) in, frames times gains out; see `FineDenoiser`.

    Parameters
    ----------
    window, hop, lines, bands, channels, hidden
        As for `FineDenoiser`.
    least, steady
        Factors for its ``least_gain_db`` and ``steady_db``.
    """

    def __init__(
        self,
        window: int,
        hop: int,
        lines: int,
        bands: int,
        channels: tuple[int, int, int],
        hidden: int,
        least: float,
        steady: float,
    ) -> None:
        super().__init__()
        self.least, self.steady = least, steady
        if (lines + bands) % 4:
            raise ValueError(f"lines + bands = {lines + bands}: wanted a multiple of 4")
        self.decay = math.exp(-hop / (RATE_HZ * LEVEL_SECONDS))
        self.places = Places(window, lines=lines, bands=bands, rate_hz=RATE_HZ)
        places = len(self.places)
        a, b, c = channels
        self.place = nn.Parameter(torch.zeros(FEATURES, 1, places))
        self.enter = PlaceConvolution(FEATURES, a, frames=ENTER_FRAMES, width=5, stride=1)
        self.halve = PlaceConvolution(a, b, frames=1, width=5)
        self.quarter = PlaceConvolution(b, c, frames=1, width=3)
        self.squeeze = nn.Linear(c * places // 4, hidden)
        self.core = Gru(hidden, hidden)
        self.expand = nn.Linear(hidden, c * places // 4)
        self.skip_half = nn.Conv2d(b, b, 1)
        self.skip_full = nn.Conv2d(a, a, 1)
        self.double_half = PlaceUpsampling(c, b, 3)
        self.double_full = PlaceUpsampling(b, a, 5)
        self.join = PlaceConvolution(3 * a, 16, frames=1, width=3, stride=1)
        self.head = nn.Conv2d(16, 5, 1)
        nn.init.normal_(self.head.weight, std=0.02)
        self.head.bias = nn.Parameter(torch.zeros(5))
        # Logits of what is left of a channel after a frame: it fades within 15 ms to 300 ms.
        self.memory = nn.Parameter(torch.linspace(0, 3.5, a))
        # At first the gain follows the power over the noise floor.
        start = torch.tensor([1.0, 0.5, 0.5, 0.0])
        self.slope = nn.Parameter(start[:, None].repeat(1, places))

    @override
    def initial_state(self, batch: int = 1) -> State:
        zeros, places = self.place.new_zeros, len(self.places)
        return {
            "level": zeros(batch, 1),
            "weight": zeros(batch, 1),
            "age": zeros(batch, 1),
            "smooth": zeros(batch, places),
            "floor": zeros(batch, places),
            "past": zeros(batch, FEATURES, ENTER_FRAMES - 1, places),
            "memory": zeros(batch, self.memory.shape[0], places),
            **self.core.initial_state(batch),
        }

    @override
    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        _, gains, _, following = self._found(x, state)
        return x * self.places.spread(gains)[:, None], following

    def _found(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor, State]:
        """Return features, gains, what is known at half of the places, and the state that follows.

        Gains are (batch, frames, places).
        """
        features, following = self._features(x, state)
        seen = torch.cat([state["past"], features], dim=2)
        following["past"] = seen[:, :, 1 - ENTER_FRAMES :]
        full, half, rest = self._inner(seen, state)
        memory = faded(full, state["memory"], self.memory.sigmoid()[:, None, None])
        gains = self._gains(features, torch.cat([self.skip_full(full), memory], dim=1), half)
        following["memory"] = memory[:, :, -1]
        return features, gains, half, following | rest

    def _features(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the features of each place, (batch, 6, frames, places); nothing here is learnt."""
        power = self.places.power(x)
        level, weight, following = running_level(power.mean(dim=-1), state, self.decay)
        gain = weight[..., None] / (level[..., None] + FLOOR * weight[..., None])
        by_place = self.places(power)
        smooth, floor, tracked = _track(by_place + FLOOR, state)
        # Each of the logarithms is scaled to about 0 .. 1.
        over_floor = [
            0.5 * (value.log10() - floor.log10()).clamp(-1, 6)
            for value in (by_place + FLOOR, smooth)
        ]
        loudness = LOUDNESS_SCALE * ((by_place * gain + QUIET).log10() + 2)
        own = torch.stack([*over_floor, loudness], dim=1)
        features = torch.cat([self.places.compressed(x, by_place, gain), own], dim=1)
        return features, following | tracked

    def _inner(self, features: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Return what is known at all and at half of the places: (batch, channels, frames, ...).

        The features begin with those of earlier frames that the first convolution needs.
        """
        full, _ = self.enter(features + self.place)
        batch, _, frames, _ = full.shape
        half, _ = self.halve(full)
        quarter, _ = self.quarter(half)
        channels, places = quarter.shape[1], quarter.shape[3]
        flat = quarter.permute(2, 0, 1, 3).reshape(frames, batch, channels * places)
        inner = functional.relu(self.squeeze(flat))
        out, hidden = self.core(inner, {"h": state["h"]})
        back = self.expand(out + inner).reshape(frames, batch, channels, places)
        y = self.double_half(functional.relu(quarter + back.permute(1, 2, 0, 3)) + quarter)
        return full, y + self.skip_half(half), hidden

    def _gains(self, features: Tensor, skipped: Tensor, half: Tensor) -> Tensor:
        """Return a gain for each place, (batch, frames, places)."""
        y = self.double_full(half)
        y, _ = self.join(torch.cat([y, skipped], dim=1))
        y = self.head(y)
        own = torch.cat([features[:, OVER_FLOOR:], features[:, :1]], dim=1) - 0.5
        slopes = y[:, 1:] + self.slope[:, None]
        gains = torch.sigmoid(1 + y[:, 0] + (slopes * own).sum(dim=1))
        over_floor = 10 ** features[:, OVER_FLOOR]
        least = self.least * (self.steady / over_floor).clamp(max=1)
        return least + (1 - least) * gains


def _track(power: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
    """Return the smoothed power and its floor, which falls at once and rises slowly.

    All are (batch, frames, places). The first frame goes on from the state; of those after it, the
    smoothing is one product, and the floor a running minimum once its rise is taken off.
    """
    first, age = power[:, 0], state["age"]
    begun = age > 0.5
    smooth = torch.where(begun, SMOOTHING * state["smooth"] + (1 - SMOOTHING) * first, first)
    floor = torch.where(begun, torch.minimum(smooth, state["floor"] * _rise(age)), first)
    frames = power.shape[1]
    if frames == 1:  # as in a graph
        following = {"smooth": smooth, "floor": floor, "age": age + 1}
        return smooth[:, None], floor[:, None], following
    steps = torch.arange(1, frames, device=power.device)
    smooths = torch.cat([smooth[:, None], faded(power[:, 1:], smooth, SMOOTHING)], dim=1)
    risen = torch.cat([torch.zeros_like(age), _rise(age + steps).log()], dim=1).cumsum(dim=1)
    lowest = torch.cat([floor[:, None], smooths[:, 1:]], dim=1).log() - risen[..., None]
    floors = torch.minimum((lowest.cummin(dim=1).values + risen[..., None]).exp(), smooths)
    following = {"smooth": smooths[:, -1], "floor": floors[:, -1], "age": age + frames}
    return smooths, floors, following


def _rise(age: Tensor) -> Tensor:
    """Return the factor by which a floor may rise after ``age`` frames."""
    rise_db = RISE_DB + FIRST_RISE_DB * torch.exp(-age / FIRST_FRAMES)
    return torch.as_tensor(10 ** (0.1 * rise_db))
