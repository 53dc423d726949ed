"""A net from a third-party model file, in plain data, with the metadata of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtaudio.models.contract.card import Golden, ModelParameter
from rtaudio.models.net.types import Net

__all__ = ["ForeignNet"]


@dataclass(frozen=True)
class ForeignNet:
    """The result of every reader of a third-party format.

    Attributes
    ----------
    path, format, version
        The file, its format ("nam", "aida-x", "rtneural", "guitarml"), and the version of the
        format, "" where the format has none.
    rate_hz
        Sample rate; the format's default if the file states none, and then ``rate_assumed``.
    net
        The net itself.
    metadata
        The file's own description of itself, unchanged.
    parameters
        The knobs, in the order of the net's input channels after the audio.
    prewarm_samples
        Number of zeros that the format's players run through the net before the first sample.
    levels
        ``loudness_db``, ``input_dbu`` and ``output_dbu``, as far as the file states them.
    golden
        The test vector of the file, if it has one.
    slim_steps
        Values between 0 and 1 where ``slim`` changes the size of the net; empty if it has one size.
    warnings
        Ways in which the net may sound different from the file, one line each.
    """

    path: Path
    format: str
    version: str
    rate_hz: int
    net: Net
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[ModelParameter, ...] = ()
    prewarm_samples: int = 0
    levels: Mapping[str, float] = field(default_factory=dict)
    golden: Golden | None = None
    slim_steps: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()
    rate_assumed: bool = False
