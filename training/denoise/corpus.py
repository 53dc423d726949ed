"""The recordings that denoisers learn from: decoded once, with their speakers and kinds."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from training.config import ConfigError
from training.denoise.recordings import Recordings, decoded

__all__ = ["Clip", "Collection", "Corpus", "Part", "Source", "load_corpus"]

Part = Literal["train", "validation"]

MEN = 0.45
"""Share of the speech by men; by minutes it would be a third."""

SPEAKER_SHARE = 0.2
"""Largest share of one voice."""

FULL_BAND_HZ = 12000.0
"""Voices with a bandwidth above this count twice: only they teach treble."""

LIST_HZ = 48000
"""Sample rate of the positions in the list of utterances."""


@dataclass(frozen=True)
class Clip:
    """A stretch of a `Recordings`: samples ``start`` to ``stop``, silent above ``bandwidth_hz``.

    ``rms`` is its `training.denoise.recordings.active_rms`.
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


def load_corpus(
    root: Path, rate_hz: int, part: Part, cache: Path, *, music: bool = False
) -> Corpus:
    """Return one part of the data folder, after decoding new recordings.

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
        if not files:
            raise ConfigError(f"data.root: {root}: has no {name}")
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
    """Return the decoded files, and their pieces with the clips that these became."""
    spans = [(file.path, [(piece.start_s, piece.stop_s) for piece in file.clips]) for file in files]
    recordings, places = decoded(spans, rate_hz, folder, name)
    pieces = [piece for file in files for piece in file.clips]
    clips = [
        Clip(start, stop, min(piece.bandwidth_hz, rate_hz / 2), rms)
        for piece, (start, stop, rms) in zip(pieces, places, strict=True)
    ]
    # A silent clip has no level to mix at.
    return recordings, [pair for pair in zip(pieces, clips, strict=True) if pair[1].rms > 0]
