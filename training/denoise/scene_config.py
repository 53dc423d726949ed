"""The configuration of a feature net's training: recordings and schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from training.config import DataSection, RunConfig, Section

__all__ = ["SceneConfig", "SceneData", "SceneSchedule"]


class SceneData(DataSection):
    """The noise recordings of the data folder that denoisers train on.

    The last ``held_out`` of every recording, as a share of its length, is for scoring.
    """

    cache: str = ""
    rate_hz: Annotated[int, Field(ge=8000, le=96000)] = 16000
    excerpt_samples: Annotated[int, Field(ge=256, le=1 << 22)] = 16384
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2


class SceneSchedule(Section):
    """Length and pace; the learning rate falls to zero along a cosine."""

    steps: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=2, multiple_of=2)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001


class SceneConfig(RunConfig):
    """The configuration of a run."""

    task: Literal["denoise-features"]
    source: str
    data: SceneData
    schedule: SceneSchedule
