"""The session: what a player changes of a host while it plays, whatever he changes it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rtaudio.catalogue import user_presets
from rtaudio.control import devices, saving
from rtaudio.control.assisted import Assisted
from rtaudio.control.effect_state import EffectState
from rtaudio.control.set_list import SetList, find_playable, is_set
from rtaudio.control.stock import Stock
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import RtaudioError, UsageError
from rtaudio.preset.load import load_preset
from rtaudio.runtime.slots import COMMON

if TYPE_CHECKING:
    from rtaudio.live.host import Host
    from rtaudio.live.reading import Reading
    from rtaudio.runtime.program import Program


class Session(Assisted):
    """All that is turned, switched, swapped, saved and read of a playing host, in one place.

    Any thread may call it, but not the audio thread. What one consumer changes, the others hear of
    by :meth:`subscribe`.

    Parameters
    ----------
    host
        The host; it may be muted.
    presets
        What to step through; None: only what plays. The presets of a set list file are built now.
    load
        Makes the chain of a file.

    Attributes
    ----------
    presets
        What is stepped through.
    playing
        The file that plays; None: none.
    saved
        The files written so far.
    learning
        The parameter whose MIDI control is being learnt; empty if none.
    learner
        Begins to learn which control turns a parameter, or, of None, ends it; None without MIDI.
    """

    def __init__(
        self,
        host: Host,
        presets: SetList | None = None,
        load: Callable[[Path], Chain] = load_preset,
    ) -> None:
        super().__init__(host)
        self.presets = presets
        self.playing = None if presets is None else presets.path
        self.saved: list[Path] = []
        self.learning = ""
        self.learner: Callable[[str | None], None] | None = None
        self._load = load
        self._stock: Stock | None = None
        self._stocked: Path | None = None
        if presets is not None and presets.fixed:
            self._fill(presets)

    def _fill(self, presets: SetList) -> None:
        """Build a set list, and name what cannot be played."""
        with self._lock:
            stock = self._stock = Stock(self.host, self._load)
            self._stocked = self.playing
            if isinstance(self.host.effect, Chain) and self.playing is not None:
                stock.keep(self.playing, self.host.effect)
        others = [path for path in dict.fromkeys(presets.paths) if path != self._stocked]
        faults = [*presets.missing, *stock.fill(others)]
        if stock.host is not self.host:  # it was moved to another device meanwhile
            self._fill(presets)
        else:
            self.say("; ".join(faults))

    # -- the chain ---------------------------------------------------------------------------------

    def chain(self) -> list[EffectState]:
        """Return the effects in order, each followed by those inside it."""
        with self._lock:
            names = {id(effect): name for name, effect in self.host.effects().items()}
            own = [name for name in self._known()[1] if name.rpartition(".")[2] not in COMMON]
            latencies = self.host.latency_parts
            found = []
            for effect, way in devices.devices(self.host.effect):
                name = names[id(effect)]
                mine = tuple(each for each in own if each.rpartition(".")[0] == name)
                title = (effect.name or effect.kind).replace("_", " ")
                found.append(
                    EffectState(
                        name, effect.kind, title, effect.bypass, mine, latencies.get(name, 0),
                        len(way) - 1,
                    )
                )  # fmt: skip
            return found

    def add(self, kind_or_file: str | Path, place: int) -> None:
        """Add an effect, a model or an impulse response, by a cross-fade.

        Parameters
        ----------
        kind_or_file
            As for :func:`rtaudio.control.devices.new_effect`.
        place
            The place in :meth:`chain` in front of which it stands; their number: at the end.
        """
        effect = devices.new_effect(kind_or_file)
        with self._lock:
            self._edit(f"{effect.kind} added", lambda c: devices.with_effect(c, effect, place))

    def remove(self, place: int) -> None:
        """Take the effect at a place of :meth:`chain` out, by a cross-fade."""
        with self._lock:
            name = self._name_at(place)
            self._edit(f"{name} removed", lambda chain: devices.without_effect(chain, place))

    def replace(self, place: int, kind_or_file: str | Path) -> None:
        """Put another effect in the place of one, by one cross-fade.

        Parameters
        ----------
        place
            The place in :meth:`chain`.
        kind_or_file
            As for :func:`rtaudio.control.devices.new_effect`.
        """
        effect = devices.new_effect(kind_or_file)

        def replaced(chain: Effect) -> Effect:
            return devices.with_effect(devices.without_effect(chain, place), effect, place)

        with self._lock:
            self._edit(f"{self._name_at(place)} replaced", replaced)

    def move(self, place: int, to: int) -> None:
        """Move an effect, by a cross-fade.

        Parameters
        ----------
        place, to
            Its place in :meth:`chain`, before and after.
        """
        with self._lock:
            name = self._name_at(place)
            self._edit(f"{name} moved", lambda chain: devices.with_moved(chain, place, to))

    def _name_at(self, place: int) -> str:
        chain = self.chain()
        return chain[place].name if 0 <= place < len(chain) else str(place)

    def _edit(self, words: str, edit: Callable[[Effect], Effect]) -> None:
        before = self.host.effect
        after = edit(devices.chain_of(before))
        self._swap(after)
        self._history.add(words, lambda: self._swap(before), lambda: self._swap(after))

    def _swap(self, effect: Effect) -> None:
        """Cross-fade to another version of the chain; a comparison goes on."""
        comparing = self.comparing
        self.host.swap(effect)
        if self.comparing != comparing:
            self.host.set(self.switch, comparing)
        self._tell("chain", self.name, "")

    @contextmanager
    def between_hosts(self) -> Iterator[None]:
        """Hold what others do while the block gives :attr:`host` another host that plays the same.

        Set lists are built anew for it.
        """
        with self._lock:
            try:
                yield
            finally:
                if self._stock is not None and self.presets is not None:
                    self._fill(self.presets)
                self._tell("chain", self.name, "")

    # -- presets -----------------------------------------------------------------------------------

    def step_preset(self, direction: int) -> None:
        """Cross-fade to a neighbour in the set list; one that cannot be played is named.

        Parameters
        ----------
        direction
            1 is the next one, -1 the one before.
        """
        if self.presets is not None:
            self._open(self.presets.step(direction))

    def choose_preset(self, place: int) -> None:
        """Cross-fade to a place of the set list, from 0; one that cannot be played is named."""
        if self.presets is None:
            return
        try:
            self._open(self.presets.choose(place))
        except RtaudioError as error:
            self.say(str(error))

    def _open(self, path: Path) -> None:
        try:
            self._play(path)
        except (RtaudioError, OSError) as error:
            self.say(f"{path.name} cannot be played: {error}")

    def open(self, what: str | Path) -> None:
        """Cross-fade to a preset or model.

        Parameters
        ----------
        what
            A name, or a file: a preset, a model, a set list, an impulse response.

        Raises
        ------
        FileNotFoundError
            Nothing is called so.
        RtaudioError
            It cannot be played; what played before plays on.
        """
        path = Path(what) if devices.is_response(Path(what)) else find_playable(what)
        if is_set(path):
            presets = SetList(path)
            self._play(presets.path)
            self.presets = presets
            self._fill(presets)
            return
        self._play(path)
        if self.presets is not None and not self.presets.fixed:
            self.presets = SetList(path)

    def _play(self, path: Path) -> None:
        """Cross-fade to a file; its history and its sides begin anew."""
        program: Program | None = None
        host, stock = self.host, self._stock
        if stock is not None and (self.presets is None or path not in self.presets.paths):
            stock = None
        if stock is not None:
            host, (chain, program) = stock.host, stock.take(path)
        elif devices.is_response(path):
            chain = Chain([devices.new_effect(path)], name=path.stem)
        else:
            chain = self._load(path)
        program = program or host.prepare(chain)
        with self._lock:
            # It may have been moved to another device meanwhile; then the program is built anew.
            self.host.swap(chain, program if host is self.host else None)
            left, self._stocked = self._stocked, None if stock is None else path
            self.playing = path
            self._history.clear()
            self._forget_sides()
            self.said = ""
            self._tell("chain", self.name, "")
        if self._stock is not None and left is not None:
            self._stock.give_back(left)

    # -- saving ------------------------------------------------------------------------------------

    def save(self) -> Path:
        """Save what plays as a new preset, and return its file; nothing is overwritten.

        It goes beside the preset that it was made of if that is the user's own, else into the
        folder of his presets. Comments of that preset are kept.

        Raises
        ------
        OSError
            It cannot be written.
        PresetError
            An effect was not made from a file.
        """
        with self._lock:
            chain = devices.chain_of(self.host.effect)
            return self._noted(saving.save_new(chain, self.switch, self.playing))

    def save_as(self, name: str, *, replace: bool = False) -> Path:
        """Save what plays under a name among the user's presets, and return its file.

        Parameters
        ----------
        name
            The name.
        replace
            Whether a preset of this name may be replaced.

        Raises
        ------
        FileExistsError
            There is such a preset.
        ParameterError
            It cannot be the name of a preset.
        OSError, PresetError
            As for :meth:`save`.
        """
        with self._lock:
            chain = devices.chain_of(self.host.effect)
            path = saving.save_as(chain, self.switch, self.playing, name, replace)
            self.playing = path
            return self._noted(path)

    def _noted(self, path: Path) -> Path:
        self.saved.append(path)
        self.say(f"saved as {path}")
        return path

    def rename(self, name: str, new: str) -> Path:
        """Rename a preset of the user, and return its file.

        Parameters
        ----------
        name, new
            The names.

        Raises
        ------
        FileExistsError, FileNotFoundError, ParameterError
            The new name is taken, there is no such preset, or it cannot be a name.
        """
        with self._lock:
            old, path = user_presets().get(name), saving.rename(name, new)
            if self.playing == old:
                self.playing = path
            if old is not None and self.presets is not None:
                self.presets.rename(old, path)
            return path

    # -- learning and reading ----------------------------------------------------------------------

    def learn(self, name: str | None) -> None:
        """Let the next knob or switch that moves on a MIDI controller turn a parameter.

        Parameters
        ----------
        name
            ``"effect.parameter"``; None: no longer.

        Raises
        ------
        UsageError
            No controller is connected.
        ParameterError
            No such parameter.
        """
        if self.learner is None:
            raise UsageError("no MIDI controller is connected; start with --midi NAME")
        if name is not None:
            self.host.get(name)
        with self._lock:
            self.learning = name or ""
            self.learner(name)
            self._tell("switch", "learning", self.learning)
            if name is not None:
                self.say(f"turn the knob for {name} now, both ways; or press the switch")

    def read(self) -> Reading:
        """Return meters, load and latency at this moment; cheap, for any number of readers."""
        return self.host.read()
