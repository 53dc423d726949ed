"""Revival: a device that was lost is started again as soon as it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rtaudio.devices.device import Device
from rtaudio.errors import DeviceError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_STOP_S = 10.0


class Revival:
    """Tries to start a lost device, in a thread of its own, until it plays.

    Parameters
    ----------
    device
        The device.
    tell
        Called with a line for the user, now and when the device is back.

    Attributes
    ----------
    done
        Whether the device plays again.
    """

    def __init__(self, device: Device, tell: Callable[[str], None]) -> None:
        self._device, self._tell = device, tell
        self.done = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="revival", daemon=True)
        tell(f"device {device.name!r} stopped delivering audio; it plays on when it is back")
        self._thread.start()

    def _run(self) -> None:
        began, pause_s = time.monotonic(), _FIRST_PAUSE_S
        while not self._stopped.wait(pause_s):
            try:
                self._device.reopen()
            except DeviceError:
                pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
                continue
            self.done = True
            seconds = time.monotonic() - began
            self._tell(f"device {self._device.name!r} plays again after {seconds:.0f} s")
            return

    def stop(self) -> None:
        """Try no more, and return when the last try has ended."""
        self._stopped.set()
        self._thread.join(_STOP_S)
