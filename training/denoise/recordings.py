"""Recordings decoded once, into one file of samples that processes share."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtaudio.atomic import replacing
from rtaudio.runtime.memory import Floats
from rtaudio.view.terminal import progress
from training.cache import training_cache
from training.config import ConfigError

__all__ = ["Recordings", "active_rms", "cache_folder", "decoded"]

Spans = Sequence[tuple[float, float]]
"""Starts and ends in a file, in seconds; an infinite end is that of the file."""

Channel = Literal["mid", "side", "left"]
"""What is taken of several channels: their mean, half the difference of two, or the first."""

FORM = 1
"""Version of the decoded files; a new one makes caches decode again."""


class Recordings:
    """Decoded sound in one file: int16 at one rate, mapped into memory.

    Processes that read the same file share its pages; only the path is pickled.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._samples = np.memmap(path, np.int16, "r")

    def __len__(self) -> int:
        return len(self._samples)

    def __reduce__(self) -> tuple[Any, ...]:
        return Recordings, (self.path,)

    def read(self, start: int, stop: int) -> Floats:
        """Return samples as float32 in -1 .. 1.

        Parameters
        ----------
        start, stop
            Positions in the file, in samples.
        """
        return self._samples[start:stop].astype(np.float32) * np.float32(1 / 32768)


def cache_folder() -> Path:
    """Return the folder of decoded recordings, in the user's cache folder."""
    return training_cache("corpora")


def active_rms(signal: Floats, rate_hz: int) -> float:
    """Return the RMS of all frames of 20 ms within 30 dB of the loudest: pauses do not count.

    Parameters
    ----------
    signal
        Shape (samples,).
    rate_hz
        Samples per second.
    """
    frame = max(1, min(len(signal), rate_hz // 50))
    frames = signal[: len(signal) // frame * frame].reshape(-1, frame)
    power = np.einsum("ij,ij->i", frames, frames) / frame
    if not len(power) or not power.max() > 0:
        return 0.0
    return math.sqrt(float(power[power >= 1e-3 * power.max()].mean()))


def decoded(
    files: Sequence[tuple[Path, Spans]],
    rate_hz: int,
    folder: Path,
    name: str,
    channel: Channel = "mid",
) -> tuple[Recordings, list[tuple[int, int, float]]]:
    """Find or make the decoded file of some recordings.

    Parameters
    ----------
    files
        Paths, and the spans of each that are wanted as clips.
    rate_hz
        Rate to decode to.
    folder
        The cache.
    name
        What the recordings are, for the name of the cache and the progress bar.
    channel
        What to take of several channels.

    Returns
    -------
    recordings, places
        The samples, and of all spans, in order, start, stop and `active_rms`.

    Raises
    ------
    ConfigError
        A file that cannot be read, or one without two channels whose side is wanted.
    """
    digest = hashlib.sha256(f"{FORM} {rate_hz}".encode())
    if channel != "mid":
        digest.update(channel.encode())
    for path, spans in files:
        try:
            digest.update(repr(spans).encode() + path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    sound = folder / f"{name}-{rate_hz}-{digest.hexdigest()[:24]}.i16"
    index = sound.with_suffix(".json")
    places = _places(sound, index)
    if places is None:
        folder.mkdir(parents=True, exist_ok=True)
        _decode(files, rate_hz, sound, index, name, channel)
        places = _places(sound, index)
    if places is None:
        raise ConfigError(f"{sound}: is not what has just been written; check the disk")
    return Recordings(sound), places


def _places(sound: Path, index: Path) -> list[tuple[int, int, float]] | None:
    """Return the spans of a decoded file; None if it or its index is absent or damaged."""
    try:
        found = json.loads(index.read_text(encoding="utf-8"))
        places = [(int(start), int(stop), float(rms)) for start, stop, rms in found]
        samples, odd = divmod(sound.stat().st_size, 2)
    except (OSError, ValueError, TypeError):
        return None
    return places if samples and not odd and all(p[1] <= samples for p in places) else None


def _decode(
    files: Sequence[tuple[Path, Spans]],
    rate_hz: int,
    sound: Path,
    index: Path,
    name: str,
    channel: Channel,
) -> None:
    places: list[tuple[int, int, float]] = []
    position = 0
    workers = os.cpu_count() or 1
    with (
        replacing(sound) as temporary,
        temporary.open("wb") as out,
        ThreadPoolExecutor(workers) as pool,
        progress() as bar,
    ):
        waiting = iter(files)
        # A few at a time, so that decoded files do not pile up in memory.
        running = [
            (spans, pool.submit(_read, path, rate_hz, channel))
            for path, spans in islice(waiting, 2 * workers)
        ]
        for _ in bar.track(range(len(files)), description=f"decoding {name}, once"):
            spans, future = running.pop(0)
            samples = future.result()
            running += [
                (spans, pool.submit(_read, path, rate_hz, channel))
                for path, spans in islice(waiting, 1)
            ]
            samples.tofile(out)
            for start_s, stop_s in spans:
                start = min(round(start_s * rate_hz), len(samples))
                stop = int(min(stop_s * rate_hz, len(samples)))
                signal = samples[start:stop].astype(np.float32) * np.float32(1 / 32768)
                places.append((position + start, position + stop, active_rms(signal, rate_hz)))
            position += len(samples)
    with replacing(index) as temporary:
        temporary.write_text(json.dumps(places), encoding="utf-8")


def _read(path: Path, rate_hz: int, channel: Channel) -> NDArray[np.int16]:
    """Return a file as mono int16 at a rate; a peak beyond full scale is scaled down."""
    from scipy.signal import resample_poly

    try:
        signal, found = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ConfigError(f"{path}: cannot be read: {error.error_string}") from None
    mono = _taken(signal, channel, path)
    if found != rate_hz:
        common = math.gcd(found, rate_hz)
        mono = resample_poly(mono, rate_hz // common, found // common)
    peak = float(np.abs(mono).max(initial=0.0))
    if not math.isfinite(peak):
        raise ConfigError(f"{path}: holds NaN or infinity; record it again")
    samples: NDArray[np.int16] = np.round(mono * (32768 * min(1.0, 0.99 / max(peak, 1e-9)))).astype(
        np.int16
    )
    return samples


def _taken(signal: Floats, channel: Channel, path: Path) -> Floats:
    """Return one channel ``[samples]`` of a signal ``[samples, channels]``."""
    if channel == "mid":
        mid: Floats = signal.mean(axis=1)
        return mid
    if channel == "left":
        return signal[:, 0]
    if signal.shape[1] != 2:
        raise ConfigError(f"{path}: {signal.shape[1]} channels, and a side needs 2; leave it out")
    return 0.5 * (signal[:, 0] - signal[:, 1])
