"""A virtual microphone: what is played into a sink of the sound server, calls can record.

PulseAudio and PipeWire understand the same commands of ``pactl``::

    rtaudio --> null sink "rtaudio" --> its monitor --> source "rtaudio_mic" --> the call
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable

from rtaudio.errors import DeviceError

SINK, SOURCE = "rtaudio", "rtaudio_mic"
_ANSWER_S = 5.0
_LOOK_S = 1.0

_MODULES = (
    (
        "module-null-sink", f"sink_name={SINK}", "rate=48000", "channels=1",
        "sink_properties=device.description=rtaudio-sink",
    ),
    (
        "module-remap-source", f"source_name={SOURCE}", f"master={SINK}.monitor",
        "source_properties=device.description=rtaudio",
    ),
)  # fmt: skip


class VirtualMicrophone:
    """The microphone called ``rtaudio`` of the running sound server.

    Raises
    ------
    DeviceError
        There is no ``pactl``.

    Examples
    --------
    >>> microphone = VirtualMicrophone()                                    # doctest: +SKIP
    >>> microphone.make()                                                   # doctest: +SKIP
    >>> microphone.remove()                                                 # doctest: +SKIP
    """

    def __init__(self) -> None:
        found = shutil.which("pactl")
        if found is None:
            raise DeviceError(
                "a virtual microphone needs pactl; install it (Debian: apt install "
                "pulseaudio-utils); on macOS and Windows play into a virtual cable"
            )
        self._program = found

    def make(self) -> bool:
        """Make it, unless it is there; returns whether it was made now.

        Raises
        ------
        DeviceError
            No sound server runs, or it refuses.
        """
        present = self._present()
        if len(present) == len(_MODULES):
            return False
        self._unload(present)
        for words in _MODULES:
            self._call("load-module", *words)
        return True

    def remove(self) -> bool:
        """Remove it; returns whether there was one.

        Raises
        ------
        DeviceError
            No sound server runs, or it refuses.
        """
        present = self._present()
        self._unload(present)
        return bool(present)

    def _present(self) -> list[str]:
        """Return the numbers of the loaded modules of the microphone, in their order."""
        numbers = []
        for line in self._call("list", "short", "modules").splitlines():
            number, _, rest = line.partition("\t")
            name, _, arguments = rest.partition("\t")
            if any(name == words[0] and words[1] in arguments.split() for words in _MODULES):
                numbers.append(number)
        return numbers

    def _unload(self, numbers: list[str]) -> None:
        for number in reversed(numbers):
            self._call("unload-module", number)

    def _call(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [self._program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=_ANSWER_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeviceError("the sound server does not answer; restart it") from None
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"status {done.returncode}"
            raise DeviceError(f"the sound server refuses: {said}; is it running?")
        return done.stdout


class Keeper:
    """Makes the microphone again when the sound server was restarted, in a thread of its own.

    Parameters
    ----------
    microphone
        The microphone.
    tell
        Called with a line each time.
    """

    def __init__(self, microphone: VirtualMicrophone, tell: Callable[[str], None]) -> None:
        self._microphone, self._tell = microphone, tell
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)

    def __enter__(self) -> Keeper:
        self._microphone.make()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        try:
            self._microphone.remove()
        except DeviceError as error:
            self._tell(str(error))

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_S):
            try:
                made = self._microphone.make()
            except DeviceError:
                continue  # no server: the device says so
            if made:
                self._tell("the virtual microphone 'rtaudio' is there again")
