"""The configuration of a convolutional codec's training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field
from typing_extensions import override

from training.config import DataSection, NetConfig, RunConfig, Section, check_net

__all__ = [
    "CodecData",
    "CodecSchedule",
    "ConvolutionalCodecConfig",
    "DiscriminatorConfig",
    "LossWeights",
]

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]


class CodecData(DataSection):
    """Excerpts of speech, music and environmental sound.

    Parameters
    ----------
    root
        The data folder; relative to the configuration file, unless the environment variable
        RTAUDIO_DATA names it.
    cache
        Folder of the decoded recordings; the user's cache folder if empty.
    rate_hz, excerpt_samples
        Rate and length of an excerpt; the defaults are 0.38 s, 33 frames of 512 samples.
    loudness_lufs
        Loudness of the seconds around an excerpt, to which it is brought.
    phase_shift
        How often all frequencies are turned by one random phase.
    """

    cache: str = ""
    rate_hz: Annotated[int, Field(ge=8000, le=96000)] = 44100
    excerpt_samples: Annotated[int, Field(ge=2048, le=1 << 20)] = 16896
    loudness_lufs: Annotated[float, Field(ge=-60, le=0)] = -24.0
    phase_shift: Probability = 1.0


class LossWeights(Section):
    """Weights of the generator's losses.

    With ``adversarial`` and ``feature`` at 0 there are no discriminators.
    """

    mel: Weight = 15.0
    feature: Weight = 2.0
    adversarial: Weight = 1.0
    commitment: Weight = 0.25
    codebook: Weight = 1.0


class DiscriminatorConfig(Section):
    """See `training.convolutional_codec.discriminators.Discriminators`."""

    periods: list[Annotated[int, Field(ge=2, le=64)]] = [2, 3, 5, 7, 11]
    windows: list[Annotated[int, Field(ge=64, le=8192, multiple_of=4)]] = [2048, 1024, 512]
    factors: list[Annotated[int, Field(ge=1, le=16)]] = []
    period_channels: Annotated[int, Field(ge=1, le=64)] = 32
    band_channels: Annotated[int, Field(ge=1, le=128)] = 32
    factor_channels: Annotated[int, Field(ge=4, le=64, multiple_of=4)] = 16


class CodecSchedule(Section):
    """Length and pace of a training.

    A batch has as many excerpts of speech as of music and of environmental sound. The learning
    rate of both optimisers is multiplied by ``decay`` after every step. After every
    ``epoch_steps`` the net is validated on ``validation_batches``.
    """

    steps: Count
    batch: Annotated[int, Field(ge=3, le=3072, multiple_of=3)]
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    decay: Annotated[float, Field(gt=0, le=1)] = 0.999994
    epoch_steps: Count = 1000
    validation_batches: Count = 4


class ConvolutionalCodecConfig(RunConfig):
    """The configuration of a run; ``workers`` processes cut excerpts."""

    task: Literal["convolutional-codec"]
    source: str
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    data: CodecData
    net: NetConfig
    loss: LossWeights = LossWeights()
    discriminators: DiscriminatorConfig = DiscriminatorConfig()
    schedule: CodecSchedule

    @override
    def resolved(self, path: Path) -> Self:
        check_net(path, self.net)
        return super().resolved(path)
