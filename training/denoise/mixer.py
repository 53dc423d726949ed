"""Noisy speech and the clean speech in it, mixed while training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import fft
from torch.utils.data import Dataset

from training.denoise.corpus import Corpus, Part, load_corpus
from training.denoise.mixing import MARGIN, Mixing
from training.denoise.mixture import Mixture, MixtureConfig, collate
from training.denoise.recordings import cache_folder
from training.denoise.rooms import Rooms

__all__ = ["Mixture", "MixtureConfig", "Mixtures", "collate"]


class Mixtures(Dataset[Mixture]):
    """Endless mixtures; each depends on ``seed`` and its index alone.

    Parameters
    ----------
    config
        Their distribution; ``root`` is absolute, or relative to the working folder.
    part
        ``train`` or ``validation``: the utterances and noises to mix.
    seed
        The random seed.
    length
        The length of the data set; a larger index works too.

    Raises
    ------
    ConfigError
        The data folder lacks a list or a recording.

    Examples
    --------
    >>> config = MixtureConfig(root="data", excerpt_samples=144000)     # doctest: +SKIP
    >>> Mixtures(config, "train", seed=0, length=1000)[3].noisy.shape   # doctest: +SKIP
    torch.Size([1, 144000])
    """

    def __init__(self, config: MixtureConfig, part: Part, *, seed: int, length: int) -> None:
        self.config = config
        self.seed = seed
        self.length = length
        cache = Path(config.cache) if config.cache else cache_folder()
        self.corpus: Corpus = load_corpus(
            Path(config.root), config.rate_hz, part, cache, music=config.music_probability > 0
        )
        self.rooms: Rooms | None = None
        lead_in = MARGIN
        if config.room > 0:
            self.rooms = Rooms.rendered(config.rooms, config.rate_hz, config.rt60_s, cache)
            lead_in += self.rooms.length_samples
        self._samples = fft.next_fast_len(lead_in + config.excerpt_samples + MARGIN, real=True)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Mixture:
        if index < 0:
            raise IndexError(f"mixture {index}: they are counted from 0")
        generator = np.random.default_rng([self.seed, index])
        return Mixing(self.config, self.corpus, self.rooms, self._samples, generator).mix()
