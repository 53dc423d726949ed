"""HTML for notebooks: an effect as a small table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape


def card(title: str, settings: Mapping[str, str], parts: Sequence[str] = ()) -> str:
    """Return a title, its settings, and the cards of what is inside it in their order.

    Parameters
    ----------
    title
        The title.
    settings
        Name and value of each setting.
    parts
        Cards, as HTML.

    Examples
    --------
    >>> card("Gain", {"gain_db": "6"})
    '<b>Gain</b> <code>gain_db=6</code>'
    """
    words = [f"<b>{escape(title)}</b>"]
    words += [f"<code>{escape(name)}={escape(value)}</code>" for name, value in settings.items()]
    inner = "".join(f"<li>{part}</li>" for part in parts)
    return " ".join(words) + (f"<ol>{inner}</ol>" if inner else "")
