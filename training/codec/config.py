"""The configuration of a codec's training: speech, net, losses and schedule."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from training.config import DataSection, NetConfig, RunConfig, Section, check_net
from training.denoise.recordings import Channel

__all__ = ["CodecConfig", "CodecData", "CodecLossWeights", "CodecNet", "CodecSchedule", "Group"]

Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
Weight = Annotated[float, Field(ge=0)]


class Group(Section):
    """Files to learn from, by a pattern as ``speech/train/*/*.opus``, relative to ``root``.

    ``share`` is their part of all excerpts; groups without one divide the rest by their lengths. Of
    files of two channels, ``channel`` is learnt: their mid or side (half their sum or difference)
    or the left one. A file belongs to the first group of a channel that it fits.
    """

    files: str
    channel: Channel = "mid"
    share: Annotated[float, Field(gt=0, le=1)] | None = None


class CodecData(DataSection):
    """Recordings of any rate; validation and test average their channels.

    ``validation`` and ``test`` are patterns like those of the groups: clips that choose the best
    epoch, and clips that only the report hears; ``clip_s`` seconds of each. An excerpt has
    ``excerpt_frames`` of 20 ms.
    """

    cache: str = ""
    train: Annotated[tuple[Group, ...], Field(min_length=1)]
    validation: Patterns
    test: Patterns
    excerpt_frames: Annotated[int, Field(ge=16, le=1024)] = 48
    clip_s: Annotated[float, Field(gt=0.3, le=60)] = 5.0

    @model_validator(mode="after")
    def _shares(self) -> CodecData:
        given = [group.share for group in self.train if group.share is not None]
        if sum(given) > 1 or (len(given) == len(self.train) and sum(given) < 1):
            raise ValueError(f"train: the shares add up to {sum(given):g}; they are parts of 1")
        return self


class CodecNet(NetConfig):
    """The arguments of `training.models.codec.Codec`."""

    type: Literal["codec"]


class CodecLossWeights(Section):
    """Weights of the terms of `training.codec.losses.CodecLoss`, and of the commitment."""

    magnitude: Weight = 1.0
    complex: Weight = 2.0
    mel: Weight = 0.5
    bark: Weight = 1.0
    time: Weight = 0.1
    commitment: Weight = 0.2


class CodecSchedule(Section):
    """Length and pace of a training.

    ``depths`` is the number of books of each excerpt of a batch; it may not fall. The learning rate
    rises over ``warmup_steps`` and falls along half a cosine to a twentieth. After every
    ``epoch_steps`` the net is validated with ``validation_books``.
    """

    steps: Annotated[int, Field(ge=1)]
    depths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (
        *(3, 6, 9, 12, 12, 12, 18, 24),
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.0015
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    epoch_steps: Annotated[int, Field(ge=1)] = 1000
    validation_books: Annotated[int, Field(ge=1)] = 12

    @model_validator(mode="after")
    def _rising(self) -> CodecSchedule:
        if any(b < a for a, b in itertools.pairwise(self.depths)):
            raise ValueError("depths: no depth may be below the one before it")
        return self


class CodecConfig(RunConfig):
    """The configuration of a run; `net` has the sample rate."""

    task: Literal["codec"]
    source: str
    data: CodecData
    net: CodecNet
    loss: CodecLossWeights = CodecLossWeights()
    schedule: CodecSchedule

    @override
    def resolved(self, path: Path) -> Self:
        check_net(path, self.net)
        return super().resolved(path)
