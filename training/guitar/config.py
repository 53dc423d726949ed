"""The configuration of a guitar training: where the pairs come from, net, loss and schedule."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from typing_extensions import override

from training.config import (
    ConfigError,
    DataSection,
    NetConfig,
    RunConfig,
    Section,
    check_net,
    check_there,
)
from training.guitar.losses import LOSSES
from training.models import imported

__all__ = [
    "CaptureData",
    "DataConfig",
    "GuitarConfig",
    "PairData",
    "ScheduleConfig",
    "TeacherData",
]

Takes = Annotated[tuple[str, ...], Field(min_length=1)]
Positions = dict[str, Annotated[tuple[float, ...], Field(min_length=1)]]
"""The positions of each knob; all combinations are used."""


class TeacherData(DataSection):
    """Dry takes (names without ending), split by whole takes, and a teacher that plays them.

    ``teacher`` is a capture (``.nam``, ``.aidax``, ``.json``), whose knobs stay at their defaults,
    or ``package.module:function`` for a simulation, called as ``function(dry, rate_hz, **knobs)``.
    Every take is played at every combination of ``knobs``; the test takes also at those of
    ``test_knobs``.

    Relative paths count from ``root``. ``advance_samples`` removes a delay of the capture, which
    would otherwise become latency. ``noise_seconds`` of white noise at many levels join the
    training takes: guitars hold little treble, so a net that hears nothing else learns the treble
    of a loudspeaker last. ``gain_db`` is applied to the takes, for net and teacher alike.
    """

    takes: str
    teacher: str
    source: str
    license: str
    advance_samples: Annotated[int, Field(ge=0, le=4096)] = 0
    noise_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    gain_db: Annotated[float, Field(ge=-60, le=60)] = 0.0
    knobs: Positions = {}
    test_knobs: Positions = {}
    train: Takes
    validation: Takes
    test: Takes

    @model_validator(mode="after")
    def _apart(self) -> TeacherData:
        names = [*self.train, *self.validation, *self.test]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"take {twice[0]!r} occurs twice; a take belongs to one part only")
        return self

    @model_validator(mode="after")
    def _knobs(self) -> TeacherData:
        if self.knobs and not self.simulated:
            raise ValueError(
                "knobs: those of a capture stay at their defaults; name a simulation as teacher"
            )
        if self.test_knobs and set(self.test_knobs) != set(self.knobs):
            raise ValueError(f"test_knobs: wanted the knobs {', '.join(self.knobs) or '(none)'}")
        for name, positions in self.test_knobs.items():
            low, high = min(self.knobs[name]), max(self.knobs[name])
            if not all(low <= position <= high for position in positions):
                raise ValueError(f"test_knobs.{name}: outside the trained range, {low} .. {high}")
        return self

    @property
    def simulated(self) -> bool:
        """Whether the teacher is a function rather than a file."""
        return ":" in self.teacher

    def check(self, path: Path) -> None:
        """Raise `ConfigError` if a file or a function is missing; ``path`` is for the message."""
        root = Path(self.root)
        check_there(path, "data.takes", root / self.takes)
        if self.simulated:
            try:
                imported(self.teacher)
            except ValueError as error:
                raise ConfigError(f"{path}: data.teacher: {error}") from None
        else:
            check_there(path, "data.teacher", root / self.teacher)
        for part in ("train", "validation", "test"):
            for name in getattr(self, part):
                if not (root / self.takes / f"{name}.flac").is_file():
                    raise ConfigError(
                        f"{path}: data.{part}: no take {name!r} ({name}.flac) in "
                        f"{root / self.takes}"
                    )


Range = tuple[Annotated[float, Field(ge=0)], float | None]
Ranges = tuple[Range, ...]
"""Starts and ends in seconds; no end means the end of the file."""


class Parts(Section):
    """The stretches of a recording that train, validate and test."""

    train: Ranges = ()
    validation: Ranges = ()
    test: Ranges = ()

    @model_validator(mode="after")
    def _apart(self) -> Parts:
        spans = sorted(
            (start, float("inf") if end is None else end)
            for part in (self.train, self.validation, self.test)
            for start, end in part
        )
        for start, end in spans:
            if start >= end:
                raise ValueError(f"the range {start} .. {end} s is empty")
        for (_, end), (start, _) in itertools.pairwise(spans):
            if start < end:
                raise ValueError(f"second {start} belongs to two ranges; a range is in one part")
        return self


class Pair(Section):
    """A dry file, its wet file, the positions of the knobs, and parts of its own, if any."""

    dry: str
    wet: str
    knobs: dict[str, float] = {}
    parts: Parts | None = None


class PairData(DataSection):
    """Recordings of any kind: dry and wet files of equal rate, split by time or by file.

    ``parts`` holds for every pair without parts of its own. A constant shift between dry and wet
    is measured and removed, unless ``align`` is false.

    If a recording is a row of independent clips of ``clip_samples``, each played from rest, every
    clip is a take of its own. The net hears its first ``clip_skip_samples``, but they do not count.
    """

    source: str
    license: str
    pairs: Annotated[tuple[Pair, ...], Field(min_length=1)]
    parts: Parts = Parts()
    align: bool = True
    clip_samples: Annotated[int, Field(ge=64)] | None = None
    clip_skip_samples: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _whole(self) -> PairData:
        if self.clip_skip_samples >= (self.clip_samples or 1 << 62):
            raise ValueError("clip_skip_samples must be less than clip_samples")
        if len({frozenset(pair.knobs) for pair in self.pairs}) > 1:
            raise ValueError("pairs: every pair must name the same knobs")
        for part in ("train", "validation"):
            if not any(getattr(self.parts_of(pair), part) for pair in self.pairs):
                raise ValueError(f"parts: no pair has a range to {part}")
        return self

    def parts_of(self, pair: Pair) -> Parts:
        """Return the parts that hold for a pair."""
        return pair.parts or self.parts

    def check(self, path: Path) -> None:
        """Raise `ConfigError` if a file is missing; ``path`` is for the message."""
        for number, pair in enumerate(self.pairs):
            for side in ("dry", "wet"):
                check_there(
                    path, f"data.pairs.{number}.{side}", Path(self.root) / getattr(pair, side)
                )


class CaptureData(DataSection):
    """Folders that ``rtaudio capture`` wrote; several, at other knob positions, make one net."""

    root: str = "."
    source: str = "own recording"
    license: str
    captures: Takes

    def check(self, path: Path) -> None:
        """Raise `ConfigError` if a folder is missing; ``path`` is for the message."""
        for number, folder in enumerate(self.captures):
            check_there(path, f"data.captures.{number}", Path(self.root) / folder)


def _kind_of_data(content: Any) -> str:
    keys = content if isinstance(content, Mapping) else vars(content)
    return next((key for key in ("captures", "pairs") if key in keys), "teacher")


DataConfig = Annotated[
    Annotated[TeacherData, Tag("teacher")]
    | Annotated[PairData, Tag("pairs")]
    | Annotated[CaptureData, Tag("captures")],
    Discriminator(_kind_of_data),
]
"""The three sources of pairs; each has a key that the others lack."""


class ScheduleConfig(Section):
    """Length and pace of a training.

    ``shape``: the learning rate is constant, or falls to zero along a cosine.
    After ``patience_epochs`` without a better validation the run ends. The nets of the
    ``keep_best`` best epochs are kept.

    Excerpts of ``excerpt_samples`` are learnt in steps of ``truncate_samples``, the reach of
    back-propagation; the state is carried from step to step. ``warmup_samples`` before the excerpt
    set the first state. Without ``truncate_samples`` an excerpt is one step, and the gradient
    reaches through the warm-up too: right for nets of finite memory, whose warm-up is that memory.
    """

    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.004
    shape: Literal["constant", "cosine"] = "cosine"
    patience_epochs: Annotated[int, Field(ge=1)] | None = None
    keep_best: Annotated[int, Field(ge=1, le=100)] = 1
    excerpt_samples: Annotated[int, Field(ge=64)]
    truncate_samples: Annotated[int, Field(ge=16)] | None = None
    warmup_samples: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _whole_steps(self) -> ScheduleConfig:
        if self.excerpt_samples % (self.truncate_samples or 1):
            raise ValueError("excerpt_samples must be a multiple of truncate_samples")
        return self


class GuitarConfig(RunConfig):
    """The configuration of a run; ``loss`` weighs the terms of `training.guitar.losses.LOSSES`."""

    task: Literal["guitar"] = "guitar"
    data: DataConfig
    net: NetConfig
    loss: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)] = {
        "esr": 0.75,
        "dc": 0.25,
    }
    schedule: ScheduleConfig

    @model_validator(mode="after")
    def _known_terms(self) -> GuitarConfig:
        for name in self.loss:
            if name not in LOSSES:
                raise ValueError(f"loss: unknown term {name!r}; choose from {', '.join(LOSSES)}")
        return self

    @override
    def resolved(self, path: Path) -> Self:
        check_net(path, self.net)
        config = super().resolved(path)
        config.data.check(path)
        return config
