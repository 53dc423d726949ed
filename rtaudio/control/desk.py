"""Desk: a session with everything that the page and the programming interface offer around it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rtaudio import catalogue
from rtaudio.control.feed import Feed
from rtaudio.control.inbox import Inbox
from rtaudio.control.plain import dumped
from rtaudio.control.rig import Rig
from rtaudio.control.session import Session
from rtaudio.control.shelf import presets_to_open
from rtaudio.effects.base import FILE
from rtaudio.effects.cabinet import Cabinet
from rtaudio.errors import RtaudioError
from rtaudio.mastering.styles import STYLES
from rtaudio.preset.load import load_preset

SWITCHES = ("muted", "talking", "tuning", "comparing", "assisting", "side")


class Desk:
    """What a server serves.

    Parameters
    ----------
    session
        The session.
    device, out_device, options
        What its host was made with, see :class:`~rtaudio.control.rig.Rig`.

    Attributes
    ----------
    session, rig, inbox, feed
        The parts. Files from outside and records lie in the folder of the user's presets.
    """

    def __init__(
        self,
        session: Session,
        device: str | int = "clock",
        out_device: str | int | None = None,
        **options: Any,
    ) -> None:
        folder = catalogue.user_presets_folder()
        self.session = session
        self.rig = Rig(session, folder / "records", device, out_device, **options)
        self.inbox = Inbox(folder / "files")
        self.feed = Feed(session)

    def state(self) -> dict[str, Any]:
        """Return all that a listener must know before the first change."""
        session = self.session
        return {
            "type": "state",
            "name": session.name,
            "denoises": session.denoises,
            "fair": session.fair,
            "assists": session.assists,
            "masters": session.masters,
            "style": self.feed.style,
            "styles": [*STYLES, *catalogue.user_styles()],
            "chain": self.chain(),
            "parameters": {name: asdict(one) for name, one in session.parameters().items()},
            "switches": {name: getattr(session, name) for name in SWITCHES},
            "learning": session.learning if session.learner is not None else None,
            "presets": presets_to_open(),
            "rig": asdict(self.rig.state),
        }

    def chain(self) -> list[dict[str, Any]]:
        """Return the effects that play, in order, each with the file that it plays."""
        effects = self.session.host.effects()
        return [
            asdict(one) | {"file": Path(getattr(effects.get(one.name), FILE, None) or "").name}
            for one in self.session.chain()
        ]

    def reading(self) -> dict[str, Any]:
        """Return the meters."""
        return asdict(self.session.read())

    def play_file(self, arrived: Path, use: str) -> str:
        """Check a model or an impulse response that has arrived, keep it, and play it.

        Parameters
        ----------
        arrived
            From :meth:`rtaudio.control.inbox.Inbox.receive`.
        use
            ``"model"`` or ``"response"``.

        Returns
        -------
        str
            What was done, in words.

        Raises
        ------
        RtaudioError
            It cannot be played: why.
        """
        try:
            if use == "response":
                Cabinet(arrived)
            else:
                load_preset(arrived)
        except RtaudioError as error:
            raise type(error)(str(error).replace(str(arrived), arrived.name)) from None
        kept = self.inbox.keep(arrived)
        if use == "model":
            self.session.open(kept)
            return f"{kept.stem} plays"
        kinds = [one.kind for one in self.session.chain()]
        if "cabinet" in kinds:
            self.session.replace(kinds.index("cabinet"), kept)
        else:
            amps = [place for place, kind in enumerate(kinds) if kind == "model"]
            self.session.add(kept, amps[-1] + 1 if amps else len(kinds))
        return f"{kept.stem} plays as cabinet"

    def state_message(self) -> str:
        """Return the state as JSON."""
        return dumped(self.state())
