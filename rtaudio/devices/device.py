"""What every device is to the host: a thing that calls the callback of an engine."""

from __future__ import annotations

from typing import Protocol

from rtaudio.runtime.engine import Engine


class Device(Protocol):
    """A stream of blocks of one size.

    Attributes
    ----------
    name
        What to call it in a message.
    latency_ms
        The device's own latency (input, output), as it reports it.
    """

    name: str
    latency_ms: tuple[float, float]

    def start(self, engine: Engine) -> None:
        """Begin to call the callback with the engine; raises :class:`DeviceError`."""

    def stop(self) -> None:
        """Stop calling; returns when no call is under way. A lost device must not block."""

    @property
    def active(self) -> bool:
        """False once the device has stopped by itself."""
