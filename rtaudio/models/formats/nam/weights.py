"""The flat list of weights of a ``.nam`` file, read from front to back."""

from __future__ import annotations

import math

from rtaudio.models.formats.json_file import float32_list
from rtaudio.models.formats.nam.document import Document
from rtaudio.models.net.types import Conv
from rtaudio.runtime.memory import Floats

__all__ = ["Weights"]


class Weights:
    """A cursor over the list; sizes are checked before anything is taken.

    Parameters
    ----------
    document
        The net that has the weights.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = float32_list(document.path, "weights", document.content.get("weights"))
        self.position = 0

    def take(self, *shape: int) -> Floats:
        """Return the next weights as an array of this shape."""
        end = self.position + math.prod(shape)
        if end > self.values.size:
            raise self.document.fault(
                f"{self.values.size} weights are too few for the config (at least {end} needed); "
                "the file is damaged or of a newer kind"
            )
        taken = self.values[self.position : end].reshape(shape)
        self.position = end
        return taken

    def conv(
        self,
        inputs: int,
        outputs: int,
        taps: int = 1,
        *,
        bias: bool,
        dilation: int = 1,
        groups: int = 1,
    ) -> Conv:
        """Return the convolution that comes next.

        Parameters
        ----------
        inputs, outputs
            Channels.
        taps
            Length of the kernel; 1 is a 1x1 convolution.
        bias
            Whether it has one, after its kernel.
        dilation
            Distance between taps, in samples.
        groups
            Number of groups that the channels are split into.
        """
        if inputs % groups or outputs % groups:
            raise self.document.fault(
                f"a convolution from {inputs} to {outputs} channels cannot have {groups} groups; "
                "the file is damaged"
            )
        weight = self.take(outputs, inputs // groups, taps)
        return Conv(weight, self.take(outputs) if bias else None, dilation, groups)

    def finish(self) -> None:
        """Refuse a list that has weights left over."""
        if self.position != self.values.size:
            raise self.document.fault(
                f"{self.values.size} weights do not fit the config ({self.position} needed); "
                "the file is damaged or of a newer kind"
            )
