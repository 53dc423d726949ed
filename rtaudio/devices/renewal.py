"""A fresh PortAudio: it sees the servers and devices that came after the process began.

PortAudio lists devices once. Ending and starting it again would do, were there no lost server: a
thread that waits for a killed JACK server never returns, and PortAudio aborts the process when it
finds that. So a second copy of the library is loaded, and the first one is left alone.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rtaudio.errors import DeviceError

_ANSWER_S = 5.0

_LIST = """
import json, sounddevice as sd
print(json.dumps([list(sd.query_devices()), list(sd.query_hostapis()), list(sd.default.device)]))
"""


def listed_elsewhere() -> tuple[Any, Any, Any]:
    """Return what a new process sees: PortAudio's devices, system interfaces and default devices.

    A server that hangs or crashes does so there.

    Raises
    ------
    DeviceError
        It sees nothing, or does not answer.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LIST], capture_output=True, timeout=_ANSWER_S, check=False
        )
        devices, apis, default = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise DeviceError("the sound system does not answer; restart it") from None
    return devices, apis, default


def renew(sd: Any) -> None:
    """Load another copy of the PortAudio library into ``sounddevice``.

    Parameters
    ----------
    sd
        The module.

    Raises
    ------
    DeviceError
        It cannot be loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = _library(sd._libname)
        copy = Path(folder) / path.name
        try:
            shutil.copyfile(path, copy)  # of the same file the system would give the same library
            fresh = sd._ffi.dlopen(str(copy))
            # A library in which a lost driver's thread waits must stay; ctypes never closes one.
            ctypes.CDLL(str(path))
            ctypes.CDLL(str(copy))
        except OSError as error:
            raise DeviceError(f"PortAudio cannot be loaded again ({error}); start again") from None
    sd._lib, sd._initialized = fresh, 0
    sd._initialize()


def _library(name: str) -> Path:
    """Return the file of the library that was loaded first."""
    if Path(name).is_file():
        return Path(name)
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    files = [Path(line.split(maxsplit=5)[5]) for line in lines if "libportaudio" in line]
    for file in files:
        if file.is_file():  # the copies are deleted
            return file
    raise DeviceError("the PortAudio library is not found; start again")
