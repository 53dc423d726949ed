"""History: what can be undone and done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

GESTURE_S = 1.0
"""Changes of one thing that follow each other faster are one step."""

LONGEST = 200
"""Steps that are kept; each chain of them keeps its models in memory."""


@dataclass
class _Step:
    words: str
    undo: Callable[[], None]
    redo: Callable[[], None]
    key: str | None
    at_s: float


class History:
    """Steps, of which the last one can be undone, and the last undone one done again.

    Examples
    --------
    >>> history, knob = History(), {"gain": 0}
    >>> for value in (1, 2):
    ...     before = knob["gain"]
    ...     knob["gain"] = value
    ...     history.add(f"gain = {value}", lambda to=before: knob.update(gain=to),
    ...                 lambda to=value: knob.update(gain=to), "gain", now_s=0.3 * value)
    >>> history.undo(), knob, history.redo(), knob["gain"], history.redo()
    ('gain = 2', {'gain': 0}, 'gain = 2', 2, None)
    """

    def __init__(self) -> None:
        self._done: list[_Step] = []
        self._undone: list[_Step] = []

    def add(
        self,
        words: str,
        undo: Callable[[], None],
        redo: Callable[[], None],
        key: str | None = None,
        now_s: float = 0.0,
    ) -> None:
        """Add what has just been done. What was undone before can no longer be done again.

        Parameters
        ----------
        words
            The step in words.
        undo, redo
            Do the opposite, and the same again.
        key
            Steps of one key that follow each other within a second become one. None: never.
        now_s
            The time, on any clock in seconds.
        """
        last = self._done[-1] if self._done else None
        one = last is not None and key is not None and last.key == key and not self._undone
        if last is not None and one and now_s - last.at_s < GESTURE_S:
            last.words, last.redo, last.at_s = words, redo, now_s
            return
        self._undone.clear()
        self._done.append(_Step(words, undo, redo, key, now_s))
        del self._done[:-LONGEST]

    def undo(self) -> str | None:
        """Undo the last step and return it in words; None if there is none."""
        if not self._done:
            return None
        step = self._done.pop()
        step.undo()
        step.key = None
        self._undone.append(step)
        return step.words

    def redo(self) -> str | None:
        """Do the last undone step again and return it in words; None if there is none."""
        if not self._undone:
            return None
        step = self._undone.pop()
        step.redo()
        self._done.append(step)
        return step.words

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()
