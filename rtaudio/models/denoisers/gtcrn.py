"""GTCRN: grouped temporal convolutions and dual-path recurrence on compressed bands.

The frame-wise graph that its authors publish takes a spectrum and three caches. Frames are those of
a square root of a Hann window, analysis and synthesis.

Rong, Sun, Zhang, Hu, Zhu, Lu: GTCRN: a speech enhancement model requiring ultralow computational
resources, ICASSP 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtaudio.models.denoisers.family import Family, GraphFile, Part
from rtaudio.models.frame_graph import FrameGraph

__all__ = ["GTCRN"]

N_FFT, HOP = 512, 256
BINS = N_FFT // 2 + 1
CACHES = (
    ("conv_cache", (2, 1, 16, 16, 33)),
    ("tra_cache", (2, 3, 1, 1, 16)),
    ("inter_cache", (2, 1, 33, 16)),
)


def _build(files: Sequence[GraphFile]) -> FrameGraph:
    (file,) = files
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT))
    graph = FrameGraph(N_FFT, HOP, opset=file.opset)
    spectrum = graph.transform(graph.frame(), window, [1, BINS, 1, 2])
    caches = {name: f"{name}_out" for name, _ in CACHES}
    made = graph.insert(file.proto, {"mix": spectrum}, caches, prefix="gtcrn")
    (enhanced,) = made.values()
    graph.overlap_add(graph.inverse(enhanced, window, pairs=True))
    return graph


GTCRN = Family(
    name="GTCRN",
    description="speech denoiser for 16 kHz by Xiaobin Rong and others",
    origin="Xiaobin-Rong/gtcrn",
    license="MIT, as its authors state it",
    sample_rate=16000,
    parts=(Part("graph", (("mix", (1, BINS, 1, 2)), *CACHES)),),
    build=_build,
)
