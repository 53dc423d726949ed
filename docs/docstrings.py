"""From the docstrings of the code to Markdown: cross-references and literal blocks."""

from __future__ import annotations

import re

import rtaudio
import rtaudio.errors

PLACES = {
    **{name: f"rtaudio.{name}" for name in rtaudio.__all__},
    **{name: f"rtaudio.errors.{name}" for name in vars(rtaudio.errors) if name.endswith("Error")},
    "Effect": "rtaudio.effects.base.Effect",
    "LiveParameter": "rtaudio.live.stats.LiveParameter",
    "Stats": "rtaudio.live.stats.Stats",
}
"""The names that a page of the site describes, and the place of each."""

_ROLE = re.compile(r":(?:class|meth|func|mod|data|attr|exc):`~?([\w.]+)`")
_SECTION = re.compile(
    r"(?<=^Parameters\n----------\n).*?(?=\n\n[A-Z][\w ]+\n---|\Z)"
    r"|(?<=^Attributes\n----------\n).*?(?=\n\n[A-Z][\w ]+\n---|\Z)",
    re.MULTILINE | re.DOTALL,
)
_TOGETHER = re.compile(r"^(\w+(?:, \w+)+)\n((?:[ ]+.*(?:\n|\Z)|\n(?=[ ]))+)", re.MULTILINE)
_LITERAL = re.compile(r"^([ \t]*)(.*?)::[ \t]*\n(?=\n[ \t]+)", re.MULTILINE)


def markdown(text: str) -> str:
    """Return a docstring with its references as links and its drawings as code blocks.

    Parameters
    ----------
    text
        A docstring in reStructuredText, as the code has it.
    """
    return _LITERAL.sub(_opened, _ROLE.sub(_link, text))


def _link(match: re.Match[str]) -> str:
    path = match[1]
    name = path.rpartition(".")[2]
    if name in PLACES:
        return f"[`{name}`][{PLACES[name]}]"
    return f"`{path if ':mod:' in match[0] else name}`"


def _opened(match: re.Match[str]) -> str:
    """The line in front of a literal block: ``as drawn::`` becomes ``as drawn:``."""
    text = f"{match[2].rstrip()}:" if match[2].strip() else ""
    return f"{match[1]}{text}\n"


def apart(text: str) -> str:
    """Return a docstring in which parameters that share a text have one each.

    A reader of docstrings would give all of them the type and the default of the first.
    """
    return _SECTION.sub(lambda section: _TOGETHER.sub(_each, section[0]), text)


def _each(match: re.Match[str]) -> str:
    text = match[2].rstrip("\n")
    return "\n".join(f"{name}\n{text}" for name in match[1].split(", ")) + "\n"
