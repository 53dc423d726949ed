"""Pieces: sound through a board call by call, as ``process(..., reset=False)`` of pedalboard."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from rtaudio.bridge.foreign import Foreign
from rtaudio.bridge.library import pedalboard
from rtaudio.effects.base import Effect
from rtaudio.effects.chain import Chain
from rtaudio.errors import PluginError
from rtaudio.runtime.memory import Floats

Play = Callable[[Floats], Floats]


class Pieces:
    """Plays pieces of any size, each where the last one ended; what is late comes out shorter.

    Plugins are called with the very pieces, and keep what they hold back; the first samples of our
    effects, which are silence as long as their latency, are dropped.

    Parameters
    ----------
    effects
        The effects, first to last.
    rate_hz, channels
        Sample rate, and channels of the input.
    """

    def __init__(self, effects: Sequence[Effect], rate_hz: int, channels: int) -> None:
        self._rate_hz, self._channels = rate_hz, channels
        self._parts: list[Play] = []
        for alone, run in itertools.groupby(effects, is_alone):
            part = [*run]
            self._parts.append(self._plugins(part) if alone else self._own(Chain(part)))

    def process(self, x: Floats) -> Floats:
        """Play the next piece, float32 ``[channels, frames]``."""
        for play in self._parts:
            x = play(x)
        return x

    def _own(self, effect: Effect) -> Play:
        stream = effect.stream(self._rate_hz, self._channels)
        self._channels = stream.out_channels
        late = stream.latency_samples

        def play(x: Floats) -> Floats:
            nonlocal late
            wet = stream.process(x)
            early = min(late, wet.shape[1])
            late -= early
            return wet[:, early:]

        return play

    def _plugins(self, effects: Sequence[Any]) -> Play:
        """Play plugins in a row in one call, as a ``Pedalboard`` does."""
        instances = [effect.load() for effect in effects]
        applied = [effect.values() for effect in effects]
        board = pedalboard().Pedalboard([instance.plugin for instance in instances])

        def play(x: Floats) -> Floats:
            for effect, instance, former in zip(effects, instances, applied, strict=True):
                for name, value in effect.values().items():
                    if former[name] != value:
                        former[name] = value
                        instance.apply(name, value)
            if not x.shape[1]:
                return x
            try:
                wet: Floats = board.process(x, self._rate_hz, reset=False)
            except (ValueError, TypeError, RuntimeError) as error:
                names = ", ".join(effect.name or effect.usual_name for effect in effects)
                raise PluginError(f"{names}: {' '.join(str(error).split())}") from None
            return wet

        return play


def is_alone(effect: Effect) -> bool:
    """Return whether an effect is a plugin that pedalboard may play here as it is."""
    plain = effect.mix == 1.0 and not effect.bypass
    return isinstance(effect, Foreign) and plain and not getattr(effect, "isolate", False)
