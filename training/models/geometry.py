"""Receptive field, state and cost of a chain of convolutions, from its list of layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Geometry", "Layer"]


@dataclass(frozen=True)
class Layer:
    """Sizes of one convolution.

    Attributes
    ----------
    kernel, stride, dilation
        As in `torch.nn.Conv1d`; the stride of a transposed convolution is its upsampling.
    channels
        Channels in and out.
    left
        Samples of padding before the first input; of a transposed convolution, samples of output
        cut off at the start.
    transposed
        Whether it upsamples.
    """

    kernel: int
    stride: int
    dilation: int
    channels: tuple[int, int]
    left: int
    transposed: bool = False

    @property
    def span(self) -> int:
        """Samples from the first tap to the last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def weights(self) -> int:
        """Number of weights without bias."""
        return self.kernel * self.channels[0] * self.channels[1]

    @property
    def state_values(self) -> int:
        """Numbers that a stream remembers: inputs, or of a transposed layer unfinished outputs."""
        channels = self.channels[1] if self.transposed else self.channels[0]
        return channels * (self.span - self.stride)

    def inputs(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last input sample that some output samples depend on.

        Parameters
        ----------
        first, last
            The output samples, both included.
        """
        if self.transposed:
            earliest = -(-(first + self.left - self.span + 1) // self.stride)
            return earliest, (last + self.left) // self.stride
        return first * self.stride - self.left, last * self.stride - self.left + self.span - 1


class Geometry:
    """Receptive field, state and cost of layers in a row.

    Parameters
    ----------
    layers
        The layers in the order of the signal. Pointwise operations need no entry.

    Examples
    --------
    >>> halve = Layer(kernel=4, stride=2, dilation=1, channels=(1, 8), left=2)
    >>> net = Geometry([halve, halve])
    >>> net.inputs(0, 0), net.state_values
    ((-6, 3), 4)
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = tuple(layers)

    def __add__(self, other: Geometry) -> Geometry:
        return Geometry(self.layers + other.layers)

    @property
    def state_values(self) -> int:
        """Numbers that a causal stream remembers."""
        return sum(layer.state_values for layer in self.layers)

    @property
    def macs_per_sample(self) -> float:
        """Multiplications of weights for every input sample."""
        rate, macs = Fraction(1), Fraction(0)
        for layer in self.layers:
            if layer.transposed:
                macs += layer.weights * rate
                rate *= layer.stride
            else:
                rate /= layer.stride
                macs += layer.weights * rate
        return float(macs)

    def inputs(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last input sample that some output samples depend on.

        Parameters
        ----------
        first, last
            The output samples, both included.
        """
        for layer in reversed(self.layers):
            first, last = layer.inputs(first, last)
        return first, last

    def unpadded_length(self, samples: int) -> int:
        """Return the number of output samples if no layer pads or cuts anything."""
        for layer in self.layers:
            if layer.transposed:
                samples = (samples - 1) * layer.stride + layer.span
            else:
                samples = (samples - layer.span) // layer.stride + 1
        return samples

    @property
    def unpadded_delay_samples(self) -> int:
        """Samples missing at either end of the output if no layer pads or cuts anything."""
        shortest = length = self.unpadded_length(0)
        for layer in reversed(self.layers):
            if layer.transposed:
                length = -((layer.span - length) // layer.stride) + 1
            else:
                length = (length - 1) * layer.stride + layer.span
        return (length - shortest) // 2
