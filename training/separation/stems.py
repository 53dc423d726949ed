"""Stems decoded once: stereo sound of one rate in files that are mapped into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtaudio.atomic import replacing
from rtaudio.audio.reader import read_audio
from rtaudio.audio.resampler import Resampler
from rtaudio.audio.writer import is_audio_name
from rtaudio.errors import AudioFileError
from rtaudio.models.stems import STEMS
from rtaudio.preset.load import load_preset
from rtaudio.runtime.memory import Floats
from rtaudio.view.terminal import progress
from training.cache import training_cache
from training.config import ConfigError
from training.separation.config import SeparationData, Source

__all__ = ["Sound", "Track", "find_tracks"]

FORM = 1
"""Version of the decoded files; a new one makes caches decode again."""

STEM_FILE = ".stem.mp4"
STREAMS = ("mixture", "drums", "bass", "other", "vocals")
"""The order of the sounds in a stem file of MUSDB18."""

SILENT = 1e-4
"""A stem whose samples all stay below this, -80 dBFS, is not there."""


class Sound:
    """A decoded stem: int16 in stereo, mapped into memory.

    Parameters
    ----------
    path
        The decoded file: frames of left and right.
    """

    def __init__(self, path: Path) -> None:
        self._frames = np.memmap(path, np.int16, "r").reshape(-1, 2)

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, start: int, stop: int) -> Floats:
        """Return frames as float32 (2, frames) in -1 .. 1; silence beyond the end.

        Parameters
        ----------
        start, stop
            Positions, in frames.
        """
        found = self._frames[start:stop].T.astype(np.float32) * np.float32(1 / 32768)
        return np.pad(found, ((0, 0), (0, stop - start - found.shape[1])))


@dataclass(frozen=True)
class Track:
    """A song, or a file of one stem.

    Attributes
    ----------
    name
        Of the song or file, for messages.
    sounds
        The stems that sound, by name.
    hidden
        Stems that may be inside ``other``.
    """

    name: str
    sounds: dict[str, Sound]
    hidden: frozenset[str]

    @property
    def frames(self) -> int:
        """Length of the longest stem."""
        return max(map(len, self.sounds.values()), default=0)


def find_tracks(data: SeparationData, source: Source, rate_hz: int) -> list[Track]:
    """Find and decode all songs or files of a source.

    Parameters
    ----------
    data
        The section of the configuration, with an absolute ``root``.
    source
        Which files.
    rate_hz
        Rate to decode to.

    Raises
    ------
    ConfigError
        Nothing fits the pattern, or a file cannot be read.
    """
    paths = sorted(Path(data.root).glob(source.files))
    if not paths:
        raise ConfigError(
            f"data: nothing fits {source.files!r} in {data.root}; correct the pattern"
        )
    folder = Path(data.cache) if data.cache else training_cache("stems")
    folder.mkdir(parents=True, exist_ok=True)
    tracks = []
    with progress() as bar:
        for path in bar.track(paths, description=f"decoding {source.files}, once"):
            parts = {source.stem: path} if source.stem else _parts(path)
            sounds = {
                stem: _decoded(file, stem, source.preset, rate_hz, folder)
                for stem, file in parts.items()
            }
            there = {str(stem): sound for stem, sound in sounds.items() if sound is not None}
            hidden = frozenset(source.hidden) - there.keys()
            if there:
                tracks.append(Track(path.name, there, hidden))
    if not tracks:
        raise ConfigError(f"data: all that fits {source.files!r} is silent; correct the pattern")
    return tracks


def _parts(song: Path) -> dict[str, Path]:
    """Return the file of each stem of a song."""
    if song.name.endswith(STEM_FILE):
        return dict.fromkeys(STEMS, song)
    files = sorted(song.iterdir()) if song.is_dir() else []
    parts = {file.stem: file for file in files if is_audio_name(file) and file.stem in STEMS}
    if not parts:
        raise ConfigError(
            f"{song}: is no song; wanted a folder with vocals.wav, drums.wav ..., or a "
            f"{STEM_FILE} file"
        )
    return parts


def _decoded(file: Path, stem: str, preset: str, rate_hz: int, folder: Path) -> Sound | None:
    """Return a file as sound, from the cache if it was decoded before; None if it is silent."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    words = f"{FORM} {rate_hz} {preset} {stem if file.name.endswith(STEM_FILE) else ''}"
    digest = hashlib.sha256(words.encode() + hashlib.sha256(content).digest()).hexdigest()[:24]
    path = folder / f"{digest}.i16"
    if not path.is_file():
        frames = _frames(file, stem, preset, rate_hz)
        with replacing(path) as temporary:
            frames.tofile(temporary)
    return Sound(path) if path.stat().st_size else None


def _frames(file: Path, stem: str, preset: str, rate_hz: int) -> NDArray[np.int16]:
    """Decode a file to int16 (frames, 2); none if it is silent."""
    sound, found_hz = _read(file, stem)
    if not np.isfinite(sound).all():
        raise ConfigError(f"{file}: holds NaN or infinity; export it again")
    if preset:
        sound = load_preset(preset)(sound[:1], found_hz)
    sound = np.broadcast_to(sound, (2, sound.shape[1])) if len(sound) == 1 else sound[:2]
    if np.abs(sound).max(initial=0.0) < SILENT:
        return np.zeros((0, 2), np.int16)
    sound = Resampler(found_hz, rate_hz).process(np.ascontiguousarray(sound), last=True)
    scale = 32767 * min(1.0, 1.0 / float(np.abs(sound).max()))
    return np.ascontiguousarray(np.round(sound * scale).T.astype(np.int16))


def _read(file: Path, stem: str) -> tuple[Floats, int]:
    if file.name.endswith(STEM_FILE):
        return _read_stream(file, STREAMS.index(stem))
    try:
        sound, rate_hz = read_audio(file)
    except AudioFileError as error:
        raise ConfigError(str(error)) from None
    return np.atleast_2d(sound), rate_hz


def _read_stream(file: Path, number: int) -> tuple[Floats, int]:
    """Decode one of the sounds of a stem file through PyAV."""
    try:
        import av
    except ImportError:
        raise ConfigError(
            f"{file}: needs PyAV; install the extra: pip install rtaudio[media]"
        ) from None
    pieces: list[Floats] = []
    try:
        with av.open(str(file)) as container:
            streams: Sequence[av.AudioStream] = container.streams.audio
            if len(streams) != len(STREAMS):
                raise ConfigError(
                    f"{file}: holds {len(streams)} sounds; a stem file has {len(STREAMS)}: "
                    f"{', '.join(STREAMS)}"
                )
            rate_hz = streams[number].rate
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate_hz)
            for frame in (*container.decode(streams[number]), None):
                for part in resampler.resample(frame):
                    pieces.append(part.to_ndarray().astype(np.float32))
    except av.FFmpegError as error:
        raise ConfigError(f"{file}: cannot be decoded ({error}); get it again") from None
    return np.concatenate([np.zeros((2, 0), np.float32), *pieces], axis=1), rate_hz
