"""Bench of masters: the same songs by every system, and the cost of the effects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from rtaudio.analysis.percentiles import Percentiles
from rtaudio.analysis.spectral_balance import distance_db
from rtaudio.batch.master_file import MasterSettings, master_file
from rtaudio.batch.measure_profile import measure_profile
from rtaudio.bench.callback import time_callback
from rtaudio.effects.base import Effect
from rtaudio.effects.dither import Dither
from rtaudio.effects.dynamic_equalizer import DynamicEqualizer
from rtaudio.effects.leveler import Leveler
from rtaudio.effects.match import Match
from rtaudio.effects.multiband_compressor import MultibandCompressor
from rtaudio.effects.saturator import Saturator
from rtaudio.effects.tilt import Tilt
from rtaudio.effects.true_peak_limiter import TruePeakLimiter
from rtaudio.effects.width import Width
from rtaudio.errors import MetricsError
from rtaudio.mastering.goal import goal_of_references, goal_of_style
from rtaudio.mastering.profile import Profile
from rtaudio.preset.load import load_preset

TARGET_LUFS, CEILING_DB = -14.0, -1.0
QUICK_SONGS = 2

System = Callable[[Path, Path, Path], float]
"""``system(song, reference, new_file) -> asked_lufs`` makes a master."""


class Task(NamedTuple):
    """A song, the reference of it, and their profiles."""

    song: Path
    reference: Path
    before: Profile
    wanted: Profile


def list_tasks(data: Path, quick: bool = False) -> list[Task]:
    """Return the songs of a folder of recordings; each has the next one as its reference.

    Parameters
    ----------
    data
        The folder: songs are in ``music/songs``, or, without that, anywhere in it.
    quick
        Take the first two only.

    Raises
    ------
    MetricsError
        There are fewer than two songs.
    """
    folder = data / "music" / "songs"
    folder = folder if folder.is_dir() else data
    songs = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    songs = songs[:QUICK_SONGS] if quick else songs
    if len(songs) < 2:
        raise MetricsError(f"{folder}: holds fewer than two songs; name another --data")
    profiles = [measure_profile(song) for song in songs]
    return [
        Task(song, songs[(k + 1) % len(songs)], profiles[k], profiles[(k + 1) % len(songs)])
        for k, song in enumerate(songs)
    ]


_SUFFIXES = (".ogg", ".wav", ".flac", ".mp3")


def find_systems() -> tuple[dict[str, System], list[str]]:
    """Return the systems by name, and a line for each that is not installed."""
    systems: dict[str, System] = {
        "ours, target": _by_target,
        "ours, reference": _by_reference,
        "ours, assistant": _by_assistant,
    }
    if find_spec("matchering") is None:
        return systems, ["matchering is not measured: it is not installed (pip install matchering)"]
    return {**systems, "matchering": _matchering}, []


def _by_target(song: Path, reference: Path, new: Path) -> float:
    settings = MasterSettings(goal_of_style("balanced"), TARGET_LUFS, CEILING_DB)
    return master_file(settings, song, new).target_lufs


def _by_reference(song: Path, reference: Path, new: Path) -> float:
    goal = goal_of_references([measure_profile(reference)], [reference.name])
    assert goal.lufs is not None
    return master_file(MasterSettings(goal, goal.lufs, CEILING_DB), song, new).target_lufs


def _by_assistant(song: Path, reference: Path, new: Path) -> float:
    goal = goal_of_style("balanced")
    settings = MasterSettings(goal, TARGET_LUFS, CEILING_DB, assistant=True)
    return master_file(settings, song, new).target_lufs


def _matchering(song: Path, reference: Path, new: Path) -> float:
    import matchering

    matchering.process(str(song), str(reference), results=[matchering.pcm24(str(new))])
    return measure_profile(reference).loudness.integrated_lufs


def measure_masters(
    tasks: Sequence[Task], systems: dict[str, System]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each song: as it is, then by every system.

    Parameters
    ----------
    tasks
        Of `list_tasks`.
    systems
        Of `find_systems`.
    """
    for task in tasks:
        rows = [_row(task, "nothing", task.before, TARGET_LUFS, 0.0)]
        for name, system in systems.items():
            with TemporaryDirectory() as folder:
                new = Path(folder) / "master.wav"
                begin = time.perf_counter()
                asked = system(task.song, task.reference, new)
                seconds = time.perf_counter() - begin
                rows.append(_row(task, name, measure_profile(new), asked, seconds))
        yield rows


def _row(
    task: Task, system: str, profile: Profile, asked_lufs: float, seconds: float
) -> dict[str, Any]:
    loudness = profile.loudness
    return {
        "song": task.song.stem,
        "reference": task.reference.stem,
        "system": system,
        "asked_lufs": asked_lufs,
        "lufs": loudness.integrated_lufs,
        "error_lu": loudness.integrated_lufs - asked_lufs,
        "true_peak_dbtp": loudness.true_peak_dbtp,
        "range_lu": loudness.range_lu,
        "distance_db": distance_db(profile.levels_db, task.wanted.levels_db),
        "seconds": seconds,
        "audio_seconds": task.before.duration_s,
    }


def measure_costs(rate_hz: int, block: int) -> list[dict[str, Any]]:
    """Return latency and time per block of the effects and presets of mastering, in stereo.

    Parameters
    ----------
    rate_hz, block
        Sample rate in Hz, and frames per block.
    """
    rows = []
    for name, effect in _effects().items():
        us = time_callback(effect, rate_hz=rate_hz, block=block)
        program = effect.compile(rate_hz, block, in_channels=2, offline=True)
        times = asdict(Percentiles.of_samples(us))
        rows.append({"effect": name, "latency_samples": program.latency_samples, "us": times})
    return rows


def _effects() -> dict[str, Effect]:
    """Return the effects, set so that all of them work."""
    return {
        "match": Match(np.linspace(-3.0, 3.0, 31).tolist()),
        "tilt": Tilt(db_per_octave=1.0),
        "dynamic_equalizer": DynamicEqualizer(
            band1_range_db=-6.0, band2_range_db=-6.0, band3_range_db=-6.0
        ),
        "multiband_compressor": MultibandCompressor(),
        "width": Width(mono_hz=120.0, high_width=1.2),
        "saturator": Saturator(),
        "leveler": Leveler(),
        "true_peak_limiter": TruePeakLimiter(ceiling_db=-12.0),
        "dither": Dither(),
        **{
            f"preset {name}": load_preset(name)
            for name in ("master", "master-podcast", "broadcast")
        },
    }
