"""Separate: the stems of a song, each with its own level, while it plays.

::

    x --+--> model --> stems --(- their sum)--.
        |                |                    v
        `--> delay ------)-----------------> rest      the stem that makes the sum exact
                         |                    |
                      x gain               x gain ---> sum, or each on channels of its own
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from pydantic import Field, PrivateAttr

from rtaudio.effects.base import Common, Effect, parameter, slots_at
from rtaudio.effects.model_player import ModelPlayer
from rtaudio.errors import ParameterError
from rtaudio.models.contract.card import Card
from rtaudio.models.loader import LoadedModel, load_model
from rtaudio.models.stems import RESIDUAL, STEMS
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, i64_at, struct_at
from rtaudio.shipped import shipped_separators

STEREO = 2
OFF_DB = -80.0
"""From this level down, a stem is silent."""


def shipped_separator() -> Path:
    """Return the model file of the separator that comes with rtaudio."""
    return shipped_separators()["separate"]


class _SeparateOptions(Common, total=False):
    worker: bool | None
    output: Literal["mix", "stems"]
    vocals_db: float
    drums_db: float
    bass_db: float
    other_db: float
    vocals_mute: bool
    drums_mute: bool
    bass_mute: bool
    other_mute: bool
    vocals_solo: bool
    drums_solo: bool
    bass_solo: bool
    other_solo: bool


def _level(stem: str) -> Any:
    return parameter(0.0, OFF_DB, 6.0, "dB", f"level of the {stem}; {OFF_DB:g} is silence")


def _switch(description: str) -> Any:
    return Field(
        default=False, description=description, json_schema_extra={"unit": "", "live": True}
    )


class Separate(Effect):
    """Take a song apart into vocals, drums, bass and everything else, and set their levels.

    With all levels at 0 dB it is a pure delay, to the rounding of a sample. A guitar is ``other``,
    as keyboards are. Mono or stereo; what comes out has the channels of the input.

    Parameters
    ----------
    file
        The model: a separator with stereo input, as ``rtaudio train`` makes them; default: the
        shipped one.
    worker
        As for :class:`~rtaudio.Model`: None decides live.
    output
        ``"mix"`` plays the sum of the stems; ``"stems"`` puts each on channels of its own, in the
        order of the model: vocals left and right, then drums, bass and other.
    vocals_db, drums_db, bass_db, other_db
        Levels, -80 (silence) .. 6 dB. A stem that the model does not tell from others goes with
        ``other``.
    vocals_mute, drums_mute, bass_mute, other_mute
        True silences a stem.
    vocals_solo, drums_solo, bass_solo, other_solo
        If some are True, only those stems play; muted ones stay silent.

    Raises
    ------
    FileNotFoundError, ContractError
        No such file, or it is not a model that can be played.
    ParameterError
        The model is no separator of a stereo signal.

    Examples
    --------
    >>> karaoke = Separate("net.onnx", vocals_mute=True)           # doctest: +SKIP
    >>> backing = karaoke(song, 44100)                             # doctest: +SKIP
    """

    file: Path = Field(default_factory=shipped_separator, description="the separator")
    worker: bool | None = Field(None, description="run in a thread of its own; null: decide live")
    output: Literal["mix", "stems"] = "mix"
    vocals_db: float = _level("vocals")
    drums_db: float = _level("drums")
    bass_db: float = _level("bass")
    other_db: float = _level("other stems")
    vocals_mute: bool = _switch("silence the vocals")
    drums_mute: bool = _switch("silence the drums")
    bass_mute: bool = _switch("silence the bass")
    other_mute: bool = _switch("silence everything else")
    vocals_solo: bool = _switch("play the vocals alone")
    drums_solo: bool = _switch("play the drums alone")
    bass_solo: bool = _switch("play the bass alone")
    other_solo: bool = _switch("play everything else alone")

    _loaded: LoadedModel = PrivateAttr()

    def __init__(self, file: str | Path | None = None, **options: Unpack[_SeparateOptions]) -> None:
        super().__init__(file=shipped_separator() if file is None else file, **options)
        self._loaded = load_model(self.file)
        if not self.card.stems or self.card.channels[0] != STEREO or self.card.parameters:
            raise ParameterError(
                f"{self.file}: is no separator of a stereo signal without knobs; choose another"
            )

    @property
    def card(self) -> Card:
        """The model's :class:`~rtaudio.models.contract.card.Card`."""
        return self._loaded.file.card

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the model, the delay of the song, and what mixes the stems."""
        if x.channels > STEREO:
            raise ParameterError(
                f"{self.name or self.kind}: takes one or two channels, not {x.channels}; adapt them"
            )
        stems = self.card.stems
        rest = stems.index(RESIDUAL) if RESIDUAL in stems else len(stems) - 1
        controls = [STEMS.index(stem) if stem in STEMS else len(STEMS) - 1 for stem in stems]
        parts = ModelPlayer(self._loaded, worker=self.worker).append(builder, x, None)
        apart = self.output == "stems"
        node = Node(
            mix_stems,
            out_channels=x.channels * (len(stems) if apart else 1),
            params=slots,
            work={
                "ramps": np.array([settled(gain) for gain in self._gains()], RAMP),
                "gains": np.zeros(len(STEMS), np.float32),
            },
            constants={"controls": np.array(controls, np.int64)},
            dry=builder.delay_to(x, parts.latency_samples),
            sides=x.channels,
            stems=len(stems),
            rest=rest,
            apart=apart,
            ramp_samples=ramp_samples(builder.rate_hz),
        )
        return builder.run(node, parts)

    def _gains(self) -> list[float]:
        """Return the gain of each stem of `STEMS`, as the kernel computes it."""
        values = self.live_values()
        alone = any(values[f"{stem}_solo"] for stem in STEMS)
        return [
            0.0 if values[f"{stem}_mute"] or (alone and not values[f"{stem}_solo"])
            or values[f"{stem}_db"] <= OFF_DB else from_db(values[f"{stem}_db"])
            for stem in STEMS
        ]  # fmt: skip


STATE = state_dtype(
    ("dry", "i8"),
    ("ramps", "i8"),
    ("gains", "i8"),
    ("controls", "i8"),
    ("sides", "i8"),
    ("stems", "i8"),
    ("rest", "i8"),
    ("apart", "i8"),
    ("ramp_samples", "i8"),
)
"""``dry``: address of the song, in time with src, with ``sides`` channels. ``controls``: which of
the four levels each of the ``stems`` follows. ``rest``: the stem that is what the others leave of
the song. ``apart``: whether each stem has channels of its own."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Separate)
_ramp_at = struct_at(RAMP)


@kernel(STATE)
def mix_stems(state, src, dst, frames):
    """Weigh the stems, of which the last is the song without the others."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    levels = (p.vocals_db, p.drums_db, p.bass_db, p.other_db)
    mutes = (p.vocals_mute, p.drums_mute, p.bass_mute, p.other_mute)
    solos = (p.vocals_solo, p.drums_solo, p.bass_solo, p.other_solo)
    alone = solos[0] + solos[1] + solos[2] + solos[3] > 0.0
    for k in range(4):
        gain = 0.0
        if mutes[k] == 0.0 and levels[k] > OFF_DB and (not alone or solos[k] > 0.0):
            gain = from_db(levels[k])
        aim(_ramp_at(s.ramps + 16 * k), gain, s.ramp_samples)
    dry, gains, controls = f32_at(s.dry), f32_at(s.gains), i64_at(s.controls)
    half = np.float32(0.5)
    for i in range(frames):
        for k in range(4):
            gains[k] = advance(_ramp_at(s.ramps + 16 * k))
        for side in range(s.sides):
            rest = dry[side * s.stride + i]
            total = np.float32(0.0)
            for k in range(s.stems):
                if k == s.rest:
                    continue
                at = 2 * k * s.stride + i
                if s.sides == 1:
                    part = half * (src[at] + src[at + s.stride])
                else:
                    part = src[at + side * s.stride]
                rest -= part
                weighed = gains[controls[k]] * part
                total += weighed
                if s.apart:
                    dst[(k * s.sides + side) * s.stride + i] = weighed
            weighed = gains[controls[s.rest]] * rest
            if s.apart:
                dst[(s.rest * s.sides + side) * s.stride + i] = weighed
            else:
                dst[side * s.stride + i] = total + weighed
    return 0
