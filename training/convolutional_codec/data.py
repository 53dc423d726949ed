"""Balanced batches: as much speech as music and environmental sound, and some of full bandwidth."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import override

from training.config import ConfigError
from training.convolutional_codec.config import CodecData
from training.convolutional_codec.loudness import bandwidth_hz, loudness_lufs
from training.denoise.corpus import Collection, Part, load_corpus
from training.denoise.recordings import cache_folder

__all__ = ["BalancedBatches"]

Floats = NDArray[np.float32]

DOMAINS = ("speech", "music", "noise")
MEASURED_S = 2.0
"""Length around an excerpt whose loudness and bandwidth are measured: an excerpt is too short."""
FULL_BAND_SHARE = 0.9
"""Bandwidth from which a sound is of full band, as a share of half the sample rate."""
TRIES = 16
PEAK = 0.99


class BalancedBatches(Dataset[Tensor]):
    """Endless batches, float32 (batch, 1, samples); each depends on seed and number alone.

    The domains take turns within a batch. In each batch one excerpt, of a domain that changes from
    batch to batch, is confirmed to be of full band: its sources claim so, and `bandwidth_hz` finds
    energy there. Without such excerpts a codec learns where lossy recordings end.

    Parameters
    ----------
    config
        The section ``data``; ``root`` is absolute, or relative to the working folder.
    part
        ``train`` or ``validation``.
    batch
        Excerpts in a batch, a multiple of 3.
    seed
        The random seed.
    length
        The length of the data set; a larger index works too.

    Raises
    ------
    ConfigError
        The data folder lacks a list or a recording, or anything of full band.

    Examples
    --------
    >>> data = BalancedBatches(CodecData(root="data"), "train", 12, seed=0, length=9)
    ... # doctest: +SKIP
    >>> data[3].shape                                                 # doctest: +SKIP
    torch.Size([12, 1, 16896])
    """

    def __init__(
        self, config: CodecData, part: Part, batch: int, *, seed: int, length: int
    ) -> None:
        self.config = config
        self.batch = batch
        self.seed = seed
        self.length = length
        root = Path(config.root)
        cache = Path(config.cache) if config.cache else cache_folder()
        corpus = load_corpus(root, config.rate_hz, part, cache, music=True)
        assert corpus.music is not None
        self.domains = {"speech": corpus.speech, "music": corpus.music, "noise": corpus.noise}
        self.full_band_hz = FULL_BAND_SHARE * config.rate_hz / 2
        full = {name: self._full_band(self.domains[name]) for name in DOMAINS}
        self.full = {name: found for name, found in full.items() if found is not None}
        if not self.full:
            raise ConfigError(
                f"data.root: {root}: no recording for {part} has a bandwidth of "
                f"{self.full_band_hz:.0f} Hz; lower data.rate_hz"
            )

    def __len__(self) -> int:
        return self.length

    @override
    def __getitem__(self, index: int) -> Tensor:
        if index < 0:
            raise IndexError(f"batch {index}: they are counted from 0")
        generator = np.random.default_rng([self.seed, index])
        domain, confirmed = self._confirmed(index, generator)
        sounds = [
            confirmed
            if item == DOMAINS.index(domain)
            else self._around(self.domains[DOMAINS[item % 3]], generator)
            for item in range(self.batch)
        ]
        excerpts = [self._excerpt(sound, generator) for sound in sounds]
        return torch.from_numpy(np.stack(excerpts))[:, None]

    def _full_band(self, collection: Collection) -> Collection | None:
        """Return the sources with clips that claim to be of full band, with these alone."""
        sources = []
        for source in collection.sources:
            clips = tuple(clip for clip in source.clips if clip.bandwidth_hz >= self.full_band_hz)
            if clips:
                sources.append(replace(source, clips=clips))
        return replace(collection, sources=tuple(sources)) if sources else None

    def _confirmed(self, index: int, generator: np.random.Generator) -> tuple[str, Floats]:
        """Return a domain, and a sound of it that is of full band; lists may promise too much."""
        names = sorted(self.full)
        turn = index % len(names)
        for domain in names[turn:] + names[:turn]:
            for _ in range(TRIES):
                sound = self._around(self.full[domain], generator)
                if bandwidth_hz(sound, self.config.rate_hz) >= self.full_band_hz:
                    return domain, sound
        raise ConfigError(
            f"data.root: {self.config.root}: recordings are listed with {self.full_band_hz:.0f} Hz "
            "and more, but have no energy there; correct the bandwidths of the lists"
        )

    def _around(self, collection: Collection, generator: np.random.Generator) -> Floats:
        """Return two seconds of a random recording, or all of it, but at least an excerpt."""
        length = max(round(MEASURED_S * self.config.rate_hz), self.config.excerpt_samples)
        clips = collection.draw(generator).clips
        lengths = np.array([clip.stop - clip.start for clip in clips], np.float64)
        clip = clips[generator.choice(len(clips), p=lengths / lengths.sum())]
        spare = clip.stop - clip.start - length
        start = clip.start + int(generator.integers(max(spare, 0) + 1))
        sound = collection.recordings.read(start, min(start + length, clip.stop))
        return np.pad(sound, (0, max(0, self.config.excerpt_samples - len(sound))))

    def _excerpt(self, sound: Floats, generator: np.random.Generator) -> Floats:
        """Cut an excerpt at random, turn its phase, and set its loudness."""
        config = self.config
        if generator.uniform() < config.phase_shift:
            sound = _turned(sound, generator.uniform(-math.pi, math.pi))
        loudness = loudness_lufs(sound, config.rate_hz)
        start = int(generator.integers(len(sound) - config.excerpt_samples + 1))
        excerpt = sound[start : start + config.excerpt_samples]
        if loudness > -math.inf:
            excerpt = excerpt * np.float32(10 ** ((config.loudness_lufs - loudness) / 20))
        # The codec cannot play more than full scale.
        peak = float(np.abs(excerpt).max())
        return excerpt * np.float32(min(1.0, PEAK / max(peak, 1e-9)))


def _turned(sound: Floats, phase: float) -> Floats:
    """Turn all frequencies by one phase."""
    size = fft.next_fast_len(len(sound), real=True)
    spectrum = fft.rfft(sound, size) * np.complex64(complex(math.cos(phase), math.sin(phase)))
    turned: Floats = fft.irfft(spectrum, size)[: len(sound)]
    return turned
