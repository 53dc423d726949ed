"""Recordings that are pairs already: a folder of noisy files, and one of clean files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch.utils.data import Dataset

from rtaudio.runtime.memory import Floats
from training.config import ConfigError, DataSection, Section
from training.denoise.corpus import Part
from training.denoise.curves import low_pass
from training.denoise.mixture import Mixture, Positive, Probability, check_ranges
from training.denoise.recordings import active_rms

__all__ = ["PairFolders", "PairedFolders", "PairedFoldersConfig"]


class PairFolders(Section):
    """Two folders with files of the same names."""

    noisy: str
    clean: str


class PairedFoldersConfig(DataSection):
    """Folders of pairs, relative to ``root``.

    Parameters
    ----------
    train, validation
        The folders.
    rate_hz, excerpt_samples
        Rate of the files, and length of an excerpt.
    bandwidth_hz
        Bandwidth of the clean files, if they end below half the rate.
    band_limit, band_limit_hz
        How often both sides are cut off at a frequency of this range, as by a telephone or a
        headset. A teacher that has heard all of a pair answers better than one that hears the rest.
    remix
        How often the noise of another pair, as loud, takes the place of a pair's own: a net that
        hears the same pairs for long learns them by heart.

    Notes
    -----
    Remix: Defossez et al.: Real time speech enhancement in the waveform domain, Interspeech 2020.
    """

    train: PairFolders
    validation: PairFolders
    rate_hz: Annotated[int, Field(ge=8000, le=192000)] = 48000
    excerpt_samples: Annotated[int, Field(ge=256, le=1 << 24)]
    bandwidth_hz: Annotated[float, Field(gt=0)] | None = None
    band_limit: Probability = 0.0
    band_limit_hz: tuple[Positive, Positive] = (3400.0, 16000.0)
    remix: Probability = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> PairedFoldersConfig:
        check_ranges(self)
        return self


class PairedFolders(Dataset[Mixture]):
    """Excerpts of paired files, each from a random place; short files are padded with silence.

    A replacement for `training.denoise.mixer.Mixtures`. Samples are float32 with full scale 1,
    whatever the format of the files.

    Parameters
    ----------
    config
        The folders.
    part
        ``train`` or ``validation``.
    seed
        The random seed; an excerpt depends on it and its index alone.
    length
        The length of the data set; a larger index works too.

    Raises
    ------
    ConfigError
        A folder that is missing or empty, a file without its other half, or not mono, or of another
        rate or length.

    Examples
    --------
    >>> folders = PairFolders(noisy="noisy", clean="clean")
    >>> config = PairedFoldersConfig(
    ...     root="pairs", train=folders, validation=folders, excerpt_samples=48000)
    >>> PairedFolders(config, "train", seed=0, length=1000)[3].clean.shape  # doctest: +SKIP
    torch.Size([1, 48000])
    """

    def __init__(self, config: PairedFoldersConfig, part: Part, *, seed: int, length: int) -> None:
        self.config = config
        self.seed = seed
        self.length = length
        folders: PairFolders = getattr(config, part)
        noisy, clean = (Path(config.root) / name for name in (folders.noisy, folders.clean))
        names = {folder: _names(folder) for folder in (noisy, clean)}
        for folder, other in ((noisy, clean), (clean, noisy)):
            alone = sorted(names[folder] - names[other])
            if alone:
                raise ConfigError(f"{folder / alone[0]}: no file of this name in {other}; add it")
        self._pairs: list[tuple[Path, Path]] = []
        self._lengths: list[int] = []
        for name in sorted(names[noisy]):
            pair = noisy / name, clean / name
            first, second = (_length(path, config.rate_hz) for path in pair)
            if first != second:
                raise ConfigError(
                    f"{pair[0]}: {first} samples, but {second} in {pair[1]}; cut them to one length"
                )
            self._pairs.append(pair)
            self._lengths.append(first)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Mixture:
        if index < 0:
            raise IndexError(f"excerpt {index}: they are counted from 0")
        config = self.config
        generator = np.random.default_rng([self.seed, index])
        noisy, clean = self._excerpt(generator)
        if config.remix and generator.random() < config.remix:
            noisy, clean = self._remixed(noisy, clean, generator)
        if config.band_limit and generator.random() < config.band_limit:
            low, high = map(math.log, config.band_limit_hz)
            limit_hz = min(math.exp(generator.uniform(low, high)), config.rate_hz / 2)
            noisy, clean = (_limited(x, limit_hz, config.rate_hz) for x in (noisy, clean))
        speech = active_rms(clean, config.rate_hz)
        noise = math.sqrt(float(np.mean((noisy - clean) ** 2)))
        if speech == 0:
            snr_db = -math.inf
        else:
            snr_db = 20 * math.log10(speech / noise) if noise > 0 else math.inf
        return Mixture(
            torch.from_numpy(noisy)[None],
            torch.from_numpy(clean)[None],
            min(config.bandwidth_hz or math.inf, config.rate_hz / 2),
            snr_db,
        )

    def _excerpt(self, generator: np.random.Generator) -> tuple[Floats, Floats]:
        """Return a random place of a pair; every second of all pairs is equally likely."""
        chosen = int(
            np.searchsorted(
                np.cumsum(self._lengths), generator.integers(sum(self._lengths)), "right"
            )
        )
        spare = self._lengths[chosen] - self.config.excerpt_samples
        start = int(generator.integers(max(0, spare) + 1))
        noisy, clean = (
            _read(path, start, self.config.excerpt_samples) for path in self._pairs[chosen]
        )
        return noisy, clean

    def _remixed(
        self, noisy: Floats, clean: Floats, generator: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Return a pair with the noise of another one, from anywhere in it and as loud."""
        their_noisy, their_clean = self._excerpt(generator)
        other = np.roll(their_noisy - their_clean, generator.integers(noisy.size))
        level, wanted = (float(np.linalg.norm(x)) for x in (other, noisy - clean))
        if level > 0:
            noisy = clean + (wanted / level * other).astype(np.float32)
        scale = np.float32(min(1.0, 0.99 / max(float(np.abs(noisy).max()), 1e-9)))
        return scale * noisy, scale * clean


def _limited(x: Floats, limit_hz: float, rate_hz: int) -> Floats:
    """Return a sound without what lies above a frequency."""
    gains = low_pass(x.size, rate_hz, limit_hz)
    return np.fft.irfft(np.fft.rfft(x) * gains, x.size).astype(np.float32)


def _names(folder: Path) -> set[str]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; correct data.root, train or validation")
    names = {
        path.name
        for path in folder.iterdir()
        if path.suffix[1:].upper() in soundfile.available_formats()
    }
    if not names:
        raise ConfigError(f"{folder}: holds no recordings (wav, flac, ...)")
    return names


def _length(path: Path, rate_hz: int) -> int:
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise ConfigError(f"{path}: cannot be read: {error.error_string}") from None
    if info.channels != 1 or info.samplerate != rate_hz:
        raise ConfigError(
            f"{path}: {info.channels} channels at {info.samplerate} Hz; wanted mono at "
            f"{rate_hz} Hz: convert it, or set data.rate_hz"
        )
    if not info.frames:
        raise ConfigError(f"{path}: holds no samples; leave it out")
    return int(info.frames)


def _read(path: Path, start: int, count: int) -> NDArray[np.float32]:
    try:
        signal, _ = soundfile.read(path, count, start, dtype="float32", fill_value=0)
    except soundfile.LibsndfileError as error:
        raise ConfigError(f"{path}: cannot be read: {error.error_string}") from None
    if not np.isfinite(signal).all():
        raise ConfigError(f"{path}: holds NaN or infinity; record it again")
    samples: NDArray[np.float32] = signal
    return samples
