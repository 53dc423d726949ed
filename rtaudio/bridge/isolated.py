"""Isolated: a plugin in a process of its own, which may crash or hang alone.

::

    this process                                     its own
    process(x) -> | kind, size | samples | -> pipe -> ExternalPlugin.process(x)
               <- | kind, size | samples | <- pipe <-

Messages are plain bytes: sound, a state, or JSON; nothing is unpickled. A thread reads the answers,
so that the one who waits can give up.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from rtaudio.bridge.external import MAX_STATE_BYTES, ExternalPlugin, PluginParameter
from rtaudio.errors import PluginError
from rtaudio.runtime.memory import Floats

HANG_S = 1.0
"""A plugin that answers a chunk of sound later hangs."""
LOAD_S = 60.0
"""A plugin that takes longer to load hangs."""

_HEAD = struct.Struct("<II")
_SOUND = struct.Struct("<III")
_JSON, _PLAY, _STATE, _FAULT, _CHANGED, _NOTHING = range(6)
_MOST_BYTES = MAX_STATE_BYTES + (1 << 20)
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from rtaudio.bridge.isolated import serve; serve()"
)


Changed = Callable[[str, bool | float | str], None]


class IsolatedPlugin:
    """A plugin from a file, in a process of its own; the calls of :class:`ExternalPlugin`.

    Parameters
    ----------
    file, title, name
        As for :class:`ExternalPlugin`.

    Raises
    ------
    FileNotFoundError
        No such file.
    PluginError
        It is no plugin, does not load here, or crashes or hangs while it loads.

    Attributes
    ----------
    ailment
        ``"crashed"`` or ``"hangs"``; empty if it plays.
    """

    measured = True

    def __init__(self, file: Path, title: str, name: str) -> None:
        if not file.exists():
            raise FileNotFoundError(f"{file}: no such file; name a plugin (.vst3)")
        self._name, self.ailment = name, ""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._answers: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        threading.Thread(
            target=_read_all, args=(self._process.stdout, self._answers), daemon=True
        ).start()
        self._end = weakref.finalize(self, _ended, self._process)
        self._call("open", file=str(file), title=title, name=name)

    @property
    def told_latency_samples(self) -> int:
        """The latency that the plugin tells its host."""
        return int(self._call("latency"))

    def parameters(self) -> dict[str, PluginParameter]:
        """Return its parameters, with their present values."""
        return {name: PluginParameter(*each) for name, each in self._call("parameters").items()}

    @property
    def state(self) -> bytes:
        """All that the plugin keeps."""
        return self._ask(_JSON, json.dumps({"do": "state"}).encode(), LOAD_S)

    def set_state(self, state: bytes) -> None:
        """Restore what a plugin kept.

        Raises
        ------
        PluginError
            It is the state of another plugin, or damaged.
        """
        self._ask(_STATE, state, LOAD_S)

    def process(self, x: Floats, rate_hz: int) -> Floats:
        """Play float32 ``[channels, frames]``.

        Parameters
        ----------
        x
            Input.
        rate_hz
            Sample rate.
        """
        answer = self._ask(_PLAY, _packed(x, rate_hz), HANG_S)
        return _unpacked(answer)[0]

    def reset(self) -> None:
        """Forget all sound."""
        self._call("reset")

    def apply(self, name: str, value: bool | float | str) -> None:
        """Set a parameter.

        Parameters
        ----------
        name
            Its name.
        value
            In natural units.
        """
        self._call("apply", name=name, value=value)

    def edit(self, changed: Changed) -> None:
        """Open the plugin's own window there, and wait until it is closed.

        Parameters
        ----------
        changed
            Called with the name and the new value of each parameter that is changed meanwhile.

        Raises
        ------
        PluginError
            It has no window, there is no display, or it dies.
        """
        message = json.dumps({"do": "edit"}).encode()
        kind, answer = self._exchange(_JSON, message, None)
        while kind == _CHANGED:
            changed(*json.loads(answer))
            kind, answer = self._exchange(_NOTHING, b"", None)
        if kind == _FAULT:
            raise PluginError(f"{self._name}: {answer.decode()}")

    def close(self) -> None:
        """End the process."""
        self._end()

    def _call(self, do: str, **arguments: Any) -> Any:
        message = json.dumps({"do": do, **arguments}).encode()
        return json.loads(self._ask(_JSON, message, LOAD_S))

    def _ask(self, kind: int, payload: bytes, patience_s: float) -> bytes:
        """Send a message, and return the answer; once it has failed, fail at once."""
        answered, answer = self._exchange(kind, payload, patience_s)
        if answered == _FAULT:
            raise PluginError(answer.decode())
        return answer

    def _exchange(self, kind: int, payload: bytes, patience_s: float | None) -> tuple[int, bytes]:
        """Send a message, unless it is nothing, and return the next answer."""
        with self._lock:
            if self.ailment:
                raise PluginError(f"{self._name}: {self.ailment}; load it again")
            try:
                if kind != _NOTHING:
                    assert self._process.stdin is not None
                    self._process.stdin.write(_HEAD.pack(kind, len(payload)) + payload)
                    self._process.stdin.flush()
                answer = self._answers.get(timeout=patience_s)
            except queue.Empty:
                self.ailment = "hangs"
                self._end()
                raise PluginError(
                    f"{self._name}: hangs: no answer in {patience_s:g} s; remove it"
                ) from None
            except OSError:
                answer = None
            if answer is None:
                self.ailment = "crashed"
                raise PluginError(f"{self._name}: crashed ({self._last_words()}); remove it")
        return answer

    def _last_words(self) -> str:
        try:
            status = self._process.wait(5.0)
            return signal.Signals(-status).name
        except subprocess.TimeoutExpired:
            return "no answers any more"
        except ValueError:
            return f"exit status {status}"


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _read_all(pipe: IO[bytes], answers: queue.SimpleQueue[tuple[int, bytes] | None]) -> None:
    """Read answers until the pipe ends, and then None."""
    while (answer := _read(pipe)) is not None:
        answers.put(answer)
    answers.put(None)


def _read(pipe: IO[bytes]) -> tuple[int, bytes] | None:
    """Return the next message, or None at the end of the pipe and for what is no message."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, size = _HEAD.unpack(head)
    if size > _MOST_BYTES:
        return None
    payload = pipe.read(size)
    return (kind, payload) if len(payload) == size else None


def _packed(x: Floats, rate_hz: int) -> bytes:
    return _SOUND.pack(*x.shape, rate_hz) + np.ascontiguousarray(x, np.float32).tobytes()


def _unpacked(payload: bytes) -> tuple[Floats, int]:
    channels, frames, rate_hz = _SOUND.unpack_from(payload)
    sound = np.frombuffer(payload, np.float32, offset=_SOUND.size)
    return sound.reshape(channels, frames), rate_hz


# In the process of its own.


def serve() -> None:
    """Play a plugin for the process that has started this one, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who plays
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a plugin prints
    lock = threading.Lock()

    def send(kind: int, payload: bytes) -> None:
        with lock:
            answers.write(_HEAD.pack(kind, len(payload)) + payload)
            answers.flush()

    plugin: ExternalPlugin | None = None
    while (message := _read(sys.stdin.buffer)) is not None:
        try:
            kind, payload = message
            asked = json.loads(payload) if kind == _JSON else {}
            if asked.get("do") == "open":
                plugin = ExternalPlugin(Path(asked["file"]), asked["title"], asked["name"])
                kind, payload = _JSON, b"null"
            elif asked.get("do") == "edit":
                assert plugin is not None
                plugin.edit(lambda *change: send(_CHANGED, json.dumps(change).encode()))
                kind, payload = _JSON, b"null"
            else:
                assert plugin is not None
                kind, payload = _answered(plugin, kind, payload)
        except Exception as error:  # whatever a plugin raises is told, in one line
            kind, payload = _FAULT, " ".join(str(error).split()).encode()
        send(kind, payload)
    os._exit(0)  # no last words of a plugin


def _answered(plugin: ExternalPlugin, kind: int, payload: bytes) -> tuple[int, bytes]:
    """Do what a message asks for."""
    if kind == _PLAY:
        x, rate_hz = _unpacked(payload)
        return _PLAY, _packed(plugin.process(x, rate_hz), rate_hz)
    if kind == _STATE:
        plugin.set_state(payload)
        return _JSON, b"null"
    asked = json.loads(payload)
    match asked["do"]:
        case "state":
            return _STATE, plugin.state
        case "parameters":
            return _JSON, json.dumps(plugin.parameters()).encode()
        case "latency":
            return _JSON, json.dumps(plugin.told_latency_samples).encode()
        case "reset":
            plugin.reset()
        case "apply":
            plugin.apply(asked["name"], asked["value"])
        case unknown:
            raise PluginError(f"{unknown!r} is nothing that a plugin does")
    return _JSON, b"null"
