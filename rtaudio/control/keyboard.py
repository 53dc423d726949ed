"""Single keys of the terminal while something plays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
_WINDOWS_ARROWS = {"H": "up", "P": "down", "M": "right", "K": "left"}
_ESCAPE = "\x1b"


def parse(text: str) -> tuple[list[str], str]:
    r"""Split what a terminal sends into keys: characters, ``up``, ``down``, ``left``, ``right``.

    Returns
    -------
    list of str, str
        The keys, and the beginning of an escape sequence whose end has not come yet. Other
        sequences are left out.

    Examples
    --------
    >>> parse("b\x1b[A+")
    (['b', 'up', '+'], '')
    """
    keys = []
    at = 0
    while at < len(text):
        if text[at] != _ESCAPE:
            keys.append(text[at])
            at += 1
            continue
        if at + 1 == len(text):
            return keys, text[at:]
        if text[at + 1] not in "[O":
            at += 1
            continue
        end = at + 2
        while end < len(text) and not "@" <= text[end] <= "~":
            end += 1
        if end == len(text):
            return keys, text[at:]
        if end == at + 2 and text[end] in ARROWS:
            keys.append(ARROWS[text[end]])
        at = end + 1
    return keys, ""


@contextmanager
def pressed_keys() -> Iterator[Callable[[], list[str]] | None]:
    """Give a function that returns the keys pressed since its last call, without waiting.

    None is given where stdin is no terminal. Meanwhile keys are not echoed; Ctrl-C and the like
    work as ever. The terminal is as before when the block is left, however that happens.
    """
    if not sys.stdin or not sys.stdin.isatty():
        yield None
    elif sys.platform == "win32":
        yield _windows_keys
    else:
        terminal = _Terminal(sys.stdin.fileno())
        try:
            yield terminal.read
        finally:
            terminal.restore()


def _windows_keys() -> list[str]:
    if sys.platform != "win32":
        return []
    import msvcrt

    keys = []
    while msvcrt.kbhit():
        key = msvcrt.getwch()
        if key in "\x00\xe0":
            key = _WINDOWS_ARROWS.get(msvcrt.getwch(), "")
        if key == "\x03":
            raise KeyboardInterrupt
        if key:
            keys.append(key)
    return keys


class _Terminal:
    """A POSIX terminal that hands over each key at once, as long as we are in the foreground."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = ""
        self._former: list[Any] | None = None

    def _in_foreground(self) -> bool:
        """Reading from, or setting, a terminal whose foreground is another's would stop us."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # it has been closed
            return False

    def read(self) -> list[str]:
        """Return the keys pressed since the last call."""
        import select
        import termios
        import tty

        if not self._in_foreground():
            return []
        data = b""
        with suppress(OSError, termios.error):
            mode = termios.tcgetattr(self._descriptor)
            if mode[3] & termios.ICANON:  # at the start, and where a shell has set it meanwhile
                self._former = self._former or mode
                tty.setcbreak(self._descriptor, termios.TCSANOW)
            while select.select([self._descriptor], [], [], 0)[0]:
                piece = os.read(self._descriptor, 1024)
                data += piece
                if len(piece) < 1024:
                    break
        keys, self._rest = parse(self._rest + data.decode("utf-8", "ignore"))
        return keys

    def restore(self) -> None:
        """Set the terminal as it was, and drop keys that nobody has read."""
        import termios

        if self._former is not None and self._in_foreground():
            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._former)
