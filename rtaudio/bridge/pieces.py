"""Pieces: sound through a board call by call, as ``process(..., reset=False)`` of pedalboard."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from rtaudio.bridge.foreign import Foreign
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
        for alone, run in itertools.groupby(effects, _is_alone):
            if alone:
                self._parts += [self._foreign(part) for part in run if isinstance(part, Foreign)]
            else:
                self._parts.append(self._own(Chain([*run])))

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

    def _foreign(self, effect: Foreign) -> Play:
        instance = effect.load()
        applied = effect.values()

        def play(x: Floats) -> Floats:
            for name, value in effect.values().items():
                if applied[name] != value:
                    applied[name] = value
                    instance.apply(name, value)
            if not x.shape[1]:
                return x
            try:
                return instance.process(x, self._rate_hz)
            except (ValueError, TypeError, RuntimeError) as error:
                raise PluginError(f"{effect.name or effect.usual_name}: {error}") from None

        return play


def _is_alone(effect: Effect) -> bool:
    """Return whether an effect is a plugin that pedalboard may play as it is."""
    return isinstance(effect, Foreign) and effect.mix == 1.0 and not effect.bypass
