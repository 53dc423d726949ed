"""The recordings that denoisers learn from: decoded once, with their speakers and kinds."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from rtaudio.atomic import replacing
from rtaudio.view.terminal import progress
from training.config import ConfigError

__all__ = [
    "Clip",
    "Collection",
    "Corpus",
    "Part",
    "Recordings",
    "Source",
    "active_rms",
    "cache_folder",
    "load_corpus",
]

Floats = NDArray[np.float32]
Part = Literal["train", "validation"]

MEN = 0.45
"""Share of the speech by men; by minutes it would be a third."""

SPEAKER_SHARE = 0.2
"""Largest share of one voice."""

FULL_BAND_HZ = 12000.0
"""Voices with a bandwidth above this count twice: only they teach treble."""

LIST_HZ = 48000
"""Sample rate of the positions in the list of utterances."""

FORM = 1
"""Version of the decoded files; a new one makes caches decode again."""


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


@dataclass(frozen=True)
class Clip:
    """A stretch of a `Recordings`: samples ``start`` to ``stop``, silent above ``bandwidth_hz``.

    ``rms`` is its `active_rms`.
    """

    start: int
    stop: int
    bandwidth_hz: float
    rms: float


@dataclass(frozen=True)
class Source:
    """Clips of one speaker or one kind of noise, and how often they are drawn, 0 .. 1.

    ``sex`` is ``f`` or ``m`` for a speaker.
    """

    name: str
    clips: tuple[Clip, ...]
    share: float = 0.0
    sex: str = ""


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
        """Return samples as float32 in -1 .. 1."""
        return self._samples[start:stop].astype(np.float32) * np.float32(1 / 32768)


@dataclass(frozen=True)
class Collection:
    """Sources, and the recordings that they refer to."""

    recordings: Recordings
    sources: tuple[Source, ...]

    def draw(self, generator: np.random.Generator) -> Source:
        """Return a source at random, by its share."""
        shares = np.cumsum([source.share for source in self.sources])
        place = generator.uniform(0, shares[-1])
        return self.sources[min(int(np.searchsorted(shares, place)), len(shares) - 1)]


@dataclass(frozen=True)
class Corpus:
    """One part of all speech, noise and music, at one rate."""

    speech: Collection
    noise: Collection
    music: Collection | None


@dataclass(frozen=True)
class _File:
    path: Path
    clips: tuple[_Piece, ...]


@dataclass(frozen=True)
class _Piece:
    """A clip before it is decoded.

    A ``group`` goes into one part as a whole; of each ``pool`` of groups a share is held out.
    """

    source: str
    sex: str
    bandwidth_hz: float
    pool: str
    group: str
    start_s: float = 0.0
    stop_s: float = math.inf


def cache_folder() -> Path:
    """Return the folder of decoded recordings, in the user's cache folder."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "rtaudio" / "corpora"


def load_corpus(
    root: Path, rate_hz: int, part: Part, cache: Path, *, music: bool = False
) -> Corpus:
    """Return one part of the data folder; what is not decoded yet is decoded first.

    Whole utterances are held out for validation (2 % of every group of voices, and all takes of one
    prompt together), whole noise recordings (8 %, at least one of each theme) and pieces of
    music (15 %), the same ones on every machine. Test folders are never opened.

    Parameters
    ----------
    root
        The data folder, with ``speech/segments.csv``, ``speech/speakers.csv``, ``noise/noise.csv``.
    rate_hz
        Rate to decode to.
    part
        ``train`` or ``validation``.
    cache
        Folder of decoded recordings.
    music
        Include songs, loops, stems and dry guitars.

    Raises
    ------
    ConfigError
        A list or a recording that is missing, or cannot be read.
    """
    kinds = [("speech", _speech_files(root), 0.02), ("noise", _noise_files(root), 0.08)]
    if music:
        kinds.append(("music", _music_files(root), 0.15))
    found: dict[str, Collection] = {}
    for name, files, held_out in kinds:
        recordings, clips = _decoded(files, rate_hz, cache, name)
        validation = _held_out([piece for piece, _ in clips], held_out)
        grouped: dict[str, list[tuple[_Piece, Clip]]] = defaultdict(list)
        for piece, clip in clips:
            if (piece.group in validation) == (part == "validation"):
                grouped[piece.source].append((piece, clip))
        sources = tuple(
            Source(source, tuple(clip for _, clip in pairs), sex=pairs[0][0].sex)
            for source, pairs in sorted(grouped.items())
        )
        if not sources:
            raise ConfigError(f"data.root: {root}: no {name} left for {part}; it needs more files")
        shares = _voice_shares(sources) if name == "speech" else _kind_shares(sources)
        found[name] = Collection(
            recordings,
            tuple(
                replace(source, share=share) for source, share in zip(sources, shares, strict=True)
            ),
        )
    return Corpus(found["speech"], found["noise"], found.get("music"))


# The lists of the data folder


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"data.root: {path}: cannot be read ({error})") from None
    if not rows or not set(columns) <= set(rows[0]):
        raise ConfigError(f"{path}: wanted rows with the columns {', '.join(columns)}")
    return rows


def _speech_files(root: Path) -> list[_File]:
    lists = root / "speech/speakers.csv", root / "speech/segments.csv"
    speakers = {row["speaker"]: row for row in _rows(lists[0], "speaker", "sex", "audio_bandwidth")}
    files: dict[str, list[_Piece]] = defaultdict(list)
    for row in _rows(lists[1], "file", "start", "end", "speaker", "clip"):
        try:
            speaker = speakers[row["speaker"]]
            piece = _Piece(
                row["speaker"],
                speaker["sex"],
                bandwidth_hz=1000 * float(speaker["audio_bandwidth"].removesuffix("kHz")),
                pool=Path(row["file"]).stem.rsplit("_", 1)[0],
                group=f"{row['speaker']}: {row.get('text') or row['clip']}",
                start_s=int(row["start"]) / LIST_HZ,
                stop_s=int(row["end"]) / LIST_HZ,
            )
        except (KeyError, ValueError) as error:
            raise ConfigError(
                f"{lists[1]}: clip {row['clip']!r:.60} does not fit {lists[0].name}: {error}"
            ) from None
        files[row["file"]].append(piece)
    return [_File(root / name, tuple(pieces)) for name, pieces in sorted(files.items())]


def _noise_files(root: Path) -> list[_File]:
    path = root / "noise/noise.csv"
    files = []
    for row in _rows(path, "file", "kind", "bandwidth_hz", "source_path"):
        if "/train/" in row["file"]:
            try:
                bandwidth_hz = float(row["bandwidth_hz"])
            except ValueError as error:
                raise ConfigError(f"{path}: {row['file']!r:.60}: bandwidth_hz: {error}") from None
            files.append(
                _File(
                    root / row["file"],
                    (
                        _Piece(
                            row["kind"],
                            "",
                            bandwidth_hz,
                            pool=str(Path(row["source_path"]).parent),
                            group=row["source_path"],
                        ),
                    ),
                )
            )
    return files


MUSIC = ("music/songs/*.ogg", "music/loops/*.flac", "music/stems_mdn/*.mp3", "guitar/di/*.flac")


def _music_files(root: Path) -> list[_File]:
    files = []
    for pattern in MUSIC:
        for path in sorted(root.glob(pattern)):
            # Lossy coders keep little above 16 kHz.
            bandwidth_hz = 20000.0 if path.suffix == ".flac" else 16000.0
            kind = path.parent.name
            files.append(_File(path, (_Piece(kind, "", bandwidth_hz, pool=kind, group=path.name),)))
    return files


# Parts and shares


def _held_out(pieces: Iterable[_Piece], share: float) -> set[str]:
    """Choose the groups of each pool with the lowest hashes: the same ones on every machine."""
    pools: dict[str, set[str]] = defaultdict(set)
    for piece in pieces:
        pools[piece.pool].add(piece.group)
    chosen: set[str] = set()
    for groups in pools.values():
        ranked = sorted(groups, key=lambda group: hashlib.sha256(group.encode()).digest())
        chosen.update(ranked[: math.ceil(share * len(groups)) if len(groups) > 1 else 0])
    return chosen


def _length(source: Source) -> int:
    return sum(clip.stop - clip.start for clip in source.clips)


def _voice_shares(sources: Sequence[Source]) -> list[float]:
    """Return the shares of voices: men and women fixed; within, more voices beat more minutes."""
    weights = np.array([_length(source) ** 0.75 for source in sources])
    weights *= [2 if source.clips[0].bandwidth_hz > FULL_BAND_HZ else 1 for source in sources]
    men = np.array([source.sex == "m" for source in sources])
    if men.all() or not men.any():
        return list(weights / weights.sum())
    for rows, share in ((men, MEN), (~men, 1 - MEN)):
        capped = np.zeros(len(sources), bool)
        while True:
            rest = rows & ~capped
            weights[rest] *= max(0.0, share - SPEAKER_SHARE * capped.sum()) / weights[rest].sum()
            over = rest & (weights > SPEAKER_SHARE)
            # If voices are few, the limit cannot hold.
            if not over.any() or share > SPEAKER_SHARE * rows.sum():
                break
            weights[over] = SPEAKER_SHARE
            capped |= over
    return list(weights)


def _kind_shares(sources: Sequence[Source]) -> list[float]:
    """Return shares by the root of the length: rare kinds still occur, but not too often."""
    weights = np.array([math.sqrt(_length(source)) for source in sources])
    return list(weights / weights.sum())


# Decoding


def _decoded(
    files: Sequence[_File], rate_hz: int, folder: Path, name: str
) -> tuple[Recordings, list[tuple[_Piece, Clip]]]:
    """Find or make the decoded file, and return the pieces with their clips in it."""
    digest = hashlib.sha256(f"{FORM} {rate_hz}".encode())
    for file in files:
        try:
            spans = [(piece.start_s, piece.stop_s) for piece in file.clips]
            digest.update(repr(spans).encode() + file.path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{file.path}: cannot be read ({error.strerror})") from None
    sound = folder / f"{name}-{rate_hz}-{digest.hexdigest()[:24]}.i16"
    index = sound.with_suffix(".json")
    if not (index.is_file() and sound.is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        _decode(files, rate_hz, sound, index, name)
    places = json.loads(index.read_text(encoding="utf-8"))
    recordings = Recordings(sound)
    pieces = [piece for file in files for piece in file.clips]
    clips = [
        Clip(int(start), int(stop), min(piece.bandwidth_hz, rate_hz / 2), float(rms))
        for piece, (start, stop, rms) in zip(pieces, places, strict=True)
    ]
    # A silent clip has no level to mix at.
    return recordings, [pair for pair in zip(pieces, clips, strict=True) if pair[1].rms > 0]


def _decode(files: Sequence[_File], rate_hz: int, sound: Path, index: Path, name: str) -> None:
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
            (file, pool.submit(_read, file.path, rate_hz)) for file in islice(waiting, 2 * workers)
        ]
        for _ in bar.track(range(len(files)), description=f"decoding {name}, once"):
            file, future = running.pop(0)
            samples = future.result()
            running += [
                (file, pool.submit(_read, file.path, rate_hz)) for file in islice(waiting, 1)
            ]
            samples.tofile(out)
            for piece in file.clips:
                start = min(round(piece.start_s * rate_hz), len(samples))
                stop = int(min(piece.stop_s * rate_hz, len(samples)))
                signal = samples[start:stop].astype(np.float32) * np.float32(1 / 32768)
                places.append((position + start, position + stop, active_rms(signal, rate_hz)))
            position += len(samples)
    with replacing(index) as temporary:
        temporary.write_text(json.dumps(places), encoding="utf-8")


def _read(path: Path, rate_hz: int) -> NDArray[np.int16]:
    """Return a file as mono int16 at a rate; a peak beyond full scale is scaled down."""
    from scipy.signal import resample_poly

    try:
        signal, found = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ConfigError(f"{path}: cannot be read: {error.error_string}") from None
    mono = signal.mean(axis=1)
    if found != rate_hz:
        common = math.gcd(found, rate_hz)
        mono = resample_poly(mono, rate_hz // common, found // common)
    peak = float(np.abs(mono).max(initial=0.0))
    if not math.isfinite(peak):
        raise ConfigError(f"{path}: holds NaN or infinity; record it again")
    return np.round(mono * (32768 * min(1.0, 0.99 / max(peak, 1e-9)))).astype(np.int16)
