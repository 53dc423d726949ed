"""The configuration of a mastering net's training: music, degradations, net, loss and schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from training.config import DataSection, NetConfig, RunConfig, Section, check_net, check_there
from training.mastering.degradation import KINDS, check_kinds

__all__ = ["MasteringConfig", "MasteringData", "MasteringSchedule", "Pairs"]

Patterns = tuple[str, ...]


class Pairs(Section):
    """Two folders, relative to ``root``: files of equal relative names are a pair.

    A pair starts at the same sample in both; the longer file is cut at the end.
    """

    bad: str
    good: str


class MasteringData(DataSection):
    """Music to learn from: pairs, finished music that is degraded while the net learns, or both.

    Parameters
    ----------
    root
        The data folder; relative to the configuration file, unless the environment variable
        RTAUDIO_DATA names it.
    cache
        Folder of the consolidated tracks; the user's cache folder if empty.
    good
        Patterns of files with finished music, as ``songs/*.flac``.
    pairs
        Folders of the same music in bad and in good quality.
    degradations
        What is done to finished music, see `training.mastering.degradation`. Only what keeps every
        sample in its place: stretching, shifting and reverb are refused.
    validation, test
        Patterns of tracks, by their path without suffix, that choose the best epoch, and that only
        the score hears. If neither is given, an eighth of the tracks each, drawn by the seed.
    rate_hz
        Rate to which everything is converted.
    excerpt_samples
        Length of an excerpt, a multiple of the hop of the net.
    warmup_samples
        Samples at the start of an excerpt that the loss leaves out, for the net to settle.
    """

    cache: str = ""
    good: Patterns = ()
    pairs: Pairs | None = None
    degradations: Patterns = KINDS
    validation: Patterns = ()
    test: Patterns = ()
    rate_hz: Annotated[int, Field(ge=8000, le=96000)] = 44100
    excerpt_samples: Annotated[int, Field(ge=2048, le=1 << 20)] = 16384
    warmup_samples: Annotated[int, Field(ge=0, le=1 << 18)] = 2048

    @field_validator("degradations")
    @classmethod
    def _aligned(cls, names: Patterns) -> Patterns:
        check_kinds(names)
        return names

    @model_validator(mode="after")
    def _some_music(self) -> MasteringData:
        if not self.good and self.pairs is None:
            raise ValueError(
                "good, pairs: give patterns of finished music, folders of pairs, or both"
            )
        if self.good and not self.degradations:
            raise ValueError(f"degradations: finished music needs some of {', '.join(KINDS)}")
        if 2 * self.warmup_samples > self.excerpt_samples:
            raise ValueError("warmup_samples: more than half of excerpt_samples")
        return self


class MasteringSchedule(Section):
    """Length and pace of a training.

    The loss is ``mse_share`` times the mean squared error plus the rest times the mean absolute
    error. The optimiser is AdamW, which without ``weight_decay`` is Adam. After every
    ``epoch_steps`` the net is validated; after ``patience_epochs`` without a better one the run
    ends, if given.
    """

    steps: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1, le=1024)] = 8
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.001
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    mse_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    epoch_steps: Annotated[int, Field(ge=1)] = 200
    validation_batches: Annotated[int, Field(ge=1)] = 4
    patience_epochs: Annotated[int, Field(ge=1)] | None = None


class MasteringConfig(RunConfig):
    """The configuration of a run."""

    task: Literal["mastering"]
    source: str
    data: MasteringData
    net: NetConfig
    schedule: MasteringSchedule

    @override
    def resolved(self, path: Path) -> Self:
        check_net(path, self.net)
        resolved = super().resolved(path)
        if pairs := resolved.data.pairs:
            for side in ("bad", "good"):
                folder = Path(resolved.data.root) / getattr(pairs, side)
                check_there(path, f"data.pairs.{side}", folder)
        return resolved
