"""A mixture, and the configuration of random mixtures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from training.config import DataSection, Section

Spectrum = NDArray[np.complex64]
Generator = np.random.Generator

Probability = Annotated[float, Field(ge=0, le=1)]
Range = tuple[float, float]
Positive = Annotated[float, Field(gt=0)]
Factor = Annotated[float, Field(ge=0.25, le=4)]


class MixtureConfig(DataSection):
    """The distribution of mixtures: each property has a probability, and most have a range.

    Parameters
    ----------
    root
        The data folder; relative to the configuration file, unless the environment variable
        RTAUDIO_DATA names it.
    cache
        Folder of the decoded recordings; the user's cache folder if empty.
    rate_hz, excerpt_samples
        Rate and length of a mixture.
    snr_db
        Active level of the speech over that of the noise, drawn with more weight in the lower half.
    level_dbfs
        Active level of the speech, RMS below full scale.
    free_level_dbfs
        Level of the noise in mixtures without speech.
    music
        Whether a net learns to keep or to remove music; ``music_probability``: how often there is
        some.
    no_speech, no_noise
        How often there is no speech, and how often only speech.
    second_speaker, second_noise
        How often there is a second one: in turn with the first speaker, together with the first
        noise.
    generated_noise
        How often the noise is synthetic, see `training.denoise.synthetic`.
    swell
        How often noise fades or jumps in level.
    shift, shift_factor
        How often a voice is played faster or slower: pitch and formants move by this factor.
    noise_shift_factor
        The same for every noise.
    equalizer, equalizer_db
        How often speech and noise, each on its own, pass a gentle curve, and its largest gain.
    treble
        How often noise from a source without treble gets some.
    band_limit, band_limit_hz
        How often everything is cut off at this frequency, as by a telephone or a headset.
    room, rt60_s
        How often everything is in a room, one of ``rooms`` simulated ones, and its decay time. The
        clean side keeps the direct sound and the reflections of the first 50 ms.
    room_kept
        How often the clean side keeps the whole room instead, for a net with a knob for it.
    clipping, clipping_db
        How often the noisy side is clipped, and how far below its peak.
    offset, offset_level
        How often the noisy side has a constant offset, and its size.

    Notes
    -----
    If music is to be removed, the pauses of the clean side are softened, see `_expander`.
    """

    cache: str = ""
    rate_hz: Annotated[int, Field(ge=8000, le=96000)] = 48000
    excerpt_samples: Annotated[int, Field(ge=256, le=1 << 24)]
    snr_db: Range = (-5.0, 40.0)
    level_dbfs: Range = (-45.0, -12.0)
    free_level_dbfs: Range = (-70.0, -20.0)
    music: Literal["keep", "remove"] = "remove"
    music_probability: Probability = 0.08
    no_speech: Probability = 0.05
    no_noise: Probability = 0.05
    second_speaker: Probability = 0.15
    second_noise: Probability = 0.3
    generated_noise: Probability = 0.12
    swell: Probability = 0.25
    shift: Probability = 0.4
    shift_factor: tuple[Factor, Factor] = (0.85, 1.2)
    noise_shift_factor: tuple[Factor, Factor] = (0.75, 1.35)
    equalizer: Probability = 0.6
    equalizer_db: Annotated[float, Field(ge=0, le=40)] = 6.0
    treble: Probability = 0.7
    band_limit: Probability = 0.2
    band_limit_hz: tuple[Positive, Positive] = (3400.0, 16000.0)
    clipping: Probability = 0.03
    clipping_db: tuple[Positive, Positive] = (1.0, 10.0)
    room: Probability = 0.35
    rooms: Annotated[int, Field(ge=1, le=100000)] = 200
    room_kept: Probability = 0.0
    rt60_s: tuple[Annotated[float, Field(ge=0.05)], Annotated[float, Field(le=1.5)]] = (0.1, 0.8)
    offset: Probability = 0.1
    offset_level: tuple[Positive, Positive] = (0.0001, 0.02)

    @model_validator(mode="after")
    def _ordered(self) -> MixtureConfig:
        check_ranges(self)
        return self


def check_ranges(section: Section) -> None:
    """Raise ValueError if a range of a section ends before it begins."""
    for name, value in section:
        if isinstance(value, tuple) and value[0] > value[1]:
            raise ValueError(f"{name}: {value[0]:g} .. {value[1]:g} is no range")


@dataclass(frozen=True)
class Mixture:
    """One excerpt, or several side by side (see `collate`).

    Parameters
    ----------
    noisy, clean
        float32 ``[1, samples]``, or ``[batch, 1, samples]``; aligned to the sample.
    bandwidth_hz
        Bandwidth of the source of ``clean``. Above it ``clean`` is silent for that reason only, so
        a loss must compare the frequencies below.
    snr_db
        Active level of ``clean`` over the level of the noise; infinite without noise, minus
        infinite without speech.
    room_kept
        Whether ``clean`` keeps the whole room.
    """

    noisy: Tensor
    clean: Tensor
    bandwidth_hz: float | Tensor
    snr_db: float | Tensor
    room_kept: bool | Tensor = False

    def pin_memory(self) -> Mixture:
        """Return a copy that moves to an accelerator while something else is computed."""
        return Mixture(
            *(torch.as_tensor(getattr(self, field.name)).pin_memory() for field in fields(self))
        )


def collate(mixtures: Sequence[Mixture]) -> Mixture:
    """Put mixtures side by side, for ``DataLoader(collate_fn=collate)``."""
    return Mixture(
        torch.stack([mixture.noisy for mixture in mixtures]),
        torch.stack([mixture.clean for mixture in mixtures]),
        torch.tensor([mixture.bandwidth_hz for mixture in mixtures]),
        torch.tensor([mixture.snr_db for mixture in mixtures]),
        torch.tensor([mixture.room_kept for mixture in mixtures]),
    )
