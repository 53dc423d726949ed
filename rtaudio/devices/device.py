"""The interface of all devices: a device calls the callback of an engine, block by block."""

from __future__ import annotations

from typing import Protocol

from rtaudio.runtime.engine import Engine


class Device(Protocol):
    """A stream of blocks of one size.

    Attributes
    ----------
    name
        Name for messages.
    latency_ms
        Latency of the device itself in milliseconds, (input, output), as the device reports it.
    """

    name: str
    latency_ms: tuple[float, float]

    def own_rate_hz(self) -> int:
        """Return the sample rate that it runs at unless told another one."""

    def suited_block(self, block: int) -> int:
        """Return the block size that the device can call with: the wanted one, or more."""

    def start(self, engine: Engine) -> None:
        """Start to call the callback with this engine.

        Raises
        ------
        DeviceError
            The device is busy or refuses the settings.
        """

    def reopen(self) -> None:
        """Start again after a loss, with the same engine; wait for nothing.

        Raises
        ------
        DeviceError
            The device is still absent, or refuses.
        """

    def stop(self) -> None:
        """Stop, and return when no call is running. A lost device must not block."""

    @property
    def active(self) -> bool:
        """Whether the device runs; False once it has stopped, also if nobody asked it to."""
