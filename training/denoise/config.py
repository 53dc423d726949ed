"""The configuration of a denoiser's training: data, net, loss and schedule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from typing_extensions import override

from training.config import NetConfig, RunConfig, Section, check_net, check_there
from training.denoise.features import LAYERS
from training.denoise.losses import FEATURES, LOSSES
from training.denoise.mixture import MixtureConfig, Positive, Probability, check_ranges
from training.denoise.pairs import PairedFoldersConfig
from training.precision import Precision

__all__ = ["DenoiseConfig", "DenoiseSchedule", "FeatureConfig", "TeacherConfig"]


TEACHER_HZ = 48000


class DenoiseSchedule(Section):
    """Length and pace of a training.

    The learning rate rises over ``warmup_steps``, then falls to zero along a cosine;
    ``optimizer: muon`` is `training.muon.Muon`, ``precision`` that of `training.precision`. The run
    keeps and exports a running average of the weights over about the last ``1 / (1 - average)``
    steps. After every ``epoch_steps`` the net is validated on ``validation_mixtures``.
    """

    steps: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    optimizer: Literal["adamw", "muon"] = "adamw"
    precision: Precision = "float32"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    epoch_steps: Annotated[int, Field(ge=1)] = 250
    validation_mixtures: Annotated[int, Field(ge=1)] = 64


class FeatureConfig(Section):
    """The term ``features`` of a loss; see `training.denoise.features.FeatureLoss`.

    ``net`` is the ``features.pt`` of a run of denoise-features.yaml, relative to the working
    folder.
    """

    net: str = "runs/denoise-features/features.pt"
    layers: Annotated[int, Field(ge=1, le=LAYERS)] = 6
    balance_after_epochs: Annotated[int, Field(ge=1)] | None = 10


class TeacherConfig(Section):
    """A larger net whose answers take the place of clean speech while a net learns.

    Parameters
    ----------
    folder
        What `training.denoise.teacher.Teacher` reads; relative to the configuration file.
    less_noise, less_noise_db
        How often it hears less of the noise than the net that learns, and by how much: it answers
        better, as one who knows more.
    band_limit, band_limit_hz
        How often both sides are cut off at a frequency of this range after it has answered. A
        teacher that has heard all answers better than one that hears the rest.

    Notes
    -----
    A teacher that knows more: Vapnik, Vashist: A new learning paradigm: learning using privileged
    information, Neural Networks 2009.
    """

    folder: str
    less_noise: Probability = 0.0
    less_noise_db: tuple[Positive, Positive] = (3.0, 18.0)
    band_limit: Probability = 0.0
    band_limit_hz: tuple[Positive, Positive] = (7600.0, 8000.0)

    @model_validator(mode="after")
    def _ordered(self) -> TeacherConfig:
        check_ranges(self)
        return self


def _kind_of_data(content: Any) -> str:
    keys = content if isinstance(content, Mapping) else getattr(content, "__dict__", {})
    return "pairs" if "train" in keys else "mixtures"


DenoiseData = Annotated[
    Annotated[MixtureConfig, Tag("mixtures")] | Annotated[PairedFoldersConfig, Tag("pairs")],
    Discriminator(_kind_of_data),
]
"""Mixtures made while training, or folders of pairs; only these have the key ``train``."""


class DenoiseConfig(RunConfig):
    """The configuration of a run.

    ``loss`` weighs the terms of `training.denoise.losses.LOSSES`, and ``features``, which the
    section of that name sets up. ``workers`` processes mix. With a ``teacher`` the target is its
    answer to each mixture, where there is speech.
    """

    task: Literal["denoise"]
    source: str
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    data: DenoiseData
    net: NetConfig
    loss: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    features: FeatureConfig = FeatureConfig()
    teacher: TeacherConfig | None = None
    schedule: DenoiseSchedule

    @model_validator(mode="after")
    def _known_terms(self) -> DenoiseConfig:
        for name in self.loss:
            if name not in (*LOSSES, FEATURES):
                raise ValueError(
                    f"loss: unknown term {name!r}; choose from {', '.join([*LOSSES, FEATURES])}"
                )
        if self.teacher is not None and self.data.rate_hz != TEACHER_HZ:
            raise ValueError(
                f"data.rate_hz: {self.data.rate_hz}: a teacher hears {TEACHER_HZ} Hz; set that"
            )
        return self

    @override
    def resolved(self, path: Path) -> Self:
        check_net(path, self.net)
        placed = super().resolved(path)
        if self.teacher is None:
            return placed
        folder = (path.parent / self.teacher.folder).resolve()
        check_there(path, "teacher.folder", folder)
        teacher = self.teacher.model_copy(update={"folder": str(folder)})
        return placed.model_copy(update={"teacher": teacher})
