"""Excerpts of recordings, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rtaudio.runtime.memory import Array, Floats
from training.codec.config import CodecData, Group
from training.config import ConfigError
from training.denoise.recordings import Channel, Recordings, cache_folder, decoded

__all__ = ["Speech", "clips"]

GAIN_DB = (-12.0, 6.0)
PEAK = 0.99
QUIET_RMS = 2e-3
"""An excerpt below this is drawn again, up to `TRIES` times: there is little to learn from it."""
TRIES = 4

LEAST_CLIP_S = 0.3
"""PESQ and the longest window of the mel distance need as much."""

WHOLE = ((0.0, float("inf")),)


class Speech:
    """The training recordings of a configuration, decoded once.

    Parameters
    ----------
    data
        The section of the configuration, with an absolute ``root``.
    rate_hz
        Rate of the excerpts.

    Raises
    ------
    ConfigError
        A group without files, or a file that cannot be read.
    """

    def __init__(self, data: CodecData, rate_hz: int) -> None:
        groups = _groups(data)
        files: list[tuple[Recordings, int, int]] = []
        for group, members in groups:
            recordings, places = _decoded(data, members, rate_hz, "speech", group.channel)
            files += [(recordings, start, stop) for start, stop, _ in places]
        self.files = files
        lengths = np.array([stop - start for _, start, stop in files])
        self.edges = np.cumsum(_chances([(g.share, len(f)) for g, f in groups], lengths))

    def excerpts(self, generator: np.random.Generator, count: int, samples: int) -> Tensor:
        """Draw excerpts at random places, with a random gain and sign, never clipped.

        Parameters
        ----------
        generator
            The source of chance.
        count, samples
            Number and length.

        Returns
        -------
        Tensor
            float32 (count, 1, samples); what is too short ends in silence.
        """
        drawn = np.zeros((count, 1, samples), np.float32)
        for row in drawn[:, 0]:
            for _ in range(TRIES):
                x = self._draw(generator, samples)
                if x.std() > QUIET_RMS:
                    break
            gain = 10 ** (generator.uniform(*GAIN_DB) / 20)
            gain = min(gain, PEAK / max(float(np.abs(x).max(initial=0)), 1e-6))
            row[: len(x)] = x * (gain if generator.random() < 0.5 else -gain)
        return torch.from_numpy(drawn)

    def _draw(self, generator: np.random.Generator, samples: int) -> Floats:
        file = int(np.searchsorted(self.edges, generator.random() * self.edges[-1], "right"))
        recordings, first, stop = self.files[min(file, len(self.files) - 1)]
        start = first + int(generator.integers(max(0, stop - first - samples) + 1))
        return recordings.read(start, min(start + samples, stop))


def clips(data: CodecData, patterns: Sequence[str], rate_hz: int) -> list[Floats]:
    """Return the first seconds of held-out recordings, at a rate, without their means.

    Parameters
    ----------
    data
        The section of the configuration, with an absolute ``root``.
    patterns
        Which files.
    rate_hz
        The rate.

    Raises
    ------
    ConfigError
        A pattern without files, or a file that cannot be read, or is shorter than 0.3 s.
    """
    files = [file for pattern in patterns for file in _files(data, pattern)]
    recordings, places = _decoded(data, files, rate_hz, "clips")
    longest = round(data.clip_s * rate_hz)
    for file, (start, stop, _) in zip(files, places, strict=True):
        if stop - start < LEAST_CLIP_S * rate_hz:
            raise ConfigError(f"{file}: shorter than {LEAST_CLIP_S} s; leave it out")
    read = (recordings.read(start, min(stop, start + longest)) for start, stop, _ in places)
    return [x - x.mean() for x in read]


def _files(data: CodecData, pattern: str) -> list[Path]:
    files = sorted(Path(data.root).glob(pattern))
    if not files:
        raise ConfigError(f"data: no file fits {pattern!r} in {data.root}; correct the pattern")
    return files


def _groups(data: CodecData) -> list[tuple[Group, list[Path]]]:
    """Return the training groups with their files, each in one group of a channel."""
    taken: set[tuple[str, Path]] = set()
    groups = []
    for group in data.train:
        files = [f for f in _files(data, group.files) if (group.channel, f) not in taken]
        if not files:
            raise ConfigError(
                f"data.train: no files left for {group.files!r} in {data.root}; correct it"
            )
        taken.update((group.channel, file) for file in files)
        groups.append((group, files))
    return groups


def _decoded(
    data: CodecData, files: Sequence[Path], rate_hz: int, name: str, channel: Channel = "mid"
) -> tuple[Recordings, list[tuple[int, int, float]]]:
    cache = Path(data.cache) if data.cache else cache_folder()
    return decoded([(file, WHOLE) for file in files], rate_hz, cache, name, channel)


def _chances(groups: Sequence[tuple[float | None, int]], lengths: Array) -> Array:
    """Return the chance of each file: its group's share, and in a group by length."""
    weights = lengths.astype(float)
    owner = np.repeat(np.arange(len(groups)), [count for _, count in groups])
    given = np.array([np.nan if share is None else share for share, _ in groups])
    free = np.isnan(given)[owner]
    chances = np.empty(len(weights))
    chances[free] = (1 - np.nansum(given)) * weights[free] / max(weights[free].sum(), 1)
    for number in np.flatnonzero(~np.isnan(given)):
        mine = owner == number
        chances[mine] = given[number] * weights[mine] / max(weights[mine].sum(), 1)
    return chances
