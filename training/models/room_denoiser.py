"""A denoiser with a knob for the room: how much of the late reverberation it takes away."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from export.streaming import State
from rtaudio.models.contract.card import ModelParameter
from training.models.fading import faded
from training.models.fine_denoiser import FineDenoiser
from training.models.fine_gains import LOUDNESS, LOUDNESS_SCALE, FineGains
from training.models.places import fold_norms

__all__ = ["RoomDenoiser"]

MIDDLE = 50.0
"""Position of the knob at which the denoiser is as it was, in percent."""
LATE_FRAMES = 4
"""Age of what counts as reverberation; with the frame itself it begins some 50 ms after a sound."""
DECAYS = (0.5, 0.71, 0.84)
"""What is left of reverberation after a frame of 10 ms: RT60 of 0.2, 0.4 and 0.8 s."""
CHANNELS = 12
TINY = 1e-6


class _Ends(nn.Module):
    """How likely sound is late reverberation, as both ends of the knob need it.

    ``heard`` and ``left``, power before and after the denoiser, (batch, frames, places), in; the
    share of what was taken that is the room, and the logarithm of a gain for what is left, out.
    """

    decays: Tensor

    def __init__(self, context: int, places: int) -> None:
        super().__init__()
        decays = torch.tensor(DECAYS)[:, None, None]
        self.register_buffer("decays", decays, persistent=False)
        self.places, slopes = places, len(DECAYS)
        self.up = nn.ConvTranspose2d(context, CHANNELS, (1, 4), stride=(1, 2), padding=(0, 1))
        self.head = nn.Conv2d(CHANNELS, 2 * (1 + slopes), 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        # What stands out of the reverberation of earlier sound is none.
        self.bias = nn.Parameter(torch.tensor([[-3.0], [3.0]]).repeat(1, places))
        start = torch.tensor([-1.0, 3.0])[:, None, None, None]
        self.slope = nn.Parameter(start.repeat(1, slopes, 1, places))

    def initial_state(self, batch: int = 1) -> State:
        """Return the last frames, and the reverberation that each room would have."""
        zeros = self.bias.new_zeros
        return {
            "past": zeros(batch, LATE_FRAMES, self.places),
            "late": zeros(batch, len(DECAYS), self.places),
        }

    @override
    def forward(
        self, heard: Tensor, left: Tensor, context: Tensor, state: State
    ) -> tuple[Tensor, Tensor, State]:
        frames = left.shape[1]
        seen = torch.cat([state["past"], left], dim=1)
        rooms = faded(seen[:, None, :frames], state["late"], self.decays)
        late = (rooms + TINY).log10()
        y = self.head(functional.relu(self.up(context))).chunk(2, dim=1)
        known = []
        for n, power in enumerate((heard, left)):
            over = 0.5 * ((power + TINY).log10()[:, None] - late)
            slopes = y[n][:, 1:] + self.slope[n]
            known.append(self.bias[n] + y[n][:, 0] + (slopes * over).sum(dim=1))
        following = {"past": seen[:, -LATE_FRAMES:], "late": rooms[:, :, -1]}
        return known[0].sigmoid(), -functional.softplus(-known[1]), following


class _RoomGains(FineGains):
    """Frames in, frames times the gain that the knob wants out."""

    def __init__(self, *sizes: Any) -> None:
        super().__init__(*sizes)
        fold_norms(self.eval())
        self.requires_grad_(False)
        self.room = _Ends(self.double_full.conv.in_channels, len(self.places))

    @override
    def initial_state(self, batch: int = 1) -> State:
        inner = self.room.initial_state(batch)
        return super().initial_state(batch) | {f"room.{name}": inner[name] for name in inner}

    @override
    def forward(self, x: Tensor, state: State, knobs: Tensor | None = None) -> tuple[Tensor, State]:
        features, gains, half, following = self._found(x, state)
        power = 10 ** (features[:, LOUDNESS] / LOUDNESS_SCALE - 2)
        earlier = {name: state[f"room.{name}"] for name in self.room.initial_state()}
        room, log_gains, later = self.room(power, power * gains.square(), half, earlier)
        if knobs is not None:
            turned = knobs[:, :, None] / MIDDLE - 1
            gains = gains + (-turned).clamp(min=0) * room * (1 - gains)
            gains = gains * (turned.clamp(min=0) * log_gains).exp()
        following |= {f"room.{name}": value for name, value in later.items()}
        return x * self.places.spread(gains)[:, None], following


class RoomDenoiser(FineDenoiser):
    """A finished `FineDenoiser`, and a knob for the room.

    The denoiser's weights are those it is given (`adopt`), and do not change: at 50 % and without a
    knob the output is its own. It takes some of the late reverberation along with the noise. At
    0 % that is given back, at 100 % what it leaves is taken, too. Both ends compare the power of a
    place with what earlier sound would leave there in rooms that fade at three rates, and learn
    the rest from what the denoiser knows of the frame.

    Parameters
    ----------
    window, hop, lines, bands, channels, hidden, n_synthesis, least_gain_db, steady_db
        As for `FineDenoiser`.

    Notes
    -----
    Late reverberation as delayed and faded power: Lebart, Boucher, Denbigh: A new method based on
    spectral subtraction for speech dereverberation, Acta Acustica 87, 2001.

    Examples
    --------
    >>> net, plain = RoomDenoiser().eval(), FineDenoiser().eval()
    >>> net.adopt(plain)
    >>> x = torch.randn(1, 1, 4800)
    >>> y, _ = net(x, net.initial_state(), torch.tensor([[50.0]]))
    >>> bool(torch.allclose(y, plain(x, plain.initial_state())[0], atol=1e-5))
    True
    """

    gains = _RoomGains
    controls = (
        ModelParameter(name="dereverberation_percent", min=0, max=100, default=MIDDLE, unit="%"),
    )

    @override
    def folded(self) -> RoomDenoiser:
        return self

    @override
    def architecture(self) -> dict[str, Any]:
        return {**super().architecture(), "type": "room-denoiser"}

    def adopt(self, denoiser: FineDenoiser) -> None:
        """Take the weights of a denoiser.

        Parameters
        ----------
        denoiser
            Of the same sizes, without a knob or with one.

        Raises
        ------
        RuntimeError
            It is of other sizes.
        """
        own = {k: v for k, v in self.state_dict().items() if k.startswith("stream.net.room.")}
        self.load_state_dict(own | denoiser.eval().folded().state_dict())
