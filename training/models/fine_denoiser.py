"""A speech denoiser whose gains keep the fine structure of voices: one for every low bin."""

from __future__ import annotations

import copy
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from export.spectral import OverlapAdd, cross_fade_windows
from training.models.fine_gains import FineGains
from training.models.overlap_net import OverlapNet
from training.models.places import fold_norms

__all__ = ["FineDenoiser"]

FADES_PER_HOP = 4
"""A hop is four times as long as the cross-fade to the next one."""


class FineDenoiser(OverlapNet):
    r"""Noisy speech in, speech out, late by ``n_synthesis - hop`` samples; it waits for no frame.

    ::

        frames --> 6 features per place [176]: compressed magnitude, real and imaginary part
           |          |      (low bins), power and smoothed power over a tracked noise floor, level
           |          |
           |       convolutions [176] --> [88] --> [44] --> GRU over time on all of it
           |          |  skip, memory      | skip              |
           |          +-------- [176] <-- [88] <-------------- + (residual)
           |          |
           |       per place: bias and 4 slopes on the place's own features --> sigmoid --> gain
           +--------> * gain

    The features of each single bin reach its gain unblurred, by a skip at full resolution, by a
    memory of what went by there, each channel of which fades at a rate of its own, and by the
    slopes. That is what takes the noise between the harmonics of a voice, which a gain that is
    smooth over frequency leaves. What leaves is what came in times gains of at most 1: silence
    stays silence. A little of the noise is left, evenly, which hides what gains do to the rest: a
    click is no louder there than the noise that is there all the time.

    Parameters
    ----------
    window, hop
        Samples of a frame, and from one to the next, at 48 kHz.
    lines, bands
        Bins as they are, and bands of the bins above.
    channels
        Of the three convolutions.
    hidden
        Units of the recurrent layer.
    n_synthesis
        Samples from the first that a frame makes heard to its newest. With all of ``window`` what
        is heard is a mean of all frames that overlap there. Fewer make the same net earlier: each
        frame is then heard for a hop, with a short cross-fade to the next, which leaves the net
        time to know what follows. The weights of one serve the other as a start.
    least_gain_db
        No bin is turned down further, but for bursts.
    steady_db
        Level over the tracked noise floor up to which a bin counts as steady noise. What is louder
        may be turned down until it is as loud as that.

    Notes
    -----
    Windows: see `export.spectral.cross_fade_windows`. Minimum statistics, which the tracked floor
    simplifies: Martin: Noise power spectral density estimation based on optimal smoothing and
    minimum statistics, TSAP 2001. The small convolutional net around a recurrent one:
    Rong et al.: GTCRN, ICASSP 2024.

    Examples
    --------
    >>> net = FineDenoiser()
    >>> net.latency_samples, sum(p.numel() for p in net.parameters()) < 1_000_000
    (960, True)
    """

    task = "denoise"
    gains: ClassVar[type[FineGains]] = FineGains

    def __init__(
        self,
        window: Annotated[int, Field(ge=64, le=4096)] = 1440,
        hop: Annotated[int, Field(ge=32, le=2048)] = 480,
        lines: Annotated[int, Field(ge=8, le=512)] = 144,
        bands: Annotated[int, Field(ge=8, le=128)] = 32,
        channels: tuple[int, int, int] = (12, 24, 32),
        hidden: Annotated[int, Field(ge=8, le=512)] = 224,
        n_synthesis: Annotated[int, Field(ge=64, le=4096)] = 1440,
        least_gain_db: Annotated[float, Field(ge=-100, le=0)] = -25.0,
        steady_db: Annotated[float, Field(ge=0, le=120)] = 120.0,
    ) -> None:
        windows = (np.sin(np.pi * np.arange(window) / window),) * 2
        if n_synthesis < window:
            windows = cross_fade_windows(window, n_synthesis, hop=hop, fade=hop // FADES_PER_HOP)
        least, steady = 10 ** (least_gain_db / 20), 10 ** (steady_db / 20)
        core = self.gains(window, hop, lines, bands, channels, hidden, least, steady)
        super().__init__(
            OverlapAdd(core, n_fft=window, hop=hop, windows=windows, n_synthesis=n_synthesis)
        )
        self.sizes = {
            "window": window,
            "hop": hop,
            "lines": lines,
            "bands": bands,
            "channels": list(channels),
            "hidden": hidden,
            "n_synthesis": n_synthesis,
            "least_gain_db": least_gain_db,
            "steady_db": steady_db,
        }

    @override
    def folded(self) -> FineDenoiser:
        """The frozen statistics go into the weights of the convolutions in front of them."""
        net = copy.deepcopy(self)
        fold_norms(net)
        return net

    @override
    def architecture(self) -> dict[str, Any]:
        """Sizes of the frames and of the net; there is no kernel but the graph."""
        return {"type": "fine-denoiser", **self.sizes}
