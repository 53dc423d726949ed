"""The ``config`` of a ``.nam`` file: one class for each architecture and its parts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rtaudio.models.net.types import MAX_RECEPTIVE_FIELD

"""In samples."""

Size = Annotated[int, Field(ge=1, le=4096)]
Dilation = Annotated[int, Field(ge=1, le=MAX_RECEPTIVE_FIELD)]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]


class Config(BaseModel):
    """Base of all parts. Unknown keys are kept for a warning: the reference player ignores them."""

    model_config = ConfigDict(extra="allow", strict=True)


class ActivationConfig(Config):
    """An activation with its constants."""

    type: str
    negative_slope: Finite | None = None
    negative_slopes: Annotated[list[Finite], Field(min_length=1, max_length=4096)] | None = None
    min_val: Finite = -1.0
    max_val: Finite = 1.0
    min_slope: Finite = 0.01
    max_slope: Finite = 0.01


class FilmConfig(Config):
    """A FiLM at one place of a layer."""

    active: bool = True
    shift: bool = True
    groups: Size = 1


class Layer1x1Config(Config):
    """The 1x1 convolution from a layer to the next one."""

    active: bool = True
    groups: Size = 1


class Head1x1Config(Config):
    """The 1x1 convolution from a layer to the head."""

    active: bool
    out_channels: Size = 1
    groups: Size = 1


class ArrayHeadConfig(Config):
    """The head of a layer array."""

    out_channels: Size
    kernel_size: Size
    bias: bool
    head_dilation: Dilation = 1


AnyActivation = str | ActivationConfig | None
Gating = Literal["none", "gated", "blended"]


class ArrayConfig(Config):
    """A layer array of a WaveNet; a setting of its layers is one value for all, or a list."""

    input_size: Size
    condition_size: Size
    channels: Size
    dilations: Annotated[list[Dilation], Field(min_length=1, max_length=1024)]
    kernel_size: Size | None = None
    kernel_sizes: list[Size] | None = None
    activation: AnyActivation | list[AnyActivation]
    gated: bool | None = None
    gating_mode: Gating | list[Gating] | None = None
    secondary_activation: AnyActivation | list[AnyActivation] = None
    head: ArrayHeadConfig | None = None
    head_size: Size | None = None
    head_bias: bool | None = None
    bottleneck: Size | None = None
    head1x1: Head1x1Config | None = None
    layer1x1: Layer1x1Config | None = None
    groups_input: Size = 1
    groups_input_mixin: Size = 1
    slimmable: dict[str, Any] | None = None
    conv_pre_film: FilmConfig | Literal[False] | None = None
    conv_post_film: FilmConfig | Literal[False] | None = None
    input_mixin_pre_film: FilmConfig | Literal[False] | None = None
    input_mixin_post_film: FilmConfig | Literal[False] | None = None
    activation_pre_film: FilmConfig | Literal[False] | None = None
    activation_post_film: FilmConfig | Literal[False] | None = None
    layer1x1_post_film: FilmConfig | Literal[False] | None = None
    head1x1_post_film: FilmConfig | Literal[False] | None = None


class PostHeadConfig(Config):
    """Convolutions after the last array."""

    in_channels: Size | None = None
    channels: Size
    out_channels: Size
    kernel_sizes: Annotated[list[Size], Field(min_length=1, max_length=64)]
    activation: AnyActivation


class WaveNetConfig(Config):
    """A WaveNet."""

    layers: Annotated[list[ArrayConfig], Field(min_length=1, max_length=64)]
    head: PostHeadConfig | None = None
    head_scale: Finite
    in_channels: Literal[1] = 1
    condition_dsp: dict[str, Any] | None = None


class LstmConfig(Config):
    """LSTM layers of one size with a linear head."""

    input_size: Literal[1]
    hidden_size: Size
    num_layers: Annotated[int, Field(ge=1, le=16)]
    in_channels: Literal[1] = 1
    out_channels: Literal[1] = 1


class ConvNetConfig(Config):
    """Convolutions of two taps with a linear head."""

    channels: Size
    dilations: Annotated[list[Dilation], Field(min_length=1, max_length=1024)]
    batchnorm: bool
    activation: AnyActivation
    groups: Size = 1
    in_channels: Literal[1] = 1
    out_channels: Literal[1] = 1


class LinearConfig(Config):
    """An impulse response."""

    receptive_field: Annotated[int, Field(ge=1, le=MAX_RECEPTIVE_FIELD)]
    bias: bool
    in_channels: Literal[1] = 1
    out_channels: Literal[1] = 1
    implementation: str = "auto"


class Submodel(Config):
    """One size of a container: a whole net, for ``slim`` below ``max_value``."""

    max_value: Finite
    model: dict[str, Any]


class ContainerConfig(Config):
    """A SlimmableContainer."""

    submodels: Annotated[list[Submodel], Field(min_length=1, max_length=64)]
