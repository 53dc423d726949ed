"""A and B: two settings of one chain, at one loudness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rtaudio.control.balance import loudness_lufs, trims_db
from rtaudio.control.turning import Turning
from rtaudio.errors import ParameterError

if TYPE_CHECKING:
    from rtaudio.live.host import Host

Side = Literal["A", "B"]
Values = dict[str, float]

_COMPARED_S = 1.0
"""How much of the input A and B are compared with."""


class Sides(Turning):
    """What :class:`Turning` has, and two settings to change between.

    Parameters
    ----------
    host
        The host; it may be muted.
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._side: Side = "A"
        self._other: Values | None = None
        self._compared: list[tuple[Values, Values, float]] = []

    def _forget_sides(self) -> None:
        """Begin anew with one setting."""
        self._side, self._other, self._compared = "A", None, []
        self.host.trim_db = 0.0

    @property
    def side(self) -> Side:
        """Which of two settings plays. At first B is what A is.

        They play at one loudness: the louder one is turned down by the difference that the last
        seconds of the input have through both.
        """
        return self._side

    @side.setter
    def side(self, side: Side) -> None:
        if side not in ("A", "B"):
            raise ParameterError(f"side = {side!r} is not one of 'A', 'B'")
        if side == self._side:
            return
        self._compare_sides()
        with self._lock:
            if side == self._side:  # another one was faster
                return
            new = self._other is None
            self._change_side()
            self._history.add(f"side {side}", self._change_side, self._change_side)
            self.say(f"{side} begins as the other side; change it" if new else "")

    def _sides(self) -> tuple[Values, Values]:
        """Return the settings of the side that plays and of the other one."""
        here = self.host.values()
        here.pop(self.switch)
        there = self._other or here
        return here, {name: value for name, value in there.items() if name in here}

    def _change_side(self) -> None:
        here, there = self._sides()
        trims = (trim for *pair, trim in self._compared if pair == [here, there])
        self.host.recall(there)
        self.host.trim_db = next(trims, 0.0)
        self._other = here
        self._side = "B" if self._side == "A" else "A"
        self._tell("switch", "side", self._side)
        self._tell("chain", self.name, "")

    def _compare_sides(self) -> None:
        """Find out by how much the sides differ in loudness; others may turn meanwhile."""
        with self._lock:
            here, there = self._sides()
            known = any(pair == [here, there] for *pair, _ in self._compared)
            effect, switch = self.host.effect, {self.switch: 0.0}
        if known or here == there:
            return
        heard = self.host.heard(_COMPARED_S)
        ours, theirs = (
            loudness_lufs(effect, values | switch, heard, self.host.rate_hz, self.host.in_channels)
            for values in (here, there)
        )
        ours_db, theirs_db = trims_db(ours, theirs)
        if ours_db != theirs_db:
            self._compared = [(here, there, theirs_db), (there, here, ours_db)]
