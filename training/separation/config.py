"""The configuration of a separator's training: sources of stems, mixing, net and schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from training.config import DataSection, NetConfig, RunConfig, Section, check_net
from training.precision import Precision

__all__ = ["SeparationConfig", "SeparationData", "SeparationSchedule", "Source", "Stem"]

Stem = Literal["vocals", "drums", "bass", "other"]
Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Source(Section):
    """Files to learn from, by a pattern relative to ``root``.

    Without ``stem`` the pattern names songs: folders with a sound file for each stem, as of
    MUSDB18-HQ (``vocals.wav``, ``drums.wav`` ...; missing and silent ones do not sound), or
    ``.stem.mp4`` files, as of MUSDB18. With it, it names sound files that are all of that stem.

    ``share`` is the part of the draws of each stem that the source has, relative to the shares of
    the other sources that have it; inside a source, long files are drawn more often. With ``hidden:
    [bass]`` a song without a bass may have it inside ``other``: both are then scored as one.
    ``preset`` names a shipped preset that the files are played through, once.
    """

    files: str
    stem: Stem | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    hidden: tuple[Literal["bass"], ...] = ()
    preset: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        if self.stem is not None and self.hidden:
            raise ValueError("hidden: is for songs, and stem is given; remove one of them")
        return self


class SeparationData(DataSection):
    """Sources of stems, of any rate, mono or stereo; and how they are mixed.

    ``validation`` and ``test`` are patterns of songs as in `Source`: songs that choose the best
    epoch, and songs that only the final scores hear; of each, ``clips`` of ``clip_s`` seconds.

    A mixture has ``excerpt_hops`` hops of the net. With ``together`` as chance, its stems come from
    one song at one time; else each from anywhere. ``absent`` is the chance of each stem to be left
    out, ``speed`` that of another speed and key, up to two semitones, and ``swap`` that of
    exchanged channels. Each stem gets a random gain of ``gain_db`` and balance of ``balance_db``;
    with ``equalizer`` as chance, another colour of up to ``equalizer_db``, and with ``space``, a
    room and a delay of its own on each side; without them a few songs would be learnt by heart.
    """

    cache: str = ""
    train: Annotated[tuple[Source, ...], Field(min_length=1)]
    validation: Patterns
    test: Patterns
    clips: Annotated[int, Field(ge=1, le=100)] = 6
    clip_s: Annotated[float, Field(ge=1, le=60)] = 8.0
    excerpt_hops: Annotated[int, Field(ge=8, le=4096)] = 256
    together: Share = 0.4
    absent: Share = 0.15
    speed: Share = 0.4
    swap: Share = 0.5
    equalizer: Share = 0.5
    equalizer_db: Annotated[float, Field(ge=0, le=40)] = 9.0
    space: Share = 0.3
    gain_db: tuple[float, float] = (-9.0, 6.0)
    balance_db: Annotated[float, Field(ge=0, le=20)] = 4.0


class SeparationSchedule(Section):
    """Length and pace of a training.

    The learning rate rises over ``warmup_steps`` and falls along half a cosine to a twentieth;
    ``optimizer: muon`` is `training.muon.Muon`, ``precision`` that of `training.precision`. The run
    keeps a running average of the weights over about the last ``1 / (1 - average)`` steps.
    """

    steps: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1, le=256)] = 4
    optimizer: Literal["adamw", "muon"] = "adamw"
    precision: Precision = "float32"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.002
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99
    epoch_steps: Annotated[int, Field(ge=1)] = 100


class SeparationConfig(RunConfig):
    """The configuration of a run; the net has the sample rate.

    ``treble`` weighs the loss of the first difference of the signals, in which high tones count as
    much as low ones; see `training.separation.losses.stem_loss`.
    """

    task: Literal["separation"]
    source: str
    data: SeparationData
    net: NetConfig
    treble: Annotated[float, Field(ge=0, le=10)] = 0.3
    schedule: SeparationSchedule

    @override
    def resolved(self, path: Path) -> Self:
        check_net(path, self.net)
        return super().resolved(path)
