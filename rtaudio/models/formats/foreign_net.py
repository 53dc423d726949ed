"""A capture: a net of a foreign format, read into plain data, with what its file says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtaudio.errors import FormatError
from rtaudio.models.contract.card import Golden, ModelParameter
from rtaudio.models.net.types import Net

__all__ = ["Capture", "FormatError"]


@dataclass(frozen=True)
class Capture:
    """What every reader of a foreign format returns.

    Attributes
    ----------
    path, format, version
        The file, its kind ("nam", "aida-x", "rtneural", "guitarml"), and the version of the
        format, "" where the format has none.
    sample_rate
        In hertz; the custom of the format where the file is silent.
    net
        The net itself.
    metadata
        What the file says about itself, as it says it.
    parameters
        The knobs, in the order of the net's input channels behind the audio.
    prewarm_samples
        How many zeros the format's players run through the net before the first sample.
    levels
        ``loudness_db``, ``input_dbu`` and ``output_dbu``, those that the file states.
    golden
        The test vector of the file, if it carries one.
    slim_steps
        Where between 0 and 1 the value ``slim`` changes the size of the net; empty: nowhere.
    warnings
        What may sound different from what the file means, one line each.
    """

    path: Path
    format: str
    version: str
    sample_rate: int
    net: Net
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[ModelParameter, ...] = ()
    prewarm_samples: int = 0
    levels: Mapping[str, float] = field(default_factory=dict)
    golden: Golden | None = None
    slim_steps: tuple[float, ...] = ()
    warnings: tuple[str, ...] = ()
