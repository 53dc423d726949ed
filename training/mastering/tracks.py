"""Tracks: music of any form, consolidated once into WAV files, and split into three parts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile

from rtaudio.atomic import replacing
from rtaudio.audio.reader import read_audio
from rtaudio.audio.resampler import Resampler
from rtaudio.errors import RtaudioError
from rtaudio.runtime.decibels import from_db, to_db
from rtaudio.runtime.memory import Floats
from rtaudio.view.terminal import progress, remark
from training.cache import training_cache
from training.config import ConfigError
from training.mastering.config import MasteringData

__all__ = ["Part", "Track", "consolidated", "split", "trimmed"]

Part = Literal["train", "validation", "test"]

FORM = 1
"""Version of the consolidated files; a new one makes caches convert again."""

SILENCE_DB = -60.0
"""Level of a frame of 10 ms below which the start and the end of a track are cut off."""

PEAK = 32767 / 32768
HELD_OUT = 8
"""One in so many tracks is for validation, and one for test, unless patterns name them."""


@dataclass(frozen=True)
class Track:
    """A track as 16-bit stereo WAV files of one rate and length.

    Attributes
    ----------
    name
        Its path below the data folder, without suffix.
    good, bad
        The finished file, and of a pair the other.
    frames
        Length in samples.
    card
        Plain data about sources and conversion, for the manifest.
    """

    name: str
    good: Path
    bad: Path | None
    frames: int
    card: dict[str, Any]

    def read(self, start: int, stop: int, side: Literal["good", "bad"] = "good") -> Floats:
        """Return samples, float32 ``[2, samples]``, with silence before the start.

        Parameters
        ----------
        start, stop
            Positions in samples; a negative start is before the track.
        side
            Which file of a pair.
        """
        path = self.bad if side == "bad" else self.good
        assert path is not None
        first = max(0, start)
        sound, _ = soundfile.read(
            path, max(0, stop - first), first, dtype="float32", always_2d=True
        )
        return np.ascontiguousarray(np.pad(sound.T, ((0, 0), (first - start, 0))))


def consolidated(data: MasteringData) -> list[Track]:
    """Convert all music of a configuration, or find what was converted before.

    Whatever the rate, the format and the channels: stereo, 16 bit, one rate, without the silence
    at start and end. What is above full scale is turned down, both files of a pair alike. A file
    that cannot be read is left out and reported, as is one without its partner.

    Parameters
    ----------
    data
        The section of the configuration, with an absolute ``root``.

    Raises
    ------
    ConfigError
        A pattern without files, folders without a pair, or nothing that can be read.
    """
    root = Path(data.root)
    folder = Path(data.cache) if data.cache else training_cache("mastering")
    folder.mkdir(parents=True, exist_ok=True)
    sources = [(path, None) for path in _good(root, data.good)] + _pairs(root, data)
    tracks, faults = [], []
    with progress() as bar:
        for good, bad in bar.track(sources, description="converting music, once"):
            try:
                tracks.append(_track(root, good, bad, data.rate_hz, folder))
            except (RtaudioError, OSError) as error:
                faults.append(str(error))
    for fault in faults:
        remark(f"left out: {fault}")
    if not tracks:
        raise ConfigError(f"data: no music in {root} can be read: {faults[0]}")
    return tracks


def _good(root: Path, patterns: Sequence[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        files = sorted(path for path in root.glob(pattern) if path.is_file())
        if not files:
            raise ConfigError(f"data.good: no file fits {pattern!r} in {root}; correct the pattern")
        found |= dict.fromkeys(files)
    return list(found)


def _pairs(root: Path, data: MasteringData) -> list[tuple[Path, Path | None]]:
    """Return the pairs by their relative names, and report what has no partner."""
    if data.pairs is None:
        return []
    sides: list[dict[str, Path]] = []
    for side in (data.pairs.good, data.pairs.bad):
        files = sorted(path for path in (root / side).rglob("*") if path.is_file())
        sides.append({str(path.relative_to(root / side).with_suffix("")): path for path in files})
    good, bad = sides
    for name in sorted(set(good) ^ set(bad)):
        lonely = good.get(name) or bad[name]
        remark(f"left out: {lonely}: has no partner of this name in the other folder of data.pairs")
    pairs: list[tuple[Path, Path | None]] = [
        (good[name], bad[name]) for name in good if name in bad
    ]
    if not pairs:
        raise ConfigError(
            f"data.pairs: no file of {data.pairs.bad} has the name of one of {data.pairs.good}"
        )
    return pairs


def _track(root: Path, good: Path, bad: Path | None, rate_hz: int, folder: Path) -> Track:
    sources = [good] if bad is None else [good, bad]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    key = hashlib.sha256(f"{FORM} {rate_hz} {' '.join(digests)}".encode()).hexdigest()[:24]
    card_file = folder / f"{key}.json"
    files = [folder / f"{key}.{side}.wav" for side in ("good", "bad")][: len(sources)]
    card = _known(card_file, files)
    if card is None:
        card = _convert(sources, digests, files, rate_hz)
        with replacing(card_file) as temporary:
            temporary.write_text(json.dumps(card), encoding="utf-8")
    name = good.relative_to(root).with_suffix("").as_posix()
    return Track(name, files[0], files[1] if bad else None, card["frames"], card)


def _known(card_file: Path, files: Sequence[Path]) -> dict[str, Any] | None:
    """Return the card of a track that was converted before; None if anything is not as it says."""
    try:
        card: dict[str, Any] = json.loads(card_file.read_text(encoding="utf-8"))
        whole = all(soundfile.info(file).frames == card["frames"] for file in files)
    except (OSError, ValueError, KeyError, TypeError, soundfile.LibsndfileError):
        return None
    return card if whole else None


def _convert(
    sources: Sequence[Path], digests: Sequence[str], files: Sequence[Path], rate_hz: int
) -> dict[str, Any]:
    """Write the WAV files of a track, and return its card."""
    sounds, forms = [], []
    for path, digest in zip(sources, digests, strict=True):
        sound, source_hz = read_audio(path)
        forms.append({"rate_hz": source_hz, "channels": len(sound), "sha256": digest})
        if source_hz != rate_hz:
            sound = Resampler(source_hz, rate_hz).process(sound, last=True)
        sounds.append(np.broadcast_to(sound, (2, sound.shape[1])))
    length = min(sound.shape[1] for sound in sounds)
    start, stop = trimmed(sounds[0][:, :length], rate_hz)
    if start == stop:
        raise ConfigError(f"{sources[0]}: is silent; leave it out")
    peak = max(float(np.abs(sound).max()) for sound in sounds)
    factor = min(1.0, PEAK / peak)
    for sound, file in zip(sounds, files, strict=True):
        with replacing(file) as temporary:
            scaled = np.round(sound[:, start:stop].T * (factor * 32768)).clip(-32768, 32767)
            soundfile.write(
                temporary, scaled.astype(np.int16), rate_hz, subtype="PCM_16", format="WAV"
            )
    return {
        "frames": stop - start,
        "rate_hz": rate_hz,
        "sources": forms,
        "trimmed_samples": [start, length - stop],
        "gain_db": round(to_db(factor), 2),
    }


def trimmed(sound: Floats, rate_hz: int) -> tuple[int, int]:
    """Return where the sound begins and ends: the first and the last frame of 10 ms above -60 dB.

    Parameters
    ----------
    sound
        float32 ``[channels, samples]``.
    rate_hz
        Its sample rate.

    Examples
    --------
    >>> sound = np.pad(np.ones((2, 1000), np.float32), ((0, 0), (480, 4800)))
    >>> trimmed(sound, 48000)
    (480, 1920)
    """
    frame = max(1, rate_hz // 100)
    count = math.ceil(sound.shape[1] / frame)
    padded = np.pad(sound, ((0, 0), (0, count * frame - sound.shape[1])))
    power = np.square(padded).mean(axis=0).reshape(count, frame).mean(axis=1)
    loud = np.flatnonzero(power > from_db(SILENCE_DB) ** 2)
    if not len(loud):
        return 0, 0
    return int(loud[0]) * frame, min(int(loud[-1] + 1) * frame, sound.shape[1])


def split(
    names: Iterable[str], validation: Sequence[str], test: Sequence[str], seed: int
) -> dict[str, Part]:
    """Give every track a part: those of the patterns, or an eighth each, drawn by the seed.

    Parameters
    ----------
    names
        The tracks.
    validation, test
        Patterns of names; if both are empty, chance decides.
    seed
        The seed: the same names get the same parts, in whatever order they come.

    Raises
    ------
    ConfigError
        A part would be empty.

    Examples
    --------
    >>> split(["a", "b", "c"], ["a"], ["[b]"], seed=0)
    {'a': 'validation', 'b': 'test', 'c': 'train'}
    """
    names = sorted(set(names))
    parts: dict[str, Part] = dict.fromkeys(names, "train")
    if validation or test:
        for name in names:
            if any(fnmatch(name, pattern) for pattern in test):
                parts[name] = "test"
            elif any(fnmatch(name, pattern) for pattern in validation):
                parts[name] = "validation"
    else:
        shuffled = [names[n] for n in np.random.default_rng(seed).permutation(len(names))]
        count = max(1, round(len(names) / HELD_OUT))
        parts |= dict.fromkeys(shuffled[:count], "validation")
        parts |= dict.fromkeys(shuffled[count : 2 * count], "test")
    for part in ("train", "validation", "test"):
        if part not in parts.values():
            raise ConfigError(
                f"data: no track is left for {part}; give more music, or correct the patterns of "
                "data.validation and data.test"
            )
    return parts
