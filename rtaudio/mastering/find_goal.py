"""Find a goal: of a named style, of one that the user has learnt, or of a file with one."""

from __future__ import annotations

from pathlib import Path

from rtaudio.catalogue import user_styles
from rtaudio.errors import ParameterError, closest
from rtaudio.mastering.goal import Goal, goal_of_style
from rtaudio.mastering.learnt_style import LearntStyle
from rtaudio.mastering.styles import STYLES

SUFFIX = ".yaml"


def find_goal(style: str) -> Goal:
    """Return the goal of a style.

    Parameters
    ----------
    style
        A name of `rtaudio.mastering.styles.STYLES`, that of a style among the user's, or the path
        of a file that ``rtaudio style`` has written (.yaml).

    Raises
    ------
    ParameterError
        There is no such style, or the file is none.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> find_goal("pink").tolerance_db
    4.0
    """
    if style in STYLES:
        return goal_of_style(style)
    if Path(style).suffix == SUFFIX:
        return LearntStyle.read(style).goal()
    own = user_styles()
    if style not in own:
        raise ParameterError(f"style = {style!r} is unknown; {closest(style, [*STYLES, *own])}")
    return LearntStyle.read(own[style]).goal()
