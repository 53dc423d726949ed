"""GTCRN and UL-UNAS: graphs from one complex spectrum to another, with caches as state.

Both take frames of 512 samples at a hop of 256 and 16 kHz.

Rong, Sun, Zhang, Hu, Zhu, Lu: GTCRN: a speech enhancement model requiring ultralow computational
resources, ICASSP 2024. Rong, Yang, Wang, Hu, Zhu, Chen, Lu: UL-UNAS: ultra-lightweight U-nets for
real-time speech enhancement via network architecture search, IEEE TASLP 34, 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.models.denoisers.family import Family, Part
from rtaudio.models.graph.file import GraphFile, Shape
from rtaudio.models.graph.frames import FrameGraph
from rtaudio.runtime.decibels import from_db

__all__ = ["GTCRN", "UL_UNAS"]

N_FFT, HOP = 512, 256
BINS = N_FFT // 2 + 1
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)


FLOOR_DBFS = -92.0
"""UL-UNAS takes speech for noise where nothing at all lies above its band, as in a file of 8 kHz:
-42 to -61 dB of it are left. A floor of this level in such frames, far below hearing, leaves all
but 0.1 dB."""

TOP_BINS = np.arange(round(6000 * N_FFT / 16000), BINS)
"""Bins from 6 kHz up: without more than the floor in them, the band counts as narrow."""


def _filled(graph: FrameGraph, spectrum: str, analysis: NDArray[Any]) -> str:
    """Return the spectrum, with a floor of noise where its top is empty."""
    noise = from_db(FLOOR_DBFS) * np.random.default_rng(0).standard_normal(N_FFT)
    floor = np.fft.rfft(noise * analysis)
    pairs = np.stack([floor.real, floor.imag], -1).reshape(1, BINS, 1, 2)
    top = graph.op("Gather", spectrum, graph.constant(TOP_BINS, np.int64), axis=1)
    power = graph.op("ReduceSumSquare", top, keepdims=0)
    empty = graph.op("Less", power, graph.constant(np.sum(pairs[:, TOP_BINS] ** 2)))
    added = graph.op("Mul", graph.cast(empty, np.float32), graph.constant(pairs))
    return graph.op("Add", spectrum, added)


def _family(
    name: str,
    origin: str,
    analysis: NDArray[Any],
    caches: Sequence[tuple[str, Shape]],
    *,
    fills: bool = False,
) -> Family:
    """Return a family whose graph takes ``mix`` and caches, and returns ``*_out`` of each.

    ``fills`` gives it a floor above speech of a narrow band.
    """
    # The window of the least-squares inverse, as in torch.istft.
    power = (analysis**2).reshape(-1, HOP).sum(axis=0)
    synthesis = analysis / np.tile(power, N_FFT // HOP)

    def build(files: Sequence[GraphFile]) -> FrameGraph:
        (file,) = files
        graph = FrameGraph(N_FFT, HOP, opset=file.opset)
        spectrum = graph.transform(graph.frame(), analysis, [1, BINS, 1, 2])
        if fills:
            spectrum = _filled(graph, spectrum, analysis)
        kept = {cache: f"{cache}_out" for cache, _ in caches}
        made = graph.insert(file.proto, {"mix": spectrum}, kept)
        if list(made) != ["enh"]:
            raise ValueError(f"outputs {', '.join(file.outputs)}")
        graph.overlap_add(graph.inverse(made["enh"], synthesis, pairs=True))
        return graph

    return Family(
        name=name,
        description="speech denoiser for 16 kHz by Xiaobin Rong and others",
        origin=origin,
        license="MIT, as its authors state it",
        rate_hz=16000,
        parts=(Part("graph", (("mix", (1, BINS, 1, 2)), *caches)),),
        build=build,
    )


GTCRN = _family(
    "GTCRN",
    "Xiaobin-Rong/gtcrn",
    np.sqrt(HANN),
    (
        ("conv_cache", (2, 1, 16, 16, 33)),
        ("tra_cache", (2, 3, 1, 1, 16)),
        ("inter_cache", (2, 1, 33, 16)),
    ),
)
UL_UNAS = _family(
    "UL-UNAS",
    "Xiaobin-Rong/ul-unas",
    HANN,
    (("conv_cache", (1, 5358)), ("tfa_cache", (1, 402)), ("inter_cache", (1, 1056))),
    fills=True,
)
