"""Parallel: effects side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from pydantic import Field, InstanceOf

from rtaudio.effects.base import Common, Effect, parameter
from rtaudio.effects.chain import Chain, listed
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.slots import Slots


class _BranchOptions(Common, total=False):
    gain_db: float
    pan: float


class Branch(Chain):
    """One branch of a :class:`Parallel`: a chain with a level and a place in the stereo image.

    Parameters
    ----------
    effects
        The effects in series; none: the dry signal.
    gain_db
        Level of this branch in the sum.
    pan
        -1 left only .. 0 both .. 1 right only (balance law: the louder side keeps its level).
    """

    gain_db: float = parameter(0.0, -80.0, 24.0, "dB", "level in the sum")
    pan: float = parameter(0.0, -1.0, 1.0, "", "-1 left .. 1 right")

    def __init__(
        self,
        *parts: Effect | Iterable[Effect],
        effects: Iterable[Effect] = (),
        **options: Unpack[_BranchOptions],
    ) -> None:
        Effect.__init__(self, effects=listed([*parts, effects]), **options)


class Parallel(Effect):
    """Branches side by side: each gets the input, all are brought to one latency and summed.

    Parameters
    ----------
    branches
        One or more :class:`Branch`, one by one or as a list; a branch without effects is the dry
        signal. The sum is stereo if a branch is panned or stereo when the program is built, else it
        has the channels of the input.

    Examples
    --------
    >>> late = Delay(time_ms=12.0, mix=1.0)
    >>> wide = Parallel(Branch(Gain(), pan=-1.0), Branch(late, pan=1.0))
    """

    branches: list[InstanceOf[Branch]] = Field(min_length=1)

    def __init__(
        self,
        *parts: Branch | Iterable[Branch],
        branches: Iterable[Branch] = (),
        **common: Unpack[Common],
    ) -> None:
        super().__init__(branches=listed([*parts, branches]), **common)

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append every branch, then the sum."""
        parts = dict(builder.latency_parts)
        ends, levels = [], []
        for branch in self.branches:
            ends.append(branch.add_to(builder, x))
            levels.append(builder.slots_of(branch))
        builder.latency_parts = parts
        channels = max(end.channels for end in ends)
        if any(branch.pan for branch in self.branches):
            channels = max(channels, 2)
        return builder.mix([builder.adapt(end, channels) for end in ends], levels)
