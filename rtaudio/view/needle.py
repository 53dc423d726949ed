"""The needle of a tuner, steadied and drawn."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from rtaudio.analysis.tuner import Tuning

_HOLD_S = 1.5
_IN_TUNE_CENTS = 2.0
_HALF_WIDTH = 15


class Needle:
    """Steadies the readings: shows the median of the last five readings of one note.

    The last note stays while nothing is heard.

    Attributes
    ----------
    tuning
        The reading to show; None before the first note.
    age_s
        Seconds since the last reading.
    """

    def __init__(self) -> None:
        self.tuning: Tuning | None = None
        self.age_s = 0.0
        self._last: deque[Tuning] = deque(maxlen=5)

    def read(self, tuning: Tuning | None, elapsed_s: float) -> None:
        """Take the next reading.

        Parameters
        ----------
        tuning
            The reading; None if no clear note was heard.
        elapsed_s
            Seconds since the last call.
        """
        if tuning is None:
            self.age_s += elapsed_s
            self._last.clear()
            return
        if self._last and tuning.note != self._last[-1].note:
            self._last.clear()
        self.age_s = 0.0
        self._last.append(tuning)
        self.tuning = replace(
            tuning,
            hz=statistics.median(t.hz for t in self._last),
            cents=statistics.median(t.cents for t in self._last),
        )

    def drawn(self, hint: str) -> Text:
        """Draw the note, and its place on a scale from -50 to 50 cents.

        Parameters
        ----------
        hint
            What stands there before the first note.
        """
        from rich.text import Text

        tuning = self.tuning
        if tuning is None:
            return Text(hint, "dim")
        here = round(tuning.cents / 50.0 * _HALF_WIDTH)
        cells = ["─"] * (2 * _HALF_WIDTH + 1)
        cells[_HALF_WIDTH] = "┼"
        cells[_HALF_WIDTH + here] = "█"
        in_tune = abs(tuning.cents) <= _IN_TUNE_CENTS
        colour = "dim" if self.age_s > _HOLD_S else "green" if in_tune else "yellow"
        side = "in tune" if in_tune else "flat: tighten" if tuning.cents < 0 else "sharp: loosen"
        text = f"{tuning.note:>4}  {''.join(cells)}  {tuning.cents:+5.1f} cents {tuning.hz:8.2f} Hz"
        return Text(f"{text}  {side}", colour)
