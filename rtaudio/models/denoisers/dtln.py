"""DTLN: one LSTM masks magnitudes, the next masks a learnt basis of the result.

::

    frame -> Fourier -> magnitude -> first stage -> mask * spectrum -> inverse Fourier
          -> second stage -> overlap-add

Frames of 512 samples at a hop of 128 and 16 kHz have no window: the second stage has learnt to
return frames that add up.

Westhausen, Meyer: Dual-signal transformation LSTM network for real-time noise suppression,
Interspeech 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtaudio.models.denoisers.family import Family, Part
from rtaudio.models.graph.file import GraphFile
from rtaudio.models.graph.frames import FrameGraph

__all__ = ["DTLN"]

N_FFT, HOP = 512, 128
BINS = N_FFT // 2 + 1
STATES = (1, 2, None, 2)


def _build(files: Sequence[GraphFile]) -> FrameGraph:
    if files[0].opset != files[1].opset:
        raise ValueError(f"its stages have the opsets {files[0].opset} and {files[1].opset}")
    graph = FrameGraph(N_FFT, HOP, opset=files[0].opset)
    spectrum = graph.transform(graph.frame(), None, [1, 2, BINS])
    power = graph.op("MatMul", graph.constant(np.ones((1, 1, 2))), graph.op("Mul", *[spectrum] * 2))
    mask = _stage(graph, files[0], graph.op("Sqrt", power), "first")
    frame = graph.inverse(graph.op("Mul", spectrum, mask), None, pairs=False)
    graph.overlap_add(_stage(graph, files[1], frame, "second"))
    return graph


def _stage(graph: FrameGraph, file: GraphFile, x: str, prefix: str) -> str:
    """Insert a stage; its second input and output are its state."""
    (signal, _), (state, _) = file.inputs
    if len(file.outputs) != 2:
        raise ValueError(f"the {prefix} stage has {len(file.outputs)} outputs, not 2")
    answer, following = file.outputs
    return graph.insert(file.proto, {signal: x}, {state: following}, prefix=prefix)[answer]


DTLN = Family(
    name="DTLN",
    description="speech denoiser for 16 kHz by Nils L. Westhausen and Bernd T. Meyer",
    origin="breizhn/DTLN",
    license="MIT, as its authors state it",
    rate_hz=16000,
    parts=(
        Part("first stage", (("", (1, 1, BINS)), ("", STATES))),
        Part("second stage", (("", (1, 1, N_FFT)), ("", STATES))),
    ),
    build=_build,
)
