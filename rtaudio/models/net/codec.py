"""The nets of a neural codec as plain data: the encoder and the decoder of a model of two files.

They are those of `training.models.codec`. All weights are float32 in torch layout. A net takes one
frame in and gives one frame out, 50 times a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtaudio.runtime.memory import Floats

__all__ = [
    "CANDIDATES",
    "CodecDecoder",
    "CodecEncoder",
    "CodecNet",
    "CodecPair",
    "FrameBlock",
    "FrameNet",
    "LayerNorm",
    "Linear",
]

CANDIDATES = 4
"""Sums of entries that the search keeps from book to book."""


@dataclass(frozen=True)
class Linear:
    """``weight`` (out, in) x + ``bias`` (out,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class LayerNorm:
    """``weight`` (width,) n + ``bias`` (width,), with x of mean 0 and variance 1 as n."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class FrameBlock:
    """x(t) + ``down`` silu(``up`` [n(t - ``dilation``), n(t)]) with n = ``norm``(x)."""

    norm: LayerNorm
    up: Linear
    down: Linear
    dilation: int


@dataclass(frozen=True)
class FrameNet:
    """``outputs``(``norm``(``blocks``(``inputs``(x)))) + ``skip``(x)."""

    inputs: Linear
    blocks: tuple[FrameBlock, ...]
    norm: LayerNorm
    outputs: Linear
    skip: Linear


@dataclass(frozen=True)
class CodecEncoder:
    """Audio to codes.

    ``hop`` lines of a frame with slopes of ``overlap`` samples are grouped to ``bands``, the lines
    of each. Log levels less ``level_mean`` (bands,) meet ``level_axes`` (bands, dims), and are
    coded by ``level_books`` (books, entries, dims) around ``level_factor`` (dims,) times the last
    ones. The shape, divided by the level to the power 1 - ``compression`` and multiplied by
    ``shape_gain``, and the levels are what ``net`` turns into a vector for ``shape_books``.
    """

    hop: int
    overlap: int
    bands: tuple[int, ...]
    compression: float
    shape_gain: float
    level_axes: Floats
    level_mean: Floats
    level_factor: Floats
    level_books: Floats
    shape_books: Floats
    net: FrameNet


@dataclass(frozen=True)
class CodecDecoder:
    """Codes to audio: ``net`` turns levels and shape into ``hop`` lines and log levels of bands.

    The other fields are those of `CodecEncoder`.
    """

    hop: int
    overlap: int
    bands: tuple[int, ...]
    level_mean: Floats
    level_factor: Floats
    level_books: Floats
    shape_books: Floats
    net: FrameNet


@dataclass(frozen=True)
class CodecPair:
    """Both sides in place, with a line between them that loses frames.

    The knobs are the bitrate, ``kbps`` for each book, and the share of lost frames in percent.
    """

    encoder: CodecEncoder
    decoder: CodecDecoder
    kbps: float


CodecNet = CodecEncoder | CodecDecoder
