"""Play a WaveNet capture offline, as the teacher of a smaller net."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rtaudio.models.capture import Capture
from rtaudio.models.net import Conv, WaveNet, WaveNetArray

__all__ = ["Teacher"]

_ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "leaky_relu": functional.leaky_relu}


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

    def __init__(self, capture: Capture) -> None:
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


def _conv(conv: Conv, x: Tensor) -> Tensor:
    bias = None if conv.bias is None else torch.from_numpy(conv.bias)
    return functional.conv1d(x, torch.from_numpy(conv.weight), bias, dilation=conv.dilation)


def _array(
    array: WaveNetArray, x: Tensor, y: Tensor, head: Tensor | None
) -> tuple[Tensor, Tensor]:
    y = _conv(array.rechannel, y)
    for layer in array.layers:
        z = _conv(layer.conv, y)
        length = z.shape[-1]
        activation = _ACTIVATIONS[layer.activation.name]
        z = activation(z + _conv(layer.mixer, x[..., -length:]), *layer.activation.values)
        head = z if head is None else head[..., -length:] + z
        assert layer.out is not None
        y = y[..., -length:] + _conv(layer.out, z)
    assert head is not None
    return y, _conv(array.head, head)
