"""A parameter: a value that can be turned, and its way along a knob."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from rtaudio.live.stats import LiveParameter

Scale = Literal["linear", "db", "log", "switch"]

_SUFFIXES = {"dB": "db", "Hz": "hz", "ms": "ms", "s": "s", "LUFS": "lufs", "%": "percent"}
"""How the names of parameters end that carry a unit."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a playing chain.

    Attributes
    ----------
    name, effect
        ``"effect.parameter"``, as :meth:`rtaudio.Host.set` knows it, and the effect alone.
    title
        The parameter in words, without its unit.
    value, low, high, default
        In natural units; a switch is 0 or 1.
    unit
        ``"dB"``, ``"Hz"``, ``"ms"`` ... or empty.
    scale
        ``"log"`` for frequencies and times above zero; ``"db"`` is linear in decibels.

    Examples
    --------
    >>> live = LiveParameter(1000.0, 100.0, 10000.0, "Hz", 2000.0)
    >>> tone = Parameter.of("delay.high_cut_hz", live)
    >>> tone.title, tone.scale, tone.position(1000.0), round(tone.value_at(0.75))
    ('high cut', 'log', 0.5, 3162)
    """

    name: str
    effect: str
    title: str
    value: float
    low: float
    high: float
    default: float
    unit: str
    scale: Scale

    @classmethod
    def of(cls, name: str, live: LiveParameter) -> Parameter:
        """Return a parameter of a host.

        Parameters
        ----------
        name
            ``"effect.parameter"``.
        live
            The same from :meth:`rtaudio.Host.parameters`.
        """
        effect, _, own = name.rpartition(".")
        suffix = _SUFFIXES.get(live.unit.partition(" ")[0], "")
        title = own.removesuffix(f"_{suffix}").replace("_", " ")
        default = float(live.default)
        return cls(
            name, effect, title, live.value, live.low, live.high, default, live.unit, _scale(live)
        )

    def at(self, value: float) -> Parameter:
        """Return the same with another value."""
        return replace(self, value=value)

    def text(self, value: float) -> str:
        """Return a value in words: ``amp.gain_db = 3 dB``."""
        if self.scale == "switch":
            return f"{self.name} {'on' if value > 0.5 else 'off'}"
        return f"{self.name} = {value:.4g} {self.unit}".rstrip()

    def position(self, value: float) -> float:
        """Return where a value stands along the scale, 0 to 1."""
        value = min(self.high, max(self.low, value))
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0

    def value_at(self, position: float) -> float:
        """Return the value at a position along the scale; beyond 0 and 1, the end."""
        position = min(1.0, max(0.0, position))
        if self.scale == "switch":
            return float(position >= 0.5)
        if self.scale == "log":
            value = self.low * math.exp(position * math.log(self.high / self.low))
        else:
            value = self.low + position * (self.high - self.low)
        return min(self.high, max(self.low, value))


def _scale(live: LiveParameter) -> Scale:
    if isinstance(live.default, bool):
        return "switch"
    if live.unit.startswith(("dB", "LUFS")):
        return "db"
    return "log" if live.unit in ("Hz", "ms", "s") and 0.0 < live.low < live.high else "linear"
