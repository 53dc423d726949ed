"""The session: what a player changes of a host while it plays, whatever he changes it with."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

from rtaudio.catalogue import user_presets_folder
from rtaudio.control.set_list import SetList
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import RtaudioError
from rtaudio.preset.load import is_model, load_preset
from rtaudio.preset.save_copy import save_copy
from rtaudio.shipped import shipped_presets

if TYPE_CHECKING:
    from rtaudio.live.host import Host


class Session:
    """Presets, two settings to compare, mute, tuner and saving, around a playing host.

    Parameters
    ----------
    host
        The host; it may be muted.
    presets
        What to step through; None: only what plays.
    load
        Makes the chain of a file.

    Attributes
    ----------
    muted, talking
        Whether the user has muted the output, and whether push-to-talk lets it through.
    tuning
        Whether the tuner is on; meanwhile the output is muted.
    comparing
        Whether the chain is bypassed, or compares if it can.
    side
        ``"A"`` or ``"B"``: which of two settings plays.
    said
        The last message for the player; empty if there is none.
    saved
        The files written so far.
    """

    def __init__(
        self,
        host: Host,
        presets: SetList | None = None,
        load: Callable[[Path], Chain] = load_preset,
    ) -> None:
        self.host = host
        self.presets = presets
        self.muted = host.muted
        self.talking = False
        self.tuning = False
        self.comparing = False
        self.side = "A"
        self.said = ""
        self.saved: list[Path] = []
        self._load = load
        self._playing = None if presets is None else presets.path
        self._other: dict[str, float] | None = None

    @property
    def switch(self) -> str:
        """The parameter that compares: that of a denoiser, or else the bypass of all."""
        names = self.host.parameters()
        compare = next((name for name in names if name.endswith(".compare")), None)
        return compare or f"{self.host.chain_name}.bypass"

    @property
    def denoises(self) -> bool:
        """Whether the chain cleans a voice, so that it compares instead of being bypassed."""
        return self.switch.endswith(".compare")

    @property
    def name(self) -> str:
        """Name of what plays."""
        return self.host.effect.name or self.host.effect.kind

    def compare(self) -> None:
        """Switch the comparison on or off."""
        self.comparing = not self.comparing
        self.host.set(self.switch, self.comparing)

    def apply_mute(self) -> None:
        """Make the host silent, or not, as mute, push-to-talk and tuner demand."""
        self.host.muted = self.tuning or (self.muted and not self.talking)

    def step_preset(self, direction: int) -> None:
        """Cross-fade to a neighbour in the set list; one that cannot be played is named.

        Parameters
        ----------
        direction
            1 is the next one, -1 the one before.
        """
        if self.presets is None:
            return
        path = self.presets.step(direction)
        try:
            self.host.swap(self._load(path))
        except (RtaudioError, OSError) as error:
            self.said = f"{path.name} cannot be played: {error}"
            return
        self._playing, self._other = path, None
        self.side, self.comparing, self.said = "A", False, ""

    def change_side(self) -> None:
        """Cross-fade to the other one of two settings of this preset.

        At first B is what A is.
        """
        kept = self.host.values()
        kept.pop(self.switch)
        new = self._other is None
        if self._other is not None:
            self.host.recall(self._other)
        self._other = kept
        self.side = "B" if self.side == "A" else "A"
        self.said = f"{self.side} begins as the other side; change it" if new else ""

    def save(self) -> None:
        """Save what plays as a new preset, and say where; a fault is said, too.

        It goes beside the preset that it was made of if that is the user's own, else into the
        folder of his presets.
        """
        chain = self.host.effect
        if not isinstance(chain, Chain):
            chain = Chain([chain], name=self.name)
        source = self._playing
        if source is not None and (is_model(source) or source.suffix not in (".yaml", ".yml")):
            source = None
        own = source is not None and source not in shipped_presets().values()
        folder = source.parent if own and source is not None else user_presets_folder()
        try:
            path = save_copy(_audible(chain, self.switch), folder, source)
        except (RtaudioError, OSError) as error:
            self.said = f"not saved: {error}"
            return
        self.saved.append(path)
        self.said = f"saved as {path}"


def _audible(chain: Chain, switch: str) -> Chain:
    """Return a chain without the comparison that may be on."""
    audible = copy(chain)
    if switch.endswith(".bypass"):
        audible.bypass = False
        return audible
    owner = switch.rpartition(".")[0]

    def plain(effect: Effect) -> Effect:
        mine = owner in (effect.name, effect.kind) and "compare" in type(effect).model_fields
        if not mine:
            return effect
        alone = copy(effect)
        alone.set_live("compare", False)
        return alone

    audible.effects = [plain(effect) for effect in chain.effects]
    return audible
