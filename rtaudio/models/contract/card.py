"""The parts of a model file: card, state, golden vector, and the file itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from rtaudio.runtime.limits import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ

CONTRACT = 1
GOLDEN_SAMPLES = 2048
GOLDEN_TOLERANCE = 2e-5
"""Largest error of an engine on the golden vector, relative to the larger of its peak and 1."""

FRAMES_AXIS = "frames"
RESERVED = ("mix", "bypass", "interface_dbu")
"""Names that no knob may have: every effect has ``mix`` and ``bypass``, and a model with levels in
its card ``interface_dbu``."""

EXPORT_AGAIN = "export the model again"


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True
    )


class ModelParameter(_Model):
    """A knob of the model: one entry of ``params``, in natural units (``unit`` may be empty)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    min: float
    max: float
    default: float
    unit: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> ModelParameter:
        if self.name in RESERVED:
            raise ValueError(f"{self.name}: effects have this parameter; choose another name")
        if not self.min <= self.default <= self.max or self.min == self.max:
            raise ValueError(f"{self.name}: needs min <= default <= max and min < max")
        return self


Channels = Annotated[int, Field(ge=0, le=MAX_CHANNELS)]
StemName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
"""It becomes the name of a file, so it must not lead out of a folder."""


class Card(_Model):
    """What a model file says about itself: the JSON under the metadata key ``rtaudio``.

    Attributes
    ----------
    contract
        Version of the contract.
    kind
        What the model turns into what.
    task
        What the model is for, unless it sounds like an amplifier or a pedal.
    stems
        Of a separator, the names of the stems, in the order of the output channels; each has as
        many channels as the input, and together they make the input again.
    name, description, license
        For people.
    rate_hz
        Sample rate; ``sample_rate`` in the JSON. The constructor takes either name.
    channels
        Audio channels in and out; 0 on the side that holds codes.
    hop
        Samples per call; 0: any number.
    latency_samples
        Delay of the output in samples, without the host's adaptation to its own block size;
        ``latency`` in the JSON. The constructor takes either name.
    parameters
        The knobs, in the order of the graph's input ``params``.
    prewarm_samples
        Samples of silence that a host runs through the model before the first sound, so that it
        starts settled.
    levels
        Levels in dB, for example ``loudness_db``, ``input_dbu`` or ``output_dbu``.
    architecture
        A hint: ``type`` and sizes, by which a loader may choose a faster kernel than the graph.
    across_bins
        Names of the recurrent nodes that run along the bins of one frame and not along time: they
        start anew with every frame, and may run both ways.
    provenance
        What the model was made from.
    metrics
        Figures of its quality.
    """

    contract: Literal[1] = 1
    kind: Literal["effect", "encoder", "decoder"] = "effect"
    task: Literal["", "denoise", "separate"] = ""
    stems: Annotated[tuple[StemName, ...], Field(strict=False, max_length=MAX_CHANNELS)] = ()
    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: str = ""
    rate_hz: Annotated[int, Field(ge=MIN_RATE_HZ, le=MAX_RATE_HZ, alias="sample_rate")]
    channels: Annotated[tuple[Channels, Channels], Field(strict=False)]
    hop: Annotated[int, Field(ge=0, le=1 << 16)]
    latency_samples: Annotated[int, Field(ge=0, le=1 << 22, alias="latency")]
    parameters: Annotated[tuple[ModelParameter, ...], Field(strict=False, max_length=64)] = ()
    prewarm_samples: Annotated[int, Field(ge=0, le=1 << 21)] = 0
    levels: dict[str, float] = {}
    architecture: dict[str, Any] = {}
    across_bins: Annotated[tuple[str, ...], Field(strict=False)] = ()
    license: str
    provenance: dict[str, Any]
    metrics: dict[str, Any] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        audio_in, audio_out = self.kind != "decoder", self.kind != "encoder"
        if (self.channels[0] > 0) != audio_in or (self.channels[1] > 0) != audio_out:
            raise ValueError(f"channels {list(self.channels)} do not fit the kind {self.kind!r}")
        if self.kind != "effect" and self.hop == 0:
            raise ValueError(f"the kind {self.kind!r} needs a hop > 0")
        if self.stems and self.channels[1] != len(self.stems) * self.channels[0]:
            raise ValueError(
                f"channels {list(self.channels)}: {len(self.stems)} stems need as many times the "
                "channels of the input"
            )
        if len(set(self.stems)) != len(self.stems):
            raise ValueError("stems: a name occurs twice")
        names = [parameter.name for parameter in self.parameters]
        if len(set(names)) != len(names):
            raise ValueError("parameters: a name occurs twice")
        return self

    @property
    def esr(self) -> float | None:
        """Error-to-signal ratio on held-out recordings, if ``metrics`` has it."""
        for key in ("validation_esr", "esr_mean", "esr"):
            if isinstance(value := self.metrics.get(key), float):
                return value
        return None


class State(_Model):
    """One piece of memory: graph input ``state.<name>`` and graph output ``next.<name>``."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "int64"]

    @property
    def input_name(self) -> str:
        """Name of the graph input."""
        return f"state.{self.name}"

    @property
    def output_name(self) -> str:
        """Name of the graph output."""
        return f"next.{self.name}"

    def zeros(self) -> NDArray[Any]:
        """The start value, an array of zeros."""
        return np.zeros(self.shape, self.dtype)


@dataclass(frozen=True)
class Golden:
    """A test vector of 2,048 samples from the zero state, with all parameters at their defaults.

    Attributes
    ----------
    input, output
        float32 (channels, samples), or int64 (codebooks, frames) on the side that holds codes.
    """

    input: NDArray[Any]
    output: NDArray[Any]


@dataclass(frozen=True)
class ModelFile:
    """A model file that keeps the contract.

    Attributes
    ----------
    path
        The file, or the third-party file that it was made from.
    data
        The bytes of the file, as a session of ONNX Runtime takes them.
    proto
        The graph.
    card, states, golden
        Its parts.
    has_params
        Whether the graph has an input ``params``.
    codes_shape
        (codebooks, frames per hop) of an encoder or decoder, else None.
    sources
        The files of the third-party denoiser that it was made from; empty if it was not.
    """

    path: Path
    data: bytes
    proto: onnx.ModelProto
    card: Card
    states: tuple[State, ...]
    golden: Golden
    has_params: bool
    codes_shape: tuple[int, int] | None
    sources: tuple[Path, ...] = ()

    @property
    def golden_input(self) -> NDArray[Any]:
        """Input of the golden vector."""
        return self.golden.input

    @property
    def golden_output(self) -> NDArray[Any]:
        """Output of the golden vector."""
        return self.golden.output
