"""A change: what the session tells everybody who shows or mirrors it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["parameter", "chain", "switch", "message"]


@dataclass(frozen=True)
class Change:
    """Something of a session has changed.

    Attributes
    ----------
    kind
        ``"parameter"``: one value. ``"switch"``: one property of the session, such as ``muted``.
        ``"chain"``: another chain or other effects play, and everything is to be read anew.
        ``"message"``: a line for the player.
    name
        The parameter, the switch, or the chain.
    value
        What it is now; of a message, the text.
    source
        Whoever changed it, as it was given to the session; None if it does not matter.
    """

    kind: Kind
    name: str
    value: float | bool | str
    source: object = None
