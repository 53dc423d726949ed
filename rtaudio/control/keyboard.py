"""Single keys pressed on the terminal while something plays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
_WINDOWS_ARROWS = {"H": "up", "P": "down", "M": "right", "K": "left"}
_ESCAPE = "\x1b"


def parse_keys(text: str) -> tuple[list[str], str]:
    r"""Split the input of a terminal into keys: characters, ``up``, ``down``, ``left``, ``right``.

    Returns
    -------
    keys : list of str
        The keys pressed; unknown escape sequences are skipped.
    rest : str
        An incomplete escape sequence at the end. Put it before the next input.

    Examples
    --------
    >>> parse_keys("b\x1b[A+")
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
    """Read single keys while the block runs.

    Keys are not echoed, and Ctrl-C works as usual. The terminal mode is restored when the block
    ends, for whatever reason.

    Yields
    ------
    callable or None
        A function that returns the keys pressed since its last call, without waiting. None if
        stdin is not a terminal.

    Examples
    --------
    >>> with pressed_keys() as read_keys:                                   # doctest: +SKIP
    ...     while read_keys and "q" not in read_keys():
    ...         time.sleep(0.02)
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
    """A POSIX terminal that delivers each key at once while this process is in the foreground."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = ""
        self._former: list[Any] | None = None

    def _in_foreground(self) -> bool:
        """Say whether the terminal may be read and set: in the background that stops a process."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:  # the terminal has been closed
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
            if mode[3] & termios.ICANON:  # at the start, and after a shell has set it again
                self._former = self._former or mode
                tty.setcbreak(self._descriptor, termios.TCSANOW)
            while select.select([self._descriptor], [], [], 0)[0]:
                piece = os.read(self._descriptor, 1024)
                data += piece
                if len(piece) < 1024:
                    break
        keys, self._rest = parse_keys(self._rest + data.decode("utf-8", "ignore"))
        return keys

    def restore(self) -> None:
        """Restore the terminal mode, and drop unread keys."""
        import termios

        if self._former is not None and self._in_foreground():
            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._former)
