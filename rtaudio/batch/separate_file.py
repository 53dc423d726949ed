"""Separation of a file of any length into a file for each stem, in little memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtaudio.audio.file import STEREO
from rtaudio.audio.reader import Reader, open_audio
from rtaudio.audio.writer import Writer, clips, create_audio, suited_subtype
from rtaudio.batch.rendering import Rendering
from rtaudio.effects.separate import Separate
from rtaudio.errors import AudioFileError, ParameterError, closest
from rtaudio.models.stems import RESIDUAL
from rtaudio.runtime.memory import Floats

_BLOCK = 1024
EXACT = "FLOAT"
"""The sample format, where a file type has it: stems may be louder than the song, and add up."""


class Separated(NamedTuple):
    """The written files.

    Attributes
    ----------
    frames, channels, rate_hz
        Length of each, channels of a stem, and sample rate in Hz.
    stems, files
        Names of the stems, and their files in the same order; one file if they are together.
    subtype
        Their libsndfile subtype.
    peaks
        Peak magnitude of each stem.
    clipped
        Number of samples that were cut off at full scale.
    latency_samples
        Latency of the model, which was compensated.
    faults
        How often the model was silenced and reset.
    seconds
        Processing time.
    damage
        Where and why the source could not be read; empty if it was intact.
    """

    frames: int
    channels: int
    rate_hz: int
    stems: tuple[str, ...]
    files: tuple[Path, ...]
    subtype: str
    peaks: tuple[float, ...]
    clipped: int
    latency_samples: int
    faults: int
    seconds: float
    damage: str


def stem_names(model: str | Path, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the stems to write: those that are wanted, or all of the model.

    Parameters
    ----------
    model
        The separator.
    wanted
        Names; ``residual`` is what the others leave of the song. Empty: all stems of the model.

    Raises
    ------
    ParameterError
        The model has no such stem, or one is named twice.

    Examples
    --------
    >>> stem_names("separate.onnx", ["vocals", "residual"])         # doctest: +SKIP
    ('vocals', 'residual')
    """
    known = Separate(model).card.stems
    for stem in wanted:
        if stem not in (*known, RESIDUAL):
            raise ParameterError(f"stem {stem!r}: {closest(stem, [*known, RESIDUAL])}")
    if len(set(wanted)) != len(wanted):
        raise ParameterError(f"stems {', '.join(wanted)}: one is named twice; remove it")
    return tuple(wanted) or known


def stem_files(target: Path, stems: Sequence[str], suffix: str | None) -> tuple[Path, ...]:
    """Return the files that `separate_file` writes.

    Parameters
    ----------
    target
        A folder, or a sound file for all stems together.
    stems
        Names of the stems.
    suffix
        Of the files in a folder; None: ``target`` is the file for all stems.

    Examples
    --------
    >>> [file.name for file in stem_files(Path("song"), ["vocals", "residual"], ".wav")]
    ['vocals.wav', 'residual.wav']
    """
    if suffix is None:
        return (target,)
    return tuple(target / f"{stem}{suffix}" for stem in stems)


def separate_file(
    model: str | Path,
    source: str | Path,
    target: str | Path,
    *,
    stems: Sequence[str] = (),
    suffix: str | None = ".wav",
    salvage: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> Separated:
    """Separate a sound file.

    Parameters
    ----------
    model
        The separator, a model file.
    source
        A sound file with one or two channels, of any rate.
    target
        A folder, which gets a file for each stem: ``vocals.wav`` ...; or, without a ``suffix``, a
        sound file, which gets all stems side by side: vocals left, vocals right, drums left ...
        All are as long as ``source`` and aligned with it, and all stems of the model add up to it.
        Each appears when it is complete.
    stems
        See `stem_names`.
    suffix
        Of the files in a folder; None: ``target`` is a sound file.
    salvage
        Separate what can be read of a damaged file, and describe it in ``damage``; otherwise such a
        file is refused.
    progress
        Called regularly with the share that is done, 0 .. 1.

    Raises
    ------
    ParameterError
        As `stem_names`, or the model is no separator.
    AudioFileError
        ``source`` cannot be played, or the suffix is not that of a sound file.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> done = separate_file("separate.onnx", "song.mp3", "song")   # doctest: +SKIP
    >>> done.files[0].name                                          # doctest: +SKIP
    'vocals.wav'
    """
    begin, source, target = time.perf_counter(), Path(source), Path(target)
    names = stem_names(model, stems)
    files = stem_files(target, names, suffix)
    if source.exists() and any(file.exists() and file.samefile(source) for file in files):
        raise AudioFileError(f"{source}: is a file that is read; choose another folder")
    effect = Separate(model, output="stems")
    with open_audio(source, STEREO) as dry, ExitStack() as opened:
        channels = dry.channels
        program = effect.compile(dry.rate_hz, _BLOCK, in_channels=channels, offline=True)
        width = channels * len(names) // len(files)
        opened.enter_context(_folder(files[0].parent))
        writers = [opened.enter_context(_created(file, dry, width)) for file in files]
        pick = _Pick(effect.card.stems, names, channels)
        stream = Rendering(program, dry, salvage)
        peaks, clipped = np.zeros(len(names)), 0
        limit = 1.0 if clips(writers[0].subtype) else np.inf
        for _, y in stream.pieces():
            parts = pick(y)
            magnitude = np.abs(parts)
            peaks = np.maximum(peaks, magnitude.max(axis=(1, 2), initial=0.0))
            clipped += int(np.count_nonzero(magnitude > limit))
            for writer, part in zip(writers, parts.reshape(len(files), width, -1), strict=True):
                writer.write(part.T)
            progress(min(1.0, dry.position / dry.frames))
        return Separated(
            dry.position, channels, dry.rate_hz, names, files, writers[0].subtype,
            tuple(map(float, peaks)), clipped, program.latency_samples,
            sum(program.faults.values()), time.perf_counter() - begin, stream.damage,
        )  # fmt: skip


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Create a folder, which goes again if nothing comes into it."""
    new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if new:
            with suppress(OSError):
                path.rmdir()


def _created(file: Path, dry: Reader, channels: int) -> AbstractContextManager[Writer]:
    return create_audio(file, dry.rate_hz, channels, suited_subtype(file, EXACT), frames=dry.frames)


class _Pick:
    """Chooses stems; the residual is the sum of those that nobody else wants."""

    def __init__(self, known: Sequence[str], wanted: Sequence[str], channels: int) -> None:
        self._channels = channels
        named = {stem for stem in wanted if stem in known and stem != RESIDUAL}
        rest = [stem not in named for stem in known]
        rows = [rest if stem == RESIDUAL else [stem == other for other in known] for stem in wanted]
        self._matrix = np.array(rows, np.float32)

    def __call__(self, y: Floats) -> Floats:
        """Return float32 [wanted stems, channels, frames] of [all stems * channels, frames]."""
        stems = y.reshape(self._matrix.shape[1], -1)
        picked: Floats = self._matrix @ stems
        return picked.reshape(len(picked), self._channels, -1)
