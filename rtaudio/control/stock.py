"""Stock: presets of a set list that are built beforehand, so that a change is only a cross-fade."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rtaudio.control.devices import devices
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import RtaudioError

if TYPE_CHECKING:
    from rtaudio.live.host import Host
    from rtaudio.runtime.program import Program

Values = list[tuple[Effect, dict[str, float]]]


@dataclass
class _Ready:
    chain: Chain
    values: Values
    program: Program | None


class Stock:
    """Chains with programs that have not played yet, one for each preset.

    Parameters
    ----------
    host
        Where they will play.
    load
        Makes the chain of a file.

    Attributes
    ----------
    host
        Where they will play.
    """

    def __init__(self, host: Host, load: Callable[[Path], Chain]) -> None:
        self.host, self._load = host, load
        self._ready: dict[Path, _Ready] = {}
        self._lock = threading.Lock()

    def fill(self, paths: Iterable[Path]) -> list[str]:
        """Build presets.

        Parameters
        ----------
        paths
            The files.

        Returns
        -------
        list of str
            A line for each one that cannot be played.
        """
        faults = []
        for path in paths:
            try:
                with self._lock:
                    chain = self._load(path)
                    self._ready[path] = _Ready(chain, _values(chain), self.host.prepare(chain))
            except (RtaudioError, OSError) as error:
                faults.append(f"{path.name} cannot be played: {error}")
        return faults

    def keep(self, path: Path, chain: Chain) -> None:
        """Take over a chain that plays already.

        Parameters
        ----------
        path
            Its file.
        chain
            The chain, with the settings of the file.
        """
        self._ready[path] = _Ready(chain, _values(chain), None)

    def take(self, path: Path) -> tuple[Chain, Program]:
        """Return the chain of a preset with its program, which plays once."""
        with self._lock:
            ready = self._ready.get(path)
            if ready is None:
                chain = self._load(path)
                ready = self._ready[path] = _Ready(chain, _values(chain), None)
            program, ready.program = ready.program, None
            return ready.chain, program or self.host.prepare(ready.chain)

    def give_back(self, path: Path) -> threading.Thread:
        """Make a preset ready again that has played, with the settings of its file.

        It is built in a thread, which is returned.
        """
        thread = threading.Thread(target=self._again, args=(path,), name="stock", daemon=True)
        thread.start()
        return thread

    def _again(self, path: Path) -> None:
        with self._lock:
            ready = self._ready.get(path)
            if ready is None or self.host.effect is ready.chain:
                return
            for effect, values in ready.values:
                for name, value in values.items():
                    effect.set_live(name, value)
            ready.program = self.host.prepare(ready.chain)


def _values(chain: Chain) -> Values:
    effects = [chain, *(device.effect for device in devices(chain))]
    return [(effect, effect.live_values()) for effect in effects]
