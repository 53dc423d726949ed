"""An amp as a WaveNet of the A1 form, which a ``.nam`` file can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from export.layers import CausalConv1d
from export.streaming import State, StreamingModule
from training.models.conditioning import Conditioning, Knobs

__all__ = ["WaveNetAmp"]

Size = Literal["standard", "lite", "feather", "nano"]

KERNEL = 3
HEAD_SCALE = 0.02
CHANNELS: dict[str, tuple[int, int]] = {
    "standard": (16, 8),
    "lite": (12, 6),
    "feather": (8, 4),
    "nano": (4, 2),
}
_OCTAVES = tuple(2**power for power in range(10))
_LIGHT = (_OCTAVES[:7], _OCTAVES[7:] + _OCTAVES)
DILATIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "standard": (_OCTAVES, _OCTAVES),
    "lite": _LIGHT,
    "feather": _LIGHT,
    "nano": _LIGHT,
}


class WaveNetAmp(StreamingModule):
    """Two arrays of dilated convolutions whose outputs are summed; no delay, a finite memory.

    Parameters
    ----------
    size
        Channels and dilations: standard (13,802 weights), lite (6,554), feather (3,026) or nano
        (842), counted as ``.nam`` files do.
    knobs
        Controls of the amp, at most four; see `training.models.conditioning.Knobs`.
    conditioning
        How knobs act: as further channels of the condition that every layer hears beside the raw
        input, or by scaling and shifting what goes into each tanh (FiLM).

    Notes
    -----
    The layers compute z = tanh(conv(y) + mixer(condition)), head += z, y += out(z). The biases
    let a silent net come to rest at another state than zero: it needs ``receptive_field`` samples
    of silence in front. The last layer hands no y on and so has no ``out``; a ``.nam`` file holds
    one anyway, which nothing uses.

    van den Oord et al.: WaveNet, arXiv 1609.03499; Wright et al., Applied Sciences 10(3), 766,
    2020; the sizes are those of Neural Amp Modeler.

    Examples
    --------
    >>> WaveNetAmp("nano").receptive_field
    4093
    """

    def __init__(
        self,
        size: Size = "standard",
        knobs: Sequence[Mapping[str, Any]] = (),
        conditioning: Conditioning = "input",
    ) -> None:
        super().__init__()
        self.size = size
        self.knobs = Knobs(knobs)
        self.controls = self.knobs.controls
        self.conditioning = conditioning
        film = len(knobs) if conditioning == "film" else 0
        first, second = CHANNELS[size]
        condition = 1 + len(knobs) - film
        one, two = DILATIONS[size]
        self.arrays = nn.ModuleList(
            [
                _Array(1, first, second, one, condition, film, last=False),
                _Array(first, second, 1, two, condition, film, last=True),
            ]
        )
        self.prewarm_samples = self.receptive_field

    def _arrays(self) -> list[_Array]:
        return cast("list[_Array]", list(self.arrays))

    @property
    def receptive_field(self) -> int:
        """Samples of input that one output sample depends on, itself included."""
        return 1 + sum(layer.conv.past for array in self._arrays() for layer in array.stack())

    @override
    def initial_state(self, batch: int = 1) -> State:
        return {
            f"{a}.{n}": layer.conv.initial_state(batch)["past"]
            for a, array in enumerate(self._arrays())
            for n, layer in enumerate(array.stack())
        }

    @override
    def forward(self, x: Tensor, state: State, knobs: Tensor | None = None) -> tuple[Tensor, State]:
        condition, film = x, None
        if knobs is not None:
            settings = self.knobs(knobs)[..., None]
            if self.conditioning == "film":
                film = settings
            else:
                condition = torch.cat([x, settings.expand(-1, -1, x.shape[-1])], dim=1)
        y = x
        head: Tensor | None = None
        following: State = {}
        for a, array in enumerate(self._arrays()):
            y = array.rechannel(y)
            for n, layer in enumerate(array.stack()):
                name = f"{a}.{n}"
                y, z, following[name] = layer(y, condition, film, state[name])
                head = z if head is None else head + z
            head = array.head(head)
        assert head is not None
        return HEAD_SCALE * head, following

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes and the names of the weights in the graph, array by array, layer by layer.

        Columns of a ``mixer`` after the first are the knobs as 0..1, in the order of the card's
        parameters.
        """
        arrays, names = [], []
        for a, (array, dilations) in enumerate(
            zip(self._arrays(), DILATIONS[self.size], strict=True)
        ):
            head = f"arrays.{a}.head"
            arrays.append(
                {
                    "channels": CHANNELS[self.size][a],
                    "kernel": KERNEL,
                    "dilations": list(dilations),
                    "activation": "tanh",
                }
            )
            names.append(
                {
                    "rechannel": f"arrays.{a}.rechannel.weight",
                    "layers": [
                        layer.names(f"arrays.{a}.layers.{n}")
                        for n, layer in enumerate(array.stack())
                    ],
                    "head": f"{head}.weight",
                    **({"head_bias": f"{head}.bias"} if array.head.bias is not None else {}),
                }
            )
        film = self.controls and self.conditioning == "film"
        return {
            "type": "wavenet_film" if film else "wavenet",
            "size": self.size,
            "head_scale": HEAD_SCALE,
            "arrays": arrays,
            "residual": False,
            "knobs": [knob.name for knob in self.controls],
            "weights": {"arrays": names},
        }


class _Array(nn.Module):
    def __init__(
        self,
        inputs: int,
        channels: int,
        head: int,
        dilations: tuple[int, ...],
        condition: int,
        film: int,
        *,
        last: bool,
    ) -> None:
        super().__init__()
        self.rechannel = nn.Conv1d(inputs, channels, 1, bias=False)
        self.layers = nn.ModuleList(
            _Layer(channels, dilation, condition, film, last=last and n == len(dilations) - 1)
            for n, dilation in enumerate(dilations)
        )
        self.head = nn.Conv1d(channels, head, 1, bias=last)

    def stack(self) -> list[_Layer]:
        """Layers from the input to the output."""
        return cast("list[_Layer]", list(self.layers))


class _Layer(nn.Module):
    def __init__(
        self, channels: int, dilation: int, condition: int, film: int, *, last: bool
    ) -> None:
        super().__init__()
        self.conv = CausalConv1d(channels, channels, KERNEL, dilation=dilation)
        self.mixer = nn.Conv1d(condition, channels, 1, bias=False)
        self.out = None if last else nn.Conv1d(channels, channels, 1)
        self.film: nn.Conv1d | None = None
        if film:
            self.film = nn.Conv1d(film, 2 * channels, 1)
            nn.init.zeros_(self.film.weight)
            with torch.no_grad():
                assert self.film.bias is not None
                self.film.bias[:channels] = 1
                self.film.bias[channels:] = 0

    @override
    def forward(
        self, y: Tensor, condition: Tensor, film: Tensor | None, past: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        z, following = self.conv(y, {"past": past})
        z = z + self.mixer(condition)
        if film is not None and self.film is not None:
            scale, shift = self.film(film).chunk(2, dim=1)
            z = z * scale + shift
        z = torch.tanh(z)
        return (y if self.out is None else y + self.out(z)), z, following["past"]

    def names(self, prefix: str) -> dict[str, str]:
        """Names of the weights; the convolution hides one level deeper, in its stateful layer."""
        found = {
            "conv": f"{prefix}.conv.conv.weight",
            "conv_bias": f"{prefix}.conv.conv.bias",
            "mixer": f"{prefix}.mixer.weight",
        }
        if self.out is not None:
            found |= {"out": f"{prefix}.out.weight", "out_bias": f"{prefix}.out.bias"}
        if self.film is not None:
            found |= {"film": f"{prefix}.film.weight", "film_bias": f"{prefix}.film.bias"}
        return found
