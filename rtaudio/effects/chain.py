"""Chain and Parallel: effects one after the other, and side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field, SerializeAsAny

from rtaudio.effects.base import Effect
from rtaudio.effects.model import Model
from rtaudio.effects.noise_gate import NoiseGate
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.slots import Slots


class Chain(Effect):
    """Effects in series, first to last.

    Parameters
    ----------
    effects
        The effects; may be empty (a wire). A :class:`~rtaudio.NoiseGate` measures its key where it
        stands and acts after the next :class:`~rtaudio.Model` of this chain.

    Examples
    --------
    >>> chain = Chain([Gain(gain_db=6.0), Limiter(ceiling_db=-1.0)])
    >>> wet = chain(np.zeros(480, np.float32), 48000)
    """

    latency_part: ClassVar[bool] = False

    effects: list[SerializeAsAny[Effect]] = Field(default_factory=list)

    def __init__(self, effects: Sequence[Effect] = (), **fields: Any) -> None:
        super().__init__(**{"effects": list(effects), **fields})

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append every effect; a gate's gain is applied after the model it guards."""
        waiting = []
        for position, effect in enumerate(self.effects):
            rest = self.effects[position + 1 :]
            if isinstance(effect, NoiseGate) and any(isinstance(e, Model) for e in rest):
                waiting.append(effect.add_key(builder, x))
                continue
            x = effect.add_to(builder, x)
            if isinstance(effect, Model):
                for gate in waiting:
                    x = gate.apply(builder, x)
                waiting.clear()
        return x
