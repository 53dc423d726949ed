"""Play a capture offline, as the teacher of a smaller net."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtaudio.models.formats.foreign_net import ForeignNet
from rtaudio.models.formats.read import model_file
from rtaudio.models.loader import LoadedModel
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.offline import run
from rtaudio.runtime.program import Program

__all__ = ["Teacher"]

BLOCK = 2048


class Teacher:
    """A capture of any kind as a function from dry to wet, rendered as it would be played live.

    The first sample comes after a long silence. Knobs stay at their defaults.

    Parameters
    ----------
    capture
        A capture as `rtaudio.models.formats.read.read_foreign` reads it.

    Raises
    ------
    ValueError
        The capture cannot be played.
    """

    def __init__(self, capture: ForeignNet) -> None:
        self.model = LoadedModel(model_file(capture), capture)

    def __call__(self, dry: NDArray[np.float32]) -> NDArray[np.float32]:
        """Render ``dry`` (samples,) at the capture's rate."""
        builder = Builder(self.model.file.card.rate_hz, BLOCK, offline=True)
        source = builder.bus(1)
        # ONNX Runtime: the most exact of the engines, and no kernel to compile.
        node = self.model.node(BLOCK, self.model.default_params(), engine="onnx")
        program = Program(builder.finish(source, builder.run(node, source)))
        return np.asarray(run(program, dry[None])[0])
