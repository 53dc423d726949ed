"""Pairs of dry and wet takes: read, rendered by a teacher, or recorded."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from pydantic import ValidationError

from rtaudio.atomic import replacing
from rtaudio.capture.align import arrival, overlap
from rtaudio.capture.note import CaptureNote, read_note
from rtaudio.errors import CaptureError
from rtaudio.models.contract.card import ModelParameter
from rtaudio.models.formats import read as foreign
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats
from rtaudio.view.terminal import progress
from training.cache import training_cache
from training.config import ConfigError
from training.guitar.config import (
    CaptureData,
    DataConfig,
    PairData,
    TeacherData,
)
from training.guitar.teacher import Teacher
from training.models import imported

__all__ = ["Split", "Take", "load_split"]

Knobs = Mapping[str, float]

NOISE = "(noise)"
"""Name of the generated take."""

SURE = 0.5
"""Least confidence at which a measured shift between two recordings is believed."""


@dataclass(frozen=True)
class Take:
    """One recording: ``dry`` and ``wet``, each (samples,), aligned to the sample.

    ``knobs`` are the values of `Split.knobs`. The net hears the first ``skip_samples``, but they
    are neither trained on nor scored. Takes of one name are scored as one.
    """

    name: str
    dry: Floats
    wet: Floats
    knobs: tuple[float, ...] = ()
    skip_samples: int = 0


@dataclass(frozen=True)
class Split:
    """Takes, each in one part only, at one rate in hertz; levels are as recorded.

    ``knobs`` are the controls, as plain data for `rtaudio.models.contract.card.ModelParameter`:
    from the lowest to the highest trained value, with the middle one as default. ``levels`` are
    those of a capture, as in `rtaudio.models.contract.card.Card`.
    """

    train: tuple[Take, ...]
    validation: tuple[Take, ...]
    test: tuple[Take, ...]
    rate_hz: int
    knobs: tuple[dict[str, Any], ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)

    def delayed(self, samples: int) -> Split:
        """Return the same split with the wet side delayed, for a net of that latency."""
        if samples == 0:
            return self

        def later(take: Take) -> Take:
            wet = np.concatenate([np.zeros(samples, np.float32), take.wet])[: len(take.wet)]
            return replace(take, wet=wet)

        parts = {part: tuple(later(take) for take in getattr(self, part)) for part in PARTS}
        return replace(self, **parts)  # type: ignore[arg-type]


PARTS = ("train", "validation", "test")


def load_split(data: DataConfig, *, show: bool = True) -> Split:
    """Read the pairs, or read the dry takes and render the wet ones.

    Parameters
    ----------
    data
        The files.
    show
        Show progress on the terminal.

    Raises
    ------
    ConfigError
        A file that is not mono, not at the rate of the others, or not what the configuration says.
    rtaudio.errors.FormatError
        The teacher's capture cannot be read.
    rtaudio.errors.CaptureError
        A folder that is not one of `rtaudio capture`.
    """
    match data:
        case TeacherData():
            return _from_teacher(data, show)
        case PairData():
            return _from_pairs(data, show)
        case CaptureData():
            return _from_captures(data)


def _split(parts: Mapping[str, list[Take]], rate_hz: int, names: tuple[str, ...]) -> Split:
    """Complete a split: the range of each knob is that of the training takes."""
    if not parts["train"] or not parts["validation"]:
        raise ConfigError("data: nothing left to train, or to validate; check the ranges")
    for part in PARTS[:2]:
        if not any(take.wet.any() for take in parts[part]):
            raise ConfigError(f"data: the wet {part} takes are silent; record them again")
    knobs = []
    for column, name in enumerate(names):
        places = sorted({take.knobs[column] for take in parts["train"]})
        if len(places) < 2:
            raise ConfigError(f"data: knob {name!r} never moves; leave it out, or add positions")
        knob = {
            "name": name,
            "min": places[0],
            "max": places[-1],
            "default": places[len(places) // 2],
        }
        try:
            ModelParameter.model_validate(knob)
        except ValidationError as error:
            raise ConfigError(
                f"data: knob {name!r:.40}: {error.errors()[0]['msg']}; no model file could hold it"
            ) from None
        knobs.append(knob)
    return Split(
        tuple(parts["train"]),
        tuple(parts["validation"]),
        tuple(parts["test"]),
        rate_hz,
        tuple(knobs),
    )


def _labelled(name: str, knobs: Knobs) -> str:
    return " ".join([name, *(f"{knob}={value:g}" for knob, value in knobs.items())])


# Takes and a teacher


def _from_teacher(data: TeacherData, show: bool) -> Split:
    root = Path(data.root)
    rate_hz, stamp, teacher = _teacher(data)
    positions = _combinations(data.knobs)
    tested = positions + (_combinations(data.test_knobs) if data.test_knobs else [])
    wanted = [
        (part, name, knobs)
        for part in PARTS
        for name in getattr(data, part)
        for knobs in (tested if part == "test" else positions)
    ]
    if data.noise_seconds:
        wanted += [("train", NOISE, knobs) for knobs in positions]
    parts: dict[str, list[Take]] = {part: [] for part in PARTS}
    with progress(show) as bar:
        for part, name, knobs in bar.track(
            wanted, description=f"rendering {Path(data.teacher).stem}"
        ):
            if name == NOISE:
                dry = _noise(data.noise_seconds, rate_hz)
            else:
                dry = _read(root / data.takes / f"{name}.flac", rate_hz)
            dry = dry * np.float32(from_db(data.gain_db))
            wet = _cached(teacher, dry, knobs, stamp)
            advance = data.advance_samples
            parts[part].append(
                Take(
                    _labelled(name, knobs),
                    dry[: len(dry) - advance],
                    wet[advance:],
                    tuple(knobs.values()),
                )
            )
    return _split(parts, rate_hz, tuple(data.knobs))


def _combinations(positions: Mapping[str, tuple[float, ...]]) -> list[Knobs]:
    return [
        dict(zip(positions, row, strict=True)) for row in itertools.product(*positions.values())
    ]


def _teacher(data: TeacherData) -> tuple[int, str, Callable[..., Floats]]:
    """Return the rate, a label for the cache, and the function from dry to wet."""
    root = Path(data.root)
    if data.simulated:
        rate_hz = soundfile.info(root / data.takes / f"{data.train[0]}.flac").samplerate
        function = imported(data.teacher)
        source = Path(inspect.getsourcefile(function) or "").read_bytes()
        stamp = f"{data.teacher} at {rate_hz} Hz"
        return rate_hz, hashlib.sha256(source).hexdigest() + stamp, _simulation(function, rate_hz)
    path = root / data.teacher
    capture = foreign.read_foreign(path)
    stamp = hashlib.sha256(path.read_bytes()).hexdigest()
    return capture.rate_hz, stamp, Teacher(capture)


def _simulation(function: Callable[..., Floats], rate_hz: int) -> Callable[..., Floats]:
    def play(dry: Floats, **knobs: float) -> Floats:
        wet = np.asarray(function(dry, rate_hz, **knobs), np.float32)
        if wet.shape != dry.shape or not np.isfinite(wet).all():
            raise ConfigError(
                f"{function.__module__}:{function.__name__}: wanted {len(dry)} finite samples "
                f"for as many, got the shape {wet.shape}"
            )
        return wet

    return play


# Files that are pairs already


def _from_pairs(data: PairData, show: bool) -> Split:
    root = Path(data.root)
    parts: dict[str, list[Take]] = {part: [] for part in PARTS}
    rate_hz = soundfile.info(root / data.pairs[0].dry).samplerate
    names = tuple(data.pairs[0].knobs)
    with progress(show) as bar:
        for pair in bar.track(data.pairs, description="reading pairs"):
            dry, wet = _read(root / pair.dry, rate_hz), _read(root / pair.wet, rate_hz)
            if data.align:
                dry, wet = _aligned(root / pair.wet, dry, wet, rate_hz)
            elif len(dry) != len(wet):
                raise ConfigError(
                    f"{root / pair.wet}: {len(wet)} samples, but {len(dry)} in the dry file; cut "
                    "them to one length, or set data.align: true"
                )
            name = _labelled(Path(pair.wet).stem, pair.knobs)
            knobs = tuple(pair.knobs[knob] for knob in names)
            for part in PARTS:
                for start_s, end_s in getattr(data.parts_of(pair), part):
                    start = round(start_s * rate_hz)
                    end = len(dry) if end_s is None else min(len(dry), round(end_s * rate_hz))
                    takes = _clips(data, start, end) if data.clip_samples else [(start, end)]
                    parts[part] += [
                        Take(name, dry[a:b], wet[a:b], knobs, data.clip_skip_samples)
                        for a, b in takes
                        if b > a
                    ]
    return _split(parts, rate_hz, names)


def _clips(data: PairData, start: int, end: int) -> list[tuple[int, int]]:
    """Return start and end of the clips that lie wholly in a range."""
    length = data.clip_samples
    assert length is not None
    first = -(-start // length) * length
    return [(at, at + length) for at in range(first, end - length + 1, length)]


def _aligned(path: Path, dry: Floats, wet: Floats, rate_hz: int) -> tuple[Floats, Floats]:
    """Remove a constant shift from a pair, and trim both to their overlap."""
    found = arrival(dry, wet, rate_hz)
    if found.confidence < SURE:
        raise ConfigError(
            f"{path}: no shift fits it to its dry file (confidence {found.confidence:.2f}); check "
            "that both belong together, or set data.align: false"
        )
    return overlap(dry, wet, found.latency_samples)


# Folders of `rtaudio capture`


def _from_captures(data: CaptureData) -> Split:
    folders = [Path(data.root) / folder for folder in data.captures]
    notes = [read_note(folder) for folder in folders]
    rate_hz = notes[0].rate_hz
    names = moving_knobs(notes) if len(folders) > 1 else ()
    parts: dict[str, list[Take]] = {part: [] for part in PARTS}
    for folder, note in zip(folders, notes, strict=True):
        dry, wet = _read(folder / "dry.wav", rate_hz), _read(folder / "wet.wav", rate_hz)
        if len(dry) != len(wet):
            raise ConfigError(f"{folder}: dry.wav and wet.wav differ in length; capture it again")
        if max(end for part in PARTS[:2] for _, end in getattr(note, part)) > len(dry):
            raise CaptureError(
                f"{folder}: the ranges in capture.json reach beyond the end of dry.wav; "
                "capture it again"
            )
        knobs = tuple(note.knobs[name] for name in names)
        for part in ("train", "validation"):
            for start, end in getattr(note, part):
                parts[part].append(Take(folder.name, dry[start:end], wet[start:end], knobs))
    stated = {"input_dbu": notes[0].input_dbu, "output_dbu": notes[0].output_dbu}
    levels = {key: level for key, level in stated.items() if level is not None}
    return replace(_split(parts, rate_hz, names), levels=levels)


def moving_knobs(notes: list[CaptureNote]) -> tuple[str, ...]:
    """Return the knobs that all captures name and that are not the same in all."""
    names = [name for name in notes[0].knobs if all(name in note.knobs for note in notes)]
    moving = tuple(n for n in names if len({note.knobs[n] for note in notes}) > 1)
    if not moving:
        raise ConfigError(
            "data.captures: several captures, but no knob that differs between them; give each its "
            "position (rtaudio capture --knob), or train them one by one"
        )
    return moving


def _read(path: Path, rate_hz: int) -> Floats:
    try:
        signal, found = soundfile.read(path, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ConfigError(f"{path}: cannot be read: {error.error_string}") from None
    if signal.ndim != 1 or found != rate_hz:
        raise ConfigError(
            f"{path}: wanted mono at {rate_hz} Hz, the rate of the capture; convert it first"
        )
    if not np.isfinite(signal).all():
        raise ConfigError(f"{path}: holds NaN or infinity; record it again")
    return np.asarray(signal, np.float32)


def _noise(seconds: int, rate_hz: int) -> Floats:
    """Return white noise, each second at another level from -50 to -10 dB (RMS)."""
    generator = np.random.default_rng(0)
    levels = from_db(generator.uniform(-50, -10, (seconds, 1)))
    noise: Floats = generator.standard_normal((seconds, rate_hz)) * levels
    return noise.ravel().astype(np.float32)


def _cached(teacher: Callable[..., Floats], dry: Floats, knobs: Knobs, stamp: str) -> Floats:
    """Play the teacher, or read what it has played before; a damaged or full cache is no end."""
    folder = training_cache("renders")
    label = stamp + (json.dumps(knobs) if knobs else "")
    key = hashlib.sha256(label.encode() + dry.tobytes()).hexdigest()[:32]
    path = folder / f"{key}.npz"  # a zip archive, which knows a checksum
    try:
        with np.load(path, allow_pickle=False) as stored:
            wet = np.asarray(stored["wet"])
        if wet.shape == dry.shape and wet.dtype == np.float32:
            return wet
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        pass
    wet = teacher(dry, **knobs)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez(temporary, wet=wet)
    return wet
