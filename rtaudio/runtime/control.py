"""Controls: the parameters of a playing program that can be changed."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from rtaudio.runtime.slots import Slot


class Owner(Protocol):
    """The owner of a control: an effect, which knows the ranges of its parameters."""

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Validate and keep a value.

        Parameters
        ----------
        parameter
            Its name.
        value
            In natural units.

        Returns
        -------
        float
            The value for the slot.
        """

    def live_values(self) -> dict[str, float]:
        """Return the value of every slot, by name."""

    def live_range(self, parameter: str) -> tuple[float, float, str]:
        """Return the smallest and the largest value, and the unit."""

    def live_default(self, parameter: str) -> float | bool:
        """Return the value of a new effect; true or false for a switch."""


class Control(NamedTuple):
    """One parameter of a playing effect.

    Attributes
    ----------
    effect, parameter
        Their names; together ``"effect.parameter"``.
    owner
        The effect. It keeps the value too, so that a saved preset has it.
    slot
        Where the audio thread reads it.
    """

    effect: str
    parameter: str
    owner: Owner
    slot: Slot

    @property
    def value(self) -> float:
        """The present value, in natural units."""
        return self.slot.value

    @property
    def range(self) -> tuple[float, float, str]:
        """The smallest and the largest value, and the unit."""
        return self.owner.live_range(self.parameter)

    @property
    def default(self) -> float | bool:
        """The value of a new effect; true or false for a switch."""
        return self.owner.live_default(self.parameter)

    def set(self, value: float | bool) -> None:
        """Change the value: the effect keeps it, the audio thread ramps to it.

        Raises
        ------
        ValueError
            The value is out of range.
        """
        self.slot.store(self.owner.set_live(self.parameter, value))
