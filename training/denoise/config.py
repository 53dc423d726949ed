"""What a denoiser's training run is told: a YAML file, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from training.config import NetConfig, check_net, data_root, read_yaml
from training.denoise.features import LAYERS
from training.denoise.losses import FEATURES, LOSSES
from training.denoise.mixture import MixtureConfig
from training.denoise.pairs import PairedFoldersConfig

__all__ = ["DenoiseConfig", "DenoiseSchedule", "FeatureConfig", "load_denoise_config"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DenoiseSchedule(_Section):
    """Length and pace of a training.

    The learning rate rises over ``warmup_steps``, then falls to zero with a cosine. What is kept
    and exported is the running average of the weights over the last ``1 / (1 - average)`` steps.
    After every ``epoch_steps`` the net is validated on ``validation_mixtures``.
    """

    steps: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001
    warmup_steps: Annotated[int, Field(ge=0)] = 200
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    epoch_steps: Annotated[int, Field(ge=1)] = 250
    validation_mixtures: Annotated[int, Field(ge=1)] = 64


class FeatureConfig(_Section):
    """The term ``features`` of a loss; see `training.denoise.features.FeatureLoss`.

    ``net`` is the ``features.pt`` of a run of denoise-features.yaml, relative to the working
    folder.
    """

    net: str = "runs/denoise-features/features.pt"
    layers: Annotated[int, Field(ge=1, le=LAYERS)] = 6
    balance_after_epochs: Annotated[int, Field(ge=1)] | None = 10


def _kind_of_data(content: Any) -> str:
    keys = content if isinstance(content, Mapping) else getattr(content, "__dict__", {})
    return "pairs" if "train" in keys else "mixtures"


DenoiseData = Annotated[
    Annotated[MixtureConfig, Tag("mixtures")] | Annotated[PairedFoldersConfig, Tag("pairs")],
    Discriminator(_kind_of_data),
]
"""Mixtures made up on the fly, or folders of pairs; told by the key ``train`` of the latter."""


class DenoiseConfig(_Section):
    """A whole run, written to ``folder``, or to ``runs/<name>`` of the working folder if empty.

    ``loss`` weighs the terms of `training.denoise.losses.LOSSES`, and ``features``, of which the
    section of that name tells more. ``workers`` processes mix.
    """

    task: Annotated[str, Field(pattern=r"^denoise$")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    description: str
    license: str
    source: str
    seed: int = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    folder: str = ""
    data: DenoiseData
    net: NetConfig
    loss: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    features: FeatureConfig = FeatureConfig()
    schedule: DenoiseSchedule

    @model_validator(mode="after")
    def _known_terms(self) -> DenoiseConfig:
        for name in self.loss:
            if name not in (*LOSSES, FEATURES):
                raise ValueError(
                    f"loss: unknown term {name!r}; choose from {', '.join([*LOSSES, FEATURES])}"
                )
        return self

    @property
    def run_folder(self) -> Path:
        """Where the run writes."""
        return Path(self.folder or f"runs/{self.name}")


def load_denoise_config(path: str | Path) -> DenoiseConfig:
    """Read and check a configuration; ``data.root`` comes back as an absolute path.

    Raises
    ------
    ConfigError
        Not YAML, an unknown or missing key, a value out of range, a missing folder.
    FileNotFoundError
        No such file.
    """
    path = Path(path)
    config = read_yaml(path, DenoiseConfig)
    check_net(path, config.net)
    root = data_root(path, config.data.root)
    return config.model_copy(update={"data": config.data.model_copy(update={"root": root})})
