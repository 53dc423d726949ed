"""Instance: one loaded plugin, as a program plays it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rtaudio.runtime.memory import Floats


class Instance(Protocol):
    """A plugin that is loaded for one program, in this process or in one of its own."""

    @property
    def told_latency_samples(self) -> int:
        """The latency that the plugin tells its host; 0: none, or it does not tell."""

    @property
    def measured(self) -> bool:
        """Whether a latency that it does not tell is looked for in its sound."""

    @property
    def ailment(self) -> str:
        """``"crashed"`` or ``"hangs"`` if it plays no more; empty if it does."""

    def process(self, x: Floats, rate_hz: int) -> Floats:
        """Play float32 ``[channels, frames]``; what comes out may be shorter, and comes later.

        Parameters
        ----------
        x
            Input.
        rate_hz
            Sample rate.
        """

    def reset(self) -> None:
        """Forget all sound."""

    def apply(self, name: str, value: bool | float | str) -> None:
        """Set a parameter.

        Parameters
        ----------
        name
            Its name.
        value
            In natural units.
        """

    def close(self) -> None:
        """Give back what it holds."""


class BuiltInInstance:
    """An effect that comes with pedalboard. A reset makes it anew: theirs keep some of their past.

    Parameters
    ----------
    make
        Makes the plugin, with the present parameters.
    apply
        Sets a parameter: ``apply(plugin, name, value)``.

    Attributes
    ----------
    plugin
        The plugin.
    """

    told_latency_samples = 0
    measured = False
    ailment = ""

    def __init__(self, make: Callable[[], Any], apply: Callable[[Any, str, Any], None]) -> None:
        self._make, self._apply = make, apply
        self.plugin = make()

    def process(self, x: Floats, rate_hz: int) -> Floats:
        """Play float32 ``[channels, frames]``.

        Parameters
        ----------
        x
            Input.
        rate_hz
            Sample rate.
        """
        # never reset=True: that would play silence to the end, too
        y: Floats = self.plugin.process(x, rate_hz, buffer_size=x.shape[1], reset=False)
        return y

    def reset(self) -> None:
        """Forget all sound."""
        self.plugin = self._make()

    def apply(self, name: str, value: bool | float | str) -> None:
        """Set a parameter.

        Parameters
        ----------
        name
            Its name.
        value
            In natural units.
        """
        self._apply(self.plugin, name, value)

    def close(self) -> None:
        """Do nothing; the plugin goes with its last reference."""
