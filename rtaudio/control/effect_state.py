"""The state of an effect: one line of a list of what plays."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EffectState:
    """One effect of the chain, for a list of them.

    Attributes
    ----------
    name, kind, title
        Its name for parameters; its kind; the name in words.
    bypass
        Whether it is bypassed.
    parameters
        The names of its own parameters, without mix and bypass.
    latency_samples
        What it adds to the latency.
    depth
        0 for an effect of the chain itself, 1 for one inside another ...
    """

    name: str
    kind: str
    title: str
    bypass: bool
    parameters: tuple[str, ...]
    latency_samples: int
    depth: int
