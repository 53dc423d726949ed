"""MIDI control: controllers that turn a session, and show what it is set to."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rtaudio.control.change import Change
from rtaudio.control.midi.controller_file import ControllerFile, base_name
from rtaudio.control.midi.events import Event, Events
from rtaudio.control.midi.learner import Learner
from rtaudio.control.midi.mapper import Action, Mapper, Press, Turn
from rtaudio.control.midi.mapping import STATES, Mapping, read_mappings
from rtaudio.control.midi.parser import MidiParser
from rtaudio.control.midi.ports import VIRTUAL, Input, Port, Ports
from rtaudio.errors import DeviceError, RtaudioError
from rtaudio.preset.load import preset_midi

if TYPE_CHECKING:
    from rtaudio.control.parameter import Parameter
    from rtaudio.control.session import Session

LOOK_S = 1.0
"""Time between two looks whether ports came or went."""

_FEEDBACK_S = 0.02
"""Time between two messages to one lamp or fader, at least."""

_SIMPLE = ("mute", "talk", "tune", "compare")
"""Words that are done at once; others take time, and wait for the thread of their own."""

_BY_PROPERTY = {switch: word for word, switch in STATES.items()}


class _Controller:
    """One controller: its ports, and what its bytes become."""

    def __init__(self, word: str, take: Callable[[_Controller, list[Event], float], None]) -> None:
        self.word = word
        self.name = "rtaudio" if word == VIRTUAL else word
        self.parser, self.events = MidiParser(), Events()
        self.mapper = Mapper([])
        self.file: ControllerFile | None = None
        self.port: Port | None = None
        self.input: Input | None = None
        self.output: Any = None
        self.messages = 0
        self._take = take

    def receive(self, batch: list[bytes]) -> None:
        """Take the bytes of messages."""
        now_s = time.monotonic()
        self.messages += len(batch)
        messages = self.parser.feed(b"".join(batch))
        self._take(self, [e for each in messages for e in self.events.of(each, now_s)], now_s)

    def close(self) -> None:
        """Close its ports."""
        if self.input is not None:
            self.input.close()
        if self.output is not None:
            self.output.delete()
        self.input = self.output = None


class _Turned:
    """The parameters that a batch of messages turns: of each, the last value is set."""

    def __init__(self, session: Session, source: object) -> None:
        self._session, self._source = session, source
        self._seen: dict[str, Parameter | None] = {}
        self._values: dict[str, float] = {}

    def look(self, name: str) -> Parameter | None:
        """Return a parameter as it will be."""
        if name not in self._seen:
            self._seen[name] = self._session.parameter(name)
        return self._seen[name]

    def note(self, action: Turn) -> None:
        """Keep a value for :meth:`store`."""
        self._values[action.name] = action.value
        parameter = self.look(action.name)
        self._seen[action.name] = parameter and parameter.at(action.value)

    def store(self) -> None:
        """Set what has been noted."""
        values, self._values = self._values, {}
        self._seen.clear()
        for name, value in values.items():
            with suppress(RtaudioError):  # the chain has just changed, or the host was stopped
                self._session.set(name, value, self._source)


class MidiControl:
    """Controllers at a session. Use it as a context manager.

    A change of a parameter is made in the thread in which the message arrives. What takes time, as
    another preset does, is done in one of its own, as are feedback and the look after the ports.

    Parameters
    ----------
    session
        What they turn.
    words
        Parts of names of ports; ``"virtual"`` makes a port.
    warn
        Called with a line when a port comes or goes, and when a mapping cannot be used.
    ports
        The ports of this machine; None: those of python-rtmidi.

    Raises
    ------
    UsageError
        python-rtmidi is not installed.
    DeviceError
        No port has a name like this, or several have.
    SettingsError
        The mappings of a controller cannot be understood.
    """

    def __init__(
        self,
        session: Session,
        words: Sequence[str],
        warn: Callable[[str], None],
        ports: Ports | None = None,
    ) -> None:
        self._session, self._warn = session, warn
        self._ports = Ports() if ports is None else ports
        self._controllers = [_Controller(word, self._handle) for word in words]
        self._preset: list[Mapping] = []
        self._bound_to: Any = None
        self._missing: frozenset[str] = frozenset()
        self._changed = False
        self._learner: Learner | None = None
        self._learnt_by: _Controller | None = None
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._todo: deque[Press] = deque(maxlen=64)
        self._program: int | None = None
        self._dirty: dict[str, object] = {}
        self._thread = threading.Thread(target=self._serve, name="midi service", daemon=True)
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Messages so far, and how many of them were unknown or damaged."""
        parsers = [controller.parser for controller in self._controllers]
        return {
            "messages": sum(controller.messages for controller in self._controllers),
            "unknown": sum(parser.unknown for parser in parsers),
            "damaged": sum(parser.damaged for parser in parsers),
        }

    def __enter__(self) -> MidiControl:
        try:
            for controller in self._controllers:
                self._open(controller)
            self._bind()
        except BaseException:
            self._close()
            raise
        self._unsubscribe = self._session.subscribe(self._hear)
        self._session.learner = self._learn
        self._show_all()
        self._wake.set()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.learner = None
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._stopped.set()
        self._wake.set()
        self._thread.join()
        self._close()

    def _close(self) -> None:
        for controller in self._controllers:
            controller.close()
        self._ports.close()

    # -- ports -------------------------------------------------------------------------------------

    def _open(self, controller: _Controller) -> None:
        """Open a port for the first time: it must be there."""
        port = None
        if controller.word != VIRTUAL:
            port = self._ports.find(controller.word, "in")
            if port is None:
                names = ", ".join(repr(port.name) for port in self._ports.names("in")) or "none"
                raise DeviceError(
                    f"no MIDI port has {controller.word!r} in its name; there are: {names}"
                )
        self._connect(controller, port)
        controller.file = ControllerFile.of_port(controller.name)

    def _connect(self, controller: _Controller, port: Port | None) -> None:
        controller.port = port
        controller.name = "rtaudio" if port is None else port.name
        controller.input = self._ports.read(port, controller.receive)
        back = None if port is None else self._ports.find(base_name(port.name), "out")
        if port is None or back is not None:
            controller.output = self._ports.write(back)

    def _look_after(self, controller: _Controller) -> None:
        """Notice that a port went, or came back."""
        if controller.word == VIRTUAL:
            return
        there = self._ports.names("in")
        if controller.input is not None:
            if controller.port not in there:
                controller.close()
                self._tell(f"MIDI port {controller.name!r} is gone; it plays again when it is back")
            return
        try:
            port = self._ports.find(controller.word, "in")
            if port is not None:
                self._connect(controller, port)
                self._tell(f"MIDI port {controller.name!r} is back")
                self._show_all()
        except DeviceError:  # half there: the next look will tell
            controller.close()

    def _tell(self, line: str) -> None:
        self._warn(line)
        self._session.say(line)

    # -- from the controller -----------------------------------------------------------------------

    def _handle(self, controller: _Controller, events: list[Event], now_s: float) -> None:
        """Do what events ask for; in the thread of the port."""
        with suppress(RtaudioError):  # the host has been stopped
            turned = _Turned(self._session, controller)
            for event in events:
                learner = self._learner
                if learner is not None:
                    learner.take(event, now_s)
                    self._learnt_by = controller
                elif event.kind == "program":
                    self._program = int(event.value)
                    self._wake.set()
                else:
                    for action in controller.mapper.actions(event, turned.look, now_s):
                        self._do(turned, action)
            turned.store()

    def _do(self, turned: _Turned, action: Action) -> None:
        if isinstance(action, Turn):
            turned.note(action)
        elif action.word in _SIMPLE:
            turned.store()
            self._press(action)
        else:
            self._todo.append(action)
            self._wake.set()

    def _press(self, action: Press) -> None:
        """Do what a word says."""
        session, on = self._session, action.on
        match action.word:
            case "side":
                to_b = session.side == "A" if on is None else on
                session.side = "B" if to_b else "A"
            case "next" | "previous":
                session.step_preset(1 if action.word == "next" else -1)
            case "undo" | "redo":
                session.undo() if action.word == "undo" else session.redo()
            case "save":
                session.save()
            case word:
                switch = STATES[word]
                setattr(session, switch, not getattr(session, switch) if on is None else on)

    # -- to the controller -------------------------------------------------------------------------

    def _hear(self, change: Change) -> None:
        """Note a change, in whatever thread: the service shows it."""
        if change.kind in ("parameter", "switch"):
            self._dirty[_BY_PROPERTY.get(change.name, change.name)] = change.source
        elif change.kind == "chain":
            self._changed = True
            self._show_all()
        else:
            return
        self._wake.set()

    def _show_all(self) -> None:
        self._dirty |= dict.fromkeys((*self._session.parameters(), *STATES))

    def _show(self) -> None:
        """Send what has changed to the lamps and faders."""
        for _ in range(len(self._dirty)):
            target, source = self._dirty.popitem()
            state = STATES.get(target)
            now: Any = self._session.parameter(target) if state is None else self._state(state)
            if now is None:
                continue
            for controller in self._controllers:
                if controller.output is not None:
                    own = source is controller
                    for message in controller.mapper.feedback(target, now, own):
                        controller.output.send_message(message)

    def _state(self, switch: str) -> bool:
        value = getattr(self._session, switch)
        return bool(value == "B") if switch == "side" else bool(value)

    # -- mappings ----------------------------------------------------------------------------------

    def _bind(self) -> None:
        """Give every controller its mappings and those of the preset, which come first."""
        playing = self._session.playing
        self._bound_to = playing
        self._preset = []
        try:
            if playing is not None:
                self._preset = read_mappings(preset_midi(playing), f"{playing}: midi")
        except (RtaudioError, OSError) as error:
            self._tell(str(error))
        taken = {(mapping.kind, mapping.number) for mapping in self._preset}
        for controller in self._controllers:
            own = [] if controller.file is None else controller.file.mappings
            rest = [m for m in own if (m.kind, m.number) not in taken]
            controller.mapper = Mapper([*self._preset, *rest])
        self._missing = frozenset()
        self._name_missing()

    def _name_missing(self) -> None:
        """Warn of mappings onto parameters that nothing has."""
        targets = {name for controller in self._controllers for name in controller.mapper.targets}
        missing = frozenset(targets - self._session.parameters().keys())
        if missing - self._missing:
            names = ", ".join(sorted(missing))
            self._tell(f"MIDI: {self._session.name} has no {names}; what is mapped to it rests")
        self._missing = missing

    def _learn(self, target: str | None) -> None:
        self._learnt_by = None
        self._learner = None if target is None else Learner(target)
        self._wake.set()

    def _finish_learning(self) -> None:
        """Keep what has been learnt, once the control rests."""
        learner, controller = self._learner, self._learnt_by
        if learner is None or controller is None or controller.file is None:
            return
        mapping = learner.mapping(time.monotonic())
        if mapping is None:
            return
        self._learner = None
        try:
            controller.file.learn(mapping)
            text = f"{mapping.words} turns {mapping.to}; kept in {controller.file.path}"
        except OSError as error:
            text = f"not kept: {error}"
        self._bind()
        self._show_all()
        self._session.say(text)
        self._session.learn(None)

    # -- the service -------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Do what takes time, until the end."""
        next_look_s = time.monotonic() + LOOK_S
        while not self._stopped.is_set():
            patience_s = 0.1 if self._learner is not None else next_look_s - time.monotonic()
            self._wake.wait(max(0.0, patience_s))
            self._wake.clear()
            self._serve_once()
            if time.monotonic() >= next_look_s:
                for controller in self._controllers:
                    self._look_after(controller)
                next_look_s = time.monotonic() + LOOK_S
            self._stopped.wait(_FEEDBACK_S)

    def _serve_once(self) -> None:
        try:
            program, self._program = self._program, None
            if program is not None:
                self._session.choose_preset(program)
            while self._todo:
                self._press(self._todo.popleft())
            if self._session.playing != self._bound_to:
                self._bind()
            elif self._changed:
                self._changed = False
                self._name_missing()
            self._finish_learning()
            self._show()
        except (RtaudioError, OSError) as error:
            self._session.say(str(error))
