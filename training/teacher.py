"""Play a WaveNet capture offline, as the teacher of a smaller net."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rtaudio.models.nam import NamCapture, WaveNet, WaveNetArray

__all__ = ["Teacher"]

_ACTIVATIONS = {"Tanh": torch.tanh, "ReLU": torch.relu}


class Teacher:
    """A WaveNet capture as a function from dry to wet.

    Before the first sample lies endless silence, as with a player that was switched on long ago.

    Parameters
    ----------
    capture
        A capture as `rtaudio.models.nam.read_nam` reads it.

    Raises
    ------
    ValueError
        The capture is no WaveNet.
    """

    def __init__(self, capture: NamCapture) -> None:
        if not isinstance(capture.net, WaveNet):
            raise ValueError(f"{capture.path}: an LSTM capture; a teacher must be a WaveNet (A1)")
        self.net = capture.net

    @torch.inference_mode()
    def __call__(self, dry: NDArray[np.float32], *, chunk: int = 1 << 16) -> NDArray[np.float32]:
        """Render ``dry`` (samples,); ``chunk`` bounds the memory and changes nothing else."""
        past = self.net.receptive_field - 1
        padded = torch.from_numpy(np.concatenate([np.zeros(past, np.float32), dry]))[None, None]
        pieces = [
            self._valid(padded[..., start : start + chunk + past])
            for start in range(0, len(dry), chunk)
        ]
        return np.concatenate([piece[0, 0].numpy() for piece in pieces])

    def _valid(self, x: Tensor) -> Tensor:
        """Without any padding: each layer shortens the signal by its own reach."""
        y, head = x, None
        for array in self.net.arrays:
            y, head = _array(array, x, y, head)
        assert head is not None
        return self.net.head_scale * head


def _array(
    array: WaveNetArray, x: Tensor, y: Tensor, head: Tensor | None
) -> tuple[Tensor, Tensor]:
    weight = torch.from_numpy
    activation = _ACTIVATIONS[array.activation]
    y = functional.conv1d(y, weight(array.rechannel)[..., None])
    for layer in array.layers:
        z = functional.conv1d(
            y, weight(layer.conv_weight), weight(layer.conv_bias), dilation=layer.dilation
        )
        length = z.shape[-1]
        z = activation(z + weight(layer.mixer) * x[..., -length:])
        head = z if head is None else head[..., -length:] + z
        y = y[..., -length:] + functional.conv1d(
            z, weight(layer.out_weight)[..., None], weight(layer.out_bias)
        )
    assert head is not None
    bias = None if array.head_bias is None else weight(array.head_bias)
    return y, functional.conv1d(head, weight(array.head_weight)[..., None], bias)
