"""Excerpts: pairs of degraded and finished music, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rtaudio.runtime.memory import Floats
from training.mastering.config import MasteringData
from training.mastering.degradation import draw_degradation
from training.mastering.tracks import Track

__all__ = ["Excerpts"]

LEAD_S = 0.3
"""Music before an excerpt that goes through the effects, so that they have settled."""

QUIET_RMS = 2e-3
TRIES = 4
"""An excerpt below `QUIET_RMS` is drawn again, this many times in all."""


class Excerpts:
    """Draws excerpts of tracks; long tracks are drawn as much more often.

    Parameters
    ----------
    tracks
        The tracks of one part.
    data
        The section of the configuration: degradations and rate.

    Examples
    --------
    >>> excerpts = Excerpts(tracks, config.data)                                # doctest: +SKIP
    >>> bad, good = excerpts.draw(np.random.default_rng(0), 8, 16384)           # doctest: +SKIP
    >>> bad.shape                                                               # doctest: +SKIP
    torch.Size([8, 2, 16384])
    """

    def __init__(self, tracks: Sequence[Track], data: MasteringData) -> None:
        self.tracks = tuple(tracks)
        self.data = data
        lengths = np.array([track.frames for track in tracks], float)
        self.chances = lengths / lengths.sum()

    def draw(self, generator: np.random.Generator, count: int, samples: int) -> Tensor:
        """Return pairs, float32 (2, count, 2, samples): bad, then good; short tracks end in zeros.

        Parameters
        ----------
        generator
            The source of chance.
        count, samples
            Number and length.
        """
        pairs = np.zeros((2, count, 2, samples), np.float32)
        for n in range(count):
            for _ in range(TRIES):
                bad, good = self._pair(generator, samples)
                if good.std() > QUIET_RMS:
                    break
            pairs[0, n, :, : bad.shape[1]], pairs[1, n, :, : good.shape[1]] = bad, good
        return torch.from_numpy(pairs)

    def _pair(self, generator: np.random.Generator, samples: int) -> tuple[Floats, Floats]:
        track = self.tracks[generator.choice(len(self.tracks), p=self.chances)]
        start = int(generator.integers(max(0, track.frames - samples) + 1))
        stop = min(start + samples, track.frames)
        return self.pair(track, start, stop, generator)

    def pair(
        self, track: Track, start: int, stop: int, generator: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Return one excerpt, bad and good, each float32 ``[2, samples]``.

        Parameters
        ----------
        track
            The track.
        start, stop
            Positions in samples, of both files of a pair alike.
        generator
            Chooses the degradation of finished music.
        """
        if track.bad is not None:
            return track.read(start, stop, "bad"), track.read(start, stop)
        lead = round(LEAD_S * self.data.rate_hz)
        good = track.read(start - lead, stop)
        degradation = draw_degradation(generator, self.data.degradations)
        return degradation(good, self.data.rate_hz)[:, lead:], good[:, lead:]
