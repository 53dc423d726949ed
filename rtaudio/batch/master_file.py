"""Mastering of a file of any length, in little memory.

::

    pass 1: file                        --> profile --> shape: spectrum, dynamics, width
                                            by a goal, or by the assistant
    pass 2: file --> shape              --> loudness --> gain
    pass 3: file --> shape, gain, limiter --> new file, measured as it plays
            again with another gain, as long as the loudness is off, and another ceiling, as long
            as the coding of the new file raises peaks above it
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtaudio.atomic import replacing
from rtaudio.audio.reader import open_audio
from rtaudio.audio.writer import suited_subtype
from rtaudio.batch.loudest import loudest_start_s, read_passage
from rtaudio.batch.measure_profile import measure_profile
from rtaudio.batch.render_file import Rendered, render_file
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.effects.dither import Dither
from rtaudio.errors import AudioError, AudioFileError
from rtaudio.mastering.assistant import Proposal, propose
from rtaudio.mastering.design import STAGES, Stage, design_shape, finished_chain
from rtaudio.mastering.goal import Goal
from rtaudio.mastering.profile import Profile

TOLERANCE_LU = 0.5
"""A master that is farther from its target says why."""

_CLOSE_LU = 0.1
_HEARD_S = 60.0
"""Length of the passage that the assistant hears."""

_SILENT_DB = -90.0
_ATTEMPTS = 6
MOST_LIMITED_DB = 12.0
"""Peaks are pushed above the ceiling by this much at most: more would crush a song."""

MOST_GAIN_DB = 40.0
_LOWEST_CEILING_DB = -40.0
_DITHERED_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16}
"""Formats that are coarser than what they are made from, which is 24 bits or more here."""


@dataclass(frozen=True)
class MasterSettings:
    """What is asked of a master.

    Attributes
    ----------
    goal
        Its spectrum and width.
    target_lufs
        Its integrated loudness.
    ceiling_db
        Its largest true peak in dBTP.
    intensity
        0 leaves spectrum, dynamics and width, 1 goes as far as the goal.
    stages
        Which parts may be changed; without ``"loudness"`` the loudness stays that of the source.
    shape
        Effects to use instead of those that the source asks for, as for all songs of an album.
    assistant
        Whether the assistant proposes spectrum, dynamics and width, in place of goal, intensity
        and stages.
    """

    goal: Goal
    target_lufs: float = -14.0
    ceiling_db: float = -1.0
    intensity: float = 1.0
    stages: tuple[Stage, ...] = STAGES
    shape: Sequence[Effect] | None = None
    assistant: bool = False


@dataclass(frozen=True, eq=False)
class Mastered:
    """A file that was mastered.

    Attributes
    ----------
    frames, channels, rate_hz, subtype
        Its length, channels, sample rate in Hz and libsndfile subtype.
    before, after
        Profiles of the source, and of the new file as it plays.
    target_lufs, ceiling_db
        What was asked for.
    limited_db
        How far peaks were pushed above the ceiling, before the limiter.
    note
        Why the target or the ceiling was not met; empty if both were.
    chain
        The effects.
    reasons
        What the assistant says about its proposal; empty without it.
    metadata
        What was copied besides the sound.
    seconds
        Time that all of it took.
    damage
        Always empty: a damaged source is refused.
    """

    frames: int
    channels: int
    rate_hz: int
    subtype: str
    before: Profile
    after: Profile
    target_lufs: float
    ceiling_db: float
    limited_db: float
    note: str
    chain: Chain
    reasons: tuple[str, ...]
    metadata: list[str]
    seconds: float
    damage: str = ""


def master_file(
    settings: MasterSettings,
    source: str | Path,
    target: str | Path,
    *,
    progress: Callable[[float], None] = lambda share: None,
    listen: Callable[[Any], None] = lambda piece: None,
) -> Mastered:
    """Master a file.

    Parameters
    ----------
    settings
        What is asked for.
    source
        A sound file, mono or stereo, of any sample rate. Length, rate, channels and tags are kept,
        and the sample format if the new file type has it; with 16 bits or less it is dithered.
    target
        The new file. It appears when it is complete.
    progress
        Called regularly with the share that is done, 0 .. 1; the number of passes is an estimate.
    listen
        Called with each piece of the source, ``[channels, frames]``.

    Raises
    ------
    AudioFileError
        ``source`` cannot be played, is damaged, silent, too short, or has more than two channels.
    OSError
        A file cannot be read or written.

    Examples
    --------
    >>> done = master_file(MasterSettings(goal_of_style("balanced")), "mix.wav", "master.wav")
    ... # doctest: +SKIP
    >>> done.after.loudness.integrated_lufs                                     # doctest: +SKIP
    -14.02
    """
    begin, source, target = time.perf_counter(), Path(source), Path(target)
    suited_subtype(target)  # a wrong suffix is reported at once
    if source.exists() and target.exists() and source.samefile(target):
        raise AudioFileError(f"{target}: is the file that is read; choose another name")
    passes = _Passes(progress)
    with replacing(target) as new, _named(new, target):
        before = measure_profile(source, progress=passes.next(0.15), listen=listen)
        check_audible(source, before)
        asked = settings.target_lufs
        if "loudness" not in settings.stages:
            asked = before.loudness.integrated_lufs
        shape, reasons = _shape(settings, source, before, asked)
        shaped = before
        if shape:
            shaped = measure_profile(source, Chain(shape), progress=passes.next(0.15))
        search = _Search(shaped, asked, settings.ceiling_db)
        while True:
            chain = finished_chain(shape, search.gain_db, search.aim_db)
            done = render_file(
                _for_file(chain, source, target), source, new,
                keep_channels=True, progress=passes.next(0.35),
            )  # fmt: skip
            after = measure_profile(new, progress=passes.next(0.35))
            if search.is_over(after):
                break
    progress(1.0)
    return _mastered(done, before, after, search, chain, reasons, time.perf_counter() - begin)


def _shape(
    settings: MasterSettings, source: Path, profile: Profile, asked_lufs: float
) -> tuple[list[Effect], tuple[str, ...]]:
    """Return the effects in front of the loudness, and what the assistant says of them."""
    if settings.assistant:
        proposal = _propose(source, profile)
        return list(proposal.chain), proposal.reasons
    if settings.shape is not None:
        return [*settings.shape], ()
    return design_shape(
        profile, settings.goal, target_lufs=asked_lufs, ceiling_db=settings.ceiling_db,
        intensity=settings.intensity, stages=settings.stages,
    ), ()  # fmt: skip


def _propose(source: Path, profile: Profile) -> Proposal:
    """Let the assistant listen to the loudest passage."""
    start = round(loudest_start_s(profile, _HEARD_S) * profile.rate_hz)
    try:
        return propose(
            read_passage(source, start, round(_HEARD_S * profile.rate_hz)), profile.rate_hz
        )
    except AudioError as error:
        raise AudioFileError(f"{source}: {error}") from None


@contextmanager
def _named(temporary: Path, target: Path) -> Iterator[None]:
    """Let errors name the file that the user knows."""
    try:
        yield
    except (AudioFileError, OSError) as error:
        if str(temporary) not in str(error):
            raise
        raise type(error)(str(error).replace(str(temporary), str(target))) from None


def check_audible(path: Path, profile: Profile) -> None:
    """Refuse what has no loudness.

    Parameters
    ----------
    path, profile
        The file, and what was measured of it.

    Raises
    ------
    AudioFileError
        It is silent, or shorter than a block of loudness.
    """
    heard = profile.levels_db.max() > _SILENT_DB  # a constant is not
    if heard and math.isfinite(profile.loudness.integrated_lufs):
        return
    if profile.duration_s < 0.4:
        raise AudioFileError(
            f"{path}: is {profile.duration_s:.2f} s long; loudness needs 0.4 s or more"
        )
    raise AudioFileError(f"{path}: is silent; there is nothing to master")


def _for_file(chain: Chain, source: Path, target: Path) -> Chain:
    """Return the chain with dither, if the file is coarser than the sound in the chain."""
    with open_audio(source) as file:
        bits = _DITHERED_BITS.get(suited_subtype(target, file.subtype))
    return Chain([*chain, Dither(bits=bits)], name=chain.name) if bits else chain


class _Passes:
    """The progress of passes of which nobody knows how many there will be."""

    def __init__(self, progress: Callable[[float], None]) -> None:
        self._progress, self._left = progress, 1.0

    def next(self, share: float) -> Callable[[float], None]:
        """Return the progress of the next pass, which takes a share of what is left."""
        start, width = 1.0 - self._left, share * self._left
        self._left -= width
        return lambda done: self._progress(start + width * done)


class _Search:
    """The gain and the ceiling by which the new file meets what is asked for."""

    def __init__(self, shaped: Profile, asked_lufs: float, ceiling_db: float) -> None:
        self._shaped, self.asked_lufs, self.ceiling_db = shaped.loudness, asked_lufs, ceiling_db
        room_db = ceiling_db - self._shaped.true_peak_dbtp
        self._most_db = min(MOST_GAIN_DB, room_db + MOST_LIMITED_DB)
        self.gain_db = min(asked_lufs - self._shaped.integrated_lufs, self._most_db)
        self.aim_db = ceiling_db
        self._attempts = 0
        self._former: tuple[float, float] | None = None

    @property
    def limited_db(self) -> float:
        """How far peaks are above the ceiling when they reach the limiter."""
        return max(0.0, self._shaped.true_peak_dbtp + self.gain_db - self.ceiling_db)

    def is_over(self, after: Profile) -> bool:
        """Judge the new file; if it is not good enough, choose another gain and ceiling."""
        self._attempts += 1
        lufs = after.loudness.integrated_lufs
        missing = self.asked_lufs - lufs
        excess = after.loudness.true_peak_dbtp - self.ceiling_db
        stuck = missing > 0.0 and self.gain_db >= self._most_db
        met = abs(missing) <= _CLOSE_LU or stuck
        if (met and excess <= 0.0) or self._attempts == _ATTEMPTS:
            return True
        if excess > 0.0:
            self.aim_db = max(_LOWEST_CEILING_DB, self.aim_db - excess - 0.05)
        if not met:
            slope = 1.0
            if self._former is not None and self._former[0] != self.gain_db:
                slope = (lufs - self._former[1]) / (self.gain_db - self._former[0])
                slope = max(0.2, min(1.0, slope))
            self._former = self.gain_db, lufs
            self.gain_db = min(self._most_db, self.gain_db + missing / slope)
        return False

    def note(self, after: Profile) -> str:
        """Return why the new file does not have what is asked for; empty if it has."""
        lufs, peak_db = after.loudness.integrated_lufs, after.loudness.true_peak_dbtp
        if peak_db > self.ceiling_db + 0.005:
            return f"the coding of the file raises peaks to {peak_db:.1f} dBTP; use .wav or .flac"
        if abs(self.asked_lufs - lufs) <= TOLERANCE_LU:
            return ""
        if self.gain_db >= MOST_GAIN_DB:
            return f"{self.asked_lufs:.1f} LUFS would take more than {MOST_GAIN_DB:g} dB of gain"
        return (
            f"{self.asked_lufs:.1f} LUFS would crush it: its peaks are pushed {self.limited_db:.1f}"
            f" dB above the ceiling already; it has {lufs:.1f} LUFS"
        )


def _mastered(
    done: Rendered, before: Profile, after: Profile, search: _Search, chain: Chain,
    reasons: tuple[str, ...], seconds: float,
) -> Mastered:  # fmt: skip
    return Mastered(
        done.frames, done.channels, done.rate_hz, done.subtype, before, after,
        search.asked_lufs, search.ceiling_db, search.limited_db, search.note(after), chain, reasons,
        done.metadata, seconds,
    )  # fmt: skip
