"""What a training run is told: a YAML file, checked before anything is computed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from training.guitar.losses import LOSSES
from training.models import imported, net_arguments, net_class

__all__ = [
    "CaptureData",
    "ConfigError",
    "DataConfig",
    "NetConfig",
    "PairData",
    "ScheduleConfig",
    "TeacherData",
    "TrainingConfig",
    "data_root",
    "load_config",
    "read_yaml",
]

Takes = Annotated[tuple[str, ...], Field(min_length=1)]
Positions = dict[str, Annotated[tuple[float, ...], Field(min_length=1)]]
"""Knobs, and where each of them stands; every combination is meant."""


Form = TypeVar("Form", bound=BaseModel)


class ConfigError(ValueError):
    """A configuration that cannot be used; the text names file, key and remedy."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TeacherData(_Section):
    """Dry takes (names without ending), split by whole takes, and the teacher that answers them.

    ``teacher`` is a capture (``.nam``, ``.aidax``, ``.json``), whose knobs stand at their defaults,
    or ``package.module:function`` for a simulation, called as ``function(dry, rate_hz, **knobs)``.
    ``knobs`` says at which positions a simulation is heard, ``test_knobs`` at which others the test
    takes are heard too.

    Relative paths count from ``root``; a relative ``root`` from the configuration file, unless the
    environment variable RTAUDIO_DATA names the data folder. ``advance_samples`` takes out a delay
    of the capture, which would otherwise be a latency to play with. ``noise_seconds`` of white
    noise at many levels join the training takes: guitars hold little treble, so a net that hears
    nothing else learns the treble of a loudspeaker last. ``gain_db`` is the level at which the
    takes are played, to net and teacher alike.
    """

    root: str
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
                raise ValueError(f"test_knobs.{name}: outside of what is trained, {low} .. {high}")
        return self

    @property
    def simulated(self) -> bool:
        """Whether the teacher is a function rather than a file."""
        return ":" in self.teacher

    def check(self, path: Path) -> None:
        """Raise if a file or a function is not there."""
        root = Path(self.root)
        _check_there(path, "data.takes", root / self.takes)
        if self.simulated:
            try:
                imported(self.teacher)
            except ValueError as error:
                raise ConfigError(f"{path}: data.teacher: {error}") from None
        else:
            _check_there(path, "data.teacher", root / self.teacher)
        for part in ("train", "validation", "test"):
            for name in getattr(self, part):
                if not (root / self.takes / f"{name}.flac").is_file():
                    raise ConfigError(
                        f"{path}: data.{part}: no take {name!r} ({name}.flac) in "
                        f"{root / self.takes}"
                    )


Range = tuple[Annotated[float, Field(ge=0)], float | None]
Ranges = tuple[Range, ...]
"""From and to in seconds; no ``to`` means the end of the file."""


class Parts(_Section):
    """Which stretches of a recording train, validate and test."""

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


class Pair(_Section):
    """A dry file, the wet one of it, where the knobs stood, and its parts, if it has its own."""

    dry: str
    wet: str
    knobs: dict[str, float] = {}
    parts: Parts | None = None


class PairData(_Section):
    """Recordings of any kind: dry and wet files of equal rate, split by time or by file.

    ``parts`` holds for every pair without its own. A constant shift between dry and wet, as a
    recording has, is found and taken out, unless ``align`` is false.

    Where a recording is a row of independent clips of ``clip_samples`` (each answered from rest),
    each is a take of its own, of which the first ``clip_skip_samples`` are heard but not counted.
    """

    root: str
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
        """Parts of one pair."""
        return pair.parts or self.parts

    def check(self, path: Path) -> None:
        """Raise if a file is not there."""
        for number, pair in enumerate(self.pairs):
            for side in ("dry", "wet"):
                _check_there(
                    path, f"data.pairs.{number}.{side}", Path(self.root) / getattr(pair, side)
                )


class CaptureData(_Section):
    """Folders that ``rtaudio capture`` wrote; several, with knobs at other places, make one net."""

    root: str = "."
    source: str = "own recording"
    license: str
    captures: Takes

    def check(self, path: Path) -> None:
        """Raise if a folder is not there."""
        for number, folder in enumerate(self.captures):
            _check_there(path, f"data.captures.{number}", Path(self.root) / folder)


def _kind_of_data(content: Any) -> str:
    keys = content if isinstance(content, Mapping) else vars(content)
    return next((key for key in ("captures", "pairs") if key in keys), "teacher")


DataConfig = Annotated[
    Annotated[TeacherData, Tag("teacher")]
    | Annotated[PairData, Tag("pairs")]
    | Annotated[CaptureData, Tag("captures")],
    Discriminator(_kind_of_data),
]
"""Where the pairs come from, told by the key that only one of them has."""


class NetConfig(BaseModel):
    """The net: its type (see `training.models.NETS`) and the arguments of its class."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    type: str

    @property
    def arguments(self) -> dict[str, Any]:
        """What the configuration tells the class."""
        return dict(self.model_extra or {})


class ScheduleConfig(_Section):
    """Length and pace of a training.

    ``shape``: the learning rate stays as it is (constant), or falls from it to zero (cosine).
    ``patience_epochs`` without a better validation end the run early. ``keep_best`` checkpoints
    stay.

    Excerpts of ``excerpt_samples`` are read in steps of ``truncate_samples``, the reach of
    back-propagation; the state is carried. ``warmup_samples`` in front set the first state. Without
    ``truncate_samples`` an excerpt is one step, which reaches through the warm-up too: right for
    nets of finite memory, whose warm-up is that memory.
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


class TrainingConfig(_Section):
    """A whole run, written to ``folder``, or to ``runs/<name>`` of the working folder if empty.

    ``loss`` weighs the terms of `training.guitar.losses.LOSSES`.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    description: str
    license: str
    seed: int = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    folder: str = ""
    data: DataConfig
    net: NetConfig
    loss: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)] = {
        "esr": 0.75,
        "dc": 0.25,
    }
    schedule: ScheduleConfig

    @model_validator(mode="after")
    def _known_terms(self) -> TrainingConfig:
        for name in self.loss:
            if name not in LOSSES:
                raise ValueError(f"loss: unknown term {name!r}; choose from {', '.join(LOSSES)}")
        return self

    @property
    def run_folder(self) -> Path:
        """Where the run writes."""
        return Path(self.folder or f"runs/{self.name}")


def load_config(path: str | Path) -> TrainingConfig:
    """Read and check a configuration; ``data.root`` comes back as an absolute path.

    Raises
    ------
    ConfigError
        Not YAML, an unknown or missing key, a value out of range, a missing folder or take.
    FileNotFoundError
        No such file.
    """
    path = Path(path)
    config = read_yaml(path, TrainingConfig)
    check_net(path, config.net)
    data = config.data.model_copy(update={"root": data_root(path, config.data.root)})
    data.check(path)
    return config.model_copy(update={"data": data})


def data_root(path: Path, root: str) -> str:
    """Absolute path of the data folder that a configuration names; raise if it is not there."""
    place = Path(os.environ.get("RTAUDIO_DATA") or path.parent / root).resolve()
    _check_there(path, "data.root", place)
    return str(place)


def read_yaml(path: Path, form: type[Form]) -> Form:
    """Read a YAML file into its form; a fault is a `ConfigError` that names file and key."""
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: no keys; see training/configs for the form")
    try:
        return form.model_validate(content)
    except ValidationError as error:
        raise _fault(path, error) from None


def check_net(path: Path, net: NetConfig) -> None:
    """Raise if there is no such net, or its class does not take these arguments."""
    try:
        arguments = net_arguments(net_class(net.type))
    except ValueError as error:
        raise ConfigError(f"{path}: net.type: {error}") from None
    try:
        arguments.model_validate(net.arguments)
    except ValidationError as error:
        raise _fault(path, error, "net") from None


def _fault(path: Path, error: ValidationError, *prefix: str) -> ConfigError:
    fault = error.errors()[0]
    place = [*prefix, *(str(part) for part in fault["loc"])]
    if place[:1] == ["data"]:
        del place[1:2]  # the tag of the kind of data, which no file contains
    key = ".".join(place) or "as a whole"
    return ConfigError(f"{path}: {key}: {fault['msg']}")


def _check_there(path: Path, key: str, place: Path) -> None:
    if not place.exists():
        raise ConfigError(
            f"{path}: {key}: {place} does not exist; correct it, or name the data folder in the "
            "environment variable RTAUDIO_DATA"
        )
