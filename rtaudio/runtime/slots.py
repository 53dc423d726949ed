"""Slots: the float32 parameters of one effect, which any thread may store to while it plays.

::

    common | mix | bypass |      own | own 0 | own 1 | ... |      kernels read a record, by name
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rtaudio.runtime.memory import Array, aligned

COMMON = ("mix", "bypass")
"""The slots that every effect has."""


class Slot(NamedTuple):
    """One slot: a place in an array of float32."""

    array: Array
    place: int

    @property
    def value(self) -> float:
        """The stored value."""
        return float(self.array[self.place])

    def alone(self) -> Array:
        """Return this one slot as an array that shares its memory."""
        return self.array[self.place : self.place + 1]

    def store(self, value: float) -> None:
        """Let the audio thread ramp to another value."""
        self.array[self.place] = value


class Slots:
    """The slots of one effect.

    Parameters
    ----------
    values
        Name and start value of every slot: ``mix``, ``bypass`` and the effect's own.
    own
        Where the effect's own slots lie, float32, if they are those of an effect around it.

    Attributes
    ----------
    own
        The effect's own slots: float32, in the order of ``values``.

    Examples
    --------
    >>> slots = Slots({"mix": 1.0, "bypass": 0.0, "gain_db": -6.0})
    >>> slots["gain_db"], slots.own
    (-6.0, array([-6.], dtype=float32))
    """

    def __init__(self, values: Mapping[str, float], own: Array | None = None) -> None:
        names = [name for name in values if name not in COMMON]
        self._common = aligned(len(COMMON))
        self.own = aligned(len(names)) if own is None else own
        self._slots = {name: Slot(self._common, at) for at, name in enumerate(COMMON)}
        self._slots |= {name: Slot(self.own, at) for at, name in enumerate(names)}
        for name, value in values.items():
            if own is None or name in COMMON:
                self._slots[name].store(value)

    def __getitem__(self, name: str) -> float:
        return self._slots[name].value

    def __contains__(self, name: object) -> bool:
        return name in self._slots

    def slot(self, name: str) -> Slot:
        """Return one slot, for a node that needs no other, and for who stores to it."""
        return self._slots[name]
