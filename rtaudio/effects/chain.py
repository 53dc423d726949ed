"""Chain: effects one after the other, and a list of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, TypeVar, Unpack, cast, overload

from pydantic import Field, InstanceOf

from rtaudio.effects.base import Common, Effect
from rtaudio.effects.model import Model
from rtaudio.effects.noise_gate import NoiseGate
from rtaudio.errors import ParameterError, closest
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.slots import Slots


class Chain(Effect):
    """Effects in series, first to last.

    It is a list of effects, too: ``len``, iteration, ``chain[0]``, ``chain["amp"]`` (a name, or the
    kind of the first such effect without one), ``append``, ``insert``, ``remove``. What plays
    already stays as it is until it is built again.

    Parameters
    ----------
    effects
        The effects, one by one or as a list; none: a wire. A :class:`~rtaudio.NoiseGate` measures
        its key where it stands and acts after the next :class:`~rtaudio.Model` of this chain.

    Examples
    --------
    >>> chain = Chain(Gain(6), Limiter(-1))
    >>> wet = chain(np.zeros(480, np.float32), 48000)
    >>> chain.insert(0, NoiseGate(-60)); chain["limiter"].ceiling_db = -3; chain
    Chain(NoiseGate(), Gain(gain_db=6), Limiter(ceiling_db=-3))
    """

    latency_part: ClassVar[bool] = False

    effects: list[InstanceOf[Effect]] = Field(default_factory=list)

    def __init__(
        self,
        *parts: Effect | Iterable[Effect],
        effects: Iterable[Effect] = (),
        **common: Unpack[Common],
    ) -> None:
        super().__init__(effects=listed([*parts, effects]), **common)

    def __len__(self) -> int:
        return len(self.effects)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self.effects)

    def __contains__(self, effect: object) -> bool:
        return effect in self.effects or (isinstance(effect, str) and self._place(effect) >= 0)

    @overload
    def __getitem__(self, key: int | str) -> Effect: ...
    @overload
    def __getitem__(self, key: slice) -> list[Effect]: ...
    def __getitem__(self, key: int | str | slice) -> Effect | list[Effect]:
        """Return an effect by place or name, or several by their places."""
        return self.effects[self._known(key) if isinstance(key, str) else key]

    def __setitem__(self, key: int | str, effect: Effect) -> None:
        effects = [*self.effects]
        effects[self._known(key) if isinstance(key, str) else key] = effect
        self.effects = effects

    def __delitem__(self, key: int | str) -> None:
        del self.effects[self._known(key) if isinstance(key, str) else key]

    def append(self, effect: Effect) -> None:
        """Add an effect at the end."""
        self.insert(len(self), effect)

    def insert(self, place: int, effect: Effect) -> None:
        """Add an effect in front of another one.

        Parameters
        ----------
        place
            Place of the other one, as for a list.
        effect
            The effect.
        """
        effects = [*self.effects]
        effects.insert(place, effect)
        self.effects = effects

    def remove(self, effect: Effect | str) -> None:
        """Take an effect out.

        Parameters
        ----------
        effect
            The effect itself, an equal one, or its name.

        Raises
        ------
        ParameterError
            It is not in the chain.
        """
        if isinstance(effect, str):
            del self[effect]
            return
        same = [at for at, other in enumerate(self.effects) if other is effect]
        equal = [at for at, other in enumerate(self.effects) if other == effect]
        if not equal:
            raise ParameterError(f"{self.name or self.kind}: {effect!r} is not in it")
        del self.effects[(same or equal)[0]]

    def _place(self, name: str) -> int:
        """Return where the effect of a name stands, else the first of a kind; -1: nowhere."""
        names = [effect.name for effect in self.effects]
        kinds = ["" if effect.name else effect.kind for effect in self.effects]
        return next((known.index(name) for known in (names, kinds) if name in known), -1)

    def _known(self, name: str) -> int:
        place = self._place(name) if name else -1
        if place < 0:
            known = [effect.name or effect.kind for effect in self.effects]
            raise ParameterError(
                f"{self.name or self.kind} has no effect {name!r}; {closest(name, known)}"
                if known
                else f"{self.name or self.kind} has no effects"
            )
        return place

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append every effect."""
        return in_series(builder, x, self.effects)


def in_series(builder: Builder, x: Bus, effects: list[Effect]) -> Bus:
    """Append effects, first to last; a gate's gain is applied after the model it guards.

    Parameters
    ----------
    builder
        Takes the nodes.
    x
        The input.
    effects
        The effects.
    """
    waiting = []
    for position, effect in enumerate(effects):
        rest = effects[position + 1 :]
        if isinstance(effect, NoiseGate) and any(isinstance(e, Model) for e in rest):
            waiting.append(effect.add_key(builder, x))
            continue
        x = effect.add_to(builder, x)
        if isinstance(effect, Model):
            for gate in waiting:
                x = gate.apply(builder, x)
            waiting.clear()
    return x


Part = TypeVar("Part", bound=Effect)


def listed(parts: Iterable[Part | Iterable[Part]]) -> list[Part]:
    """Return effects that are given one by one, or as lists, as one list."""
    effects: list[Part] = []
    for part in parts:
        alone = isinstance(part, (Effect, str)) or not isinstance(part, Iterable)
        effects.extend([cast(Part, part)] if alone else cast(Iterable[Part], part))
    return effects
