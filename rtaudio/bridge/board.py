"""Board: a chain that is used as a board of pedalboard is, of its plugins and of our effects."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike
from pydantic import PrivateAttr, field_validator

from rtaudio.audio.samples import samples
from rtaudio.bridge.foreign import Foreign, mixed
from rtaudio.bridge.library import is_of_pedalboard, pedalboard
from rtaudio.bridge.pedal import Pedal
from rtaudio.bridge.pieces import Pieces, is_alone
from rtaudio.bridge.plugin import Plugin
from rtaudio.bridge.rack import append_rack
from rtaudio.effects.base import Common, Effect
from rtaudio.effects.chain import Chain, in_series, listed
from rtaudio.effects.parallel import Branch, Parallel
from rtaudio.errors import AudioError
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.memory import Array, Floats
from rtaudio.runtime.slots import Slots

BUFFER = 8192
"""The buffer size of pedalboard; here the result does not depend on it."""


class Board(Chain):
    """A chain of pedalboard's plugins and our effects, with the calls of a board of pedalboard.

    Live, plugins in a row share one worker. An object of pedalboard stays yours: the board follows
    what you assign to it between two calls, and gives it back by its place. ``Chain`` and ``Mix``
    of pedalboard become a :class:`~rtaudio.Board` and a :class:`~rtaudio.Parallel`.

    Parameters
    ----------
    effects
        A ``pedalboard.Pedalboard``, or plugins and effects, one by one or as a list.

    Raises
    ------
    PluginError
        A plugin that cannot be played here.
    ParameterError
        Something that is neither an effect nor a plugin.

    Examples
    --------
    >>> board = Board([Gain(6), Limiter()])
    >>> dry = np.zeros((2, 480), np.float32)
    >>> board(dry, 48000).shape, board(dry.T, 48000).shape
    ((2, 480), (480, 2))
    >>> late = board.plan(48000, 64).latency_samples
    >>> board.process(dry, 48000, reset=False).shape[1] + late
    480
    """

    _pieces: Pieces | None = PrivateAttr(None)
    _played: tuple[Any, ...] = PrivateAttr(())

    def __init__(self, *parts: Any, effects: Iterable[Any] = (), **common: Unpack[Common]) -> None:
        whole = [[part] if _is_mix(part) else part for part in parts]
        super().__init__(effects=listed([*whole, effects]), **common)

    @field_validator("effects", mode="before")
    @classmethod
    def _as_effects(cls, items: Any) -> Any:
        if not isinstance(items, list):
            return items
        return [_effect_of(item) if is_of_pedalboard(item) else item for item in items]

    def __iter__(self) -> Iterator[Any]:
        return map(_item_of, self.effects)

    def __contains__(self, item: object) -> bool:
        return any(each is item for each in self) or super().__contains__(item)

    def __getitem__(self, key: int | str | slice) -> Any:
        """Return what was put in, by place or name, or several by their places."""
        found = super().__getitem__(key)
        return [*map(_item_of, found)] if isinstance(found, list) else _item_of(found)

    def remove(self, effect: Any) -> None:
        """Take a plugin or an effect out.

        Parameters
        ----------
        effect
            The plugin or effect itself, an equal one, or its name.

        Raises
        ------
        ParameterError
            It is not on the board.
        """
        held = (each for each in self.effects if _item_of(each) is effect)
        super().remove(next(held, effect))

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append everything in its order; plugins in a row as one node."""
        for foreign, run in itertools.groupby(self.effects, lambda e: isinstance(e, Foreign)):
            part = [*run]
            if foreign:
                x = _append_foreign(builder, x, part, slots)
            else:
                x = in_series(builder, x, part)
        return x

    def __call__(  # type: ignore[override]
        self,
        input_array: ArrayLike,
        sample_rate: float,
        buffer_size: int = BUFFER,
        reset: bool = True,
    ) -> Floats:
        """Do as :meth:`process` does.

        Parameters
        ----------
        input_array, sample_rate, buffer_size, reset
            As there.
        """
        return self.process(input_array, sample_rate, buffer_size, reset)

    def process(
        self,
        input_array: ArrayLike,
        sample_rate: float,
        buffer_size: int = BUFFER,
        reset: bool = True,
    ) -> Floats:
        """Play sound as a board of pedalboard does.

        Parameters
        ----------
        input_array
            ``[frames]``, ``[channels, frames]`` or ``[frames, channels]``: the longer side is time.
        sample_rate
            In Hz, a whole number.
        buffer_size
            Accepted; the result does not depend on it.
        reset
            True plays a whole sound, which comes out as long as it went in. False goes on where the
            last call ended: what is late comes out shorter at first.

        Returns
        -------
        numpy.ndarray
            float32, with its sides as they came.

        Raises
        ------
        AudioError
            It is no sound, or the rate is not a whole number.
        """
        rate_hz = _whole_hz(sample_rate)
        x: Array = np.asarray(input_array)
        turned = x.ndim == 2 and x.shape[0] > x.shape[1]
        planar = samples(x.T if turned else x)
        if reset:
            self._pieces = None
            wet = self._whole(planar, rate_hz)
        else:
            wet = self._continued(planar, rate_hz)
        if x.ndim == 1 and len(wet) == 1:
            mono: Floats = wet[0]
            return mono
        return np.ascontiguousarray(wet.T) if turned else wet

    def reset(self) -> None:
        """Forget what was played by ``process(..., reset=False)``."""
        self._pieces = None

    def _whole(self, x: Floats, rate_hz: int) -> Floats:
        """Render a whole sound, one part after the other, as pedalboard does."""
        wet = x
        for alone, run in itertools.groupby(self.effects, lambda e: isinstance(e, (Pedal, Board))):
            for part in run if alone else [Chain([*run])]:
                wet = part(wet, rate_hz)
        return mixed(self, x, wet)

    def _continued(self, x: Floats, rate_hz: int) -> Floats:
        own = self.mix == 1.0 and not self.bypass
        effects = self.effects if own else [self]
        wanted = (rate_hz, len(x), own, *((id(e), is_alone(e)) for e in self.effects))
        if self._pieces is None or self._played != wanted:
            self._pieces = Pieces(effects, rate_hz, len(x))
            self._played = wanted
        return self._pieces.process(x)


def _whole_hz(sample_rate: float) -> int:
    """Return a sample rate that is a whole number."""
    try:
        rate_hz = int(sample_rate)
        whole = rate_hz == sample_rate
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise AudioError(f"sample_rate = {sample_rate!r} is not a whole number of Hz")
    return rate_hz


def _append_foreign(builder: Builder, x: Bus, effects: list[Any], slots: Slots) -> Bus:
    """Append plugins in a row; each has its own name and parameters."""
    places, names = [], []
    for effect in effects:
        with builder.named(effect.name, effect.usual_name) as name:
            places.append(effect.place(effect.publish(builder), alone=False))
            names.append(name)
    chunk = max(effect.chunk for effect in effects)
    out = append_rack(builder, x, places, slots.slot("bypass"), chunk)
    builder.latency_parts[" + ".join(names)] = out.latency_samples - x.latency_samples
    return out


def _item_of(effect: Effect) -> Any:
    """Return what was put on the board: an object of pedalboard, or the effect itself."""
    given = effect.given if isinstance(effect, Foreign) else None
    return effect if given is None else given


def _is_mix(part: object) -> bool:
    return is_of_pedalboard(part) and isinstance(part, pedalboard().Mix)


def _effect_of(plugin: Any) -> Effect:
    """Return the effect that plays an object of pedalboard."""
    library = pedalboard()
    if isinstance(plugin, library.Mix):
        return Parallel([Branch(Board([each])) for each in plugin])
    if isinstance(plugin, library.Chain):
        return Board([*plugin])
    if isinstance(plugin, library.ExternalPlugin):
        return Plugin.of(plugin)
    return Pedal.of(plugin)
