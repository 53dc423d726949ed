"""What a training run is told: a YAML file, checked before anything is computed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = ["ConfigError", "TrainingConfig", "load_config"]

Takes = Annotated[tuple[str, ...], Field(min_length=1)]


class ConfigError(ValueError):
    """A configuration that cannot be used; the text names file, key and remedy."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(_Section):
    """Dry takes (names without ending), split by whole takes, and the capture that answers them.

    Relative paths count from ``root``; a relative ``root`` from the configuration file, unless the
    environment variable RTAUDIO_DATA names the data folder. ``advance_samples`` takes out a delay
    of the capture, which would otherwise be a latency to play with. ``noise_seconds`` of white
    noise at many levels join the training takes: guitars hold little treble, so a net that hears
    nothing else learns the treble of a loudspeaker last.
    """

    root: str
    takes: str
    teacher: str
    source: str
    license: str
    advance_samples: Annotated[int, Field(ge=0, le=4096)] = 0
    noise_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    train: Takes
    validation: Takes
    test: Takes

    @model_validator(mode="after")
    def _apart(self) -> DataConfig:
        names = [*self.train, *self.validation, *self.test]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"take {twice[0]!r} occurs twice; a take belongs to one part only")
        return self


class NetConfig(_Section):
    """The net: its type (see `training.models.NETS`) and its sizes."""

    type: Literal["lstm"]
    hidden: Annotated[int, Field(ge=1, le=512)]


class ScheduleConfig(_Section):
    """Length and pace: cosine decay of the learning rate, from the given value to zero.

    Excerpts of ``excerpt_samples`` are read in steps of ``truncate_samples``, the reach of
    back-propagation; the state is carried. ``warmup_samples`` in front set the first state.
    """

    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    excerpt_samples: Annotated[int, Field(ge=64)]
    truncate_samples: Annotated[int, Field(ge=16)]
    warmup_samples: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _whole_steps(self) -> ScheduleConfig:
        if self.excerpt_samples % self.truncate_samples:
            raise ValueError("excerpt_samples must be a multiple of truncate_samples")
        return self


class TrainingConfig(_Section):
    """A whole run, written to ``folder``, or to ``runs/<name>`` of the working folder if empty."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    description: str
    license: str
    seed: int = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    folder: str = ""
    data: DataConfig
    net: NetConfig
    schedule: ScheduleConfig

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
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: no keys; see training/configs for the form")
    try:
        config = TrainingConfig.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"]) or "as a whole"
        raise ConfigError(f"{path}: {key}: {fault['msg']}") from None
    root = Path(os.environ.get("RTAUDIO_DATA") or path.parent / config.data.root).resolve()
    data = config.data.model_copy(update={"root": str(root)})
    for key, place in [("data.root", root), ("data.takes", root / data.takes),
                       ("data.teacher", root / data.teacher)]:
        if not place.exists():
            raise ConfigError(
                f"{path}: {key}: {place} does not exist; correct it, or name the data folder in "
                "the environment variable RTAUDIO_DATA"
            )
    for part in ("train", "validation", "test"):
        for name in getattr(data, part):
            if not (root / data.takes / f"{name}.flac").is_file():
                raise ConfigError(
                    f"{path}: data.{part}: no take {name!r} ({name}.flac) in {root / data.takes}"
                )
    return config.model_copy(update={"data": data})
