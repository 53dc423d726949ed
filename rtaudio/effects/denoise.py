"""Denoise: a voice without the noise around it.

The kernel mixes the output of a denoiser (wet) with the equally late noisy signal (dry):

::

    src (wet) --+--> less rest --> voice? --> gain of the pauses --.
                |        ^                                         v
                +--------|----------------------------------------(x)--.
                |        |                                             v
    dry --------+--------+--> share of attenuation limit -------------(+)-> compare --> gain --> dst
                |                                                             ^
                `--> wet against dry while there is voice: level match -------'

The denoiser is the voice detector. In pauses its output is nearly a constant share of the noisy
signal, sample by sample. This rest may be louder than the weak start of a word; so the share is
learnt in pauses, and the rest is taken away before the power is measured. The remainder is speech
where its power stands out of the floor, which is the power that it has in pauses: the minimum over
the last seconds (after R. Martin, "Noise power spectral density estimation based on optimal
smoothing and minimum statistics", IEEE TSAP 9(5), 2001, with one band and two windows); and where
it is no further below the speech so far than words are. What is a little weaker may be the start of
one: it opens the gate, but is not held. Opening too often costs only some reduction. So the
thresholds are low, the gate opens at once and closes late.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Unpack

import numpy as np
from pydantic import Field, PrivateAttr

from rtaudio.effects.base import Common, Effect, parameter, slots_at
from rtaudio.effects.model import Model
from rtaudio.errors import ParameterError
from rtaudio.models.contract.card import Card
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, struct_at
from rtaudio.shipped import shipped_models

ROOM, USUAL_ROOM = "dereverberation_percent", 50.0
"""The parameter, which is also the name of the knob in the card of a model, and its default."""


def shipped_denoiser() -> Path:
    """Return the model that :class:`Denoise` plays unless it is given another one."""
    return shipped_models()["denoise"]


class _DenoiseOptions(Common, total=False):
    worker: bool | None
    attenuation_limit_db: float
    pause_db: float
    dereverberation_percent: float
    hold_ms: float
    gain_db: float
    compare: bool


class Denoise(Effect):
    """Keep the voice, remove the noise: a denoising model, and its controls while it plays.

    The noisy signal is delayed by exactly the latency of the model (its window and look-ahead, and
    resampling, hop and worker where they are needed), so a mix of the two never combs. An
    attenuation limit of 0 dB, mix 0 and bypass are pure delays.

    Parameters
    ----------
    file
        The model: any denoiser that :class:`~rtaudio.Model` plays; default: the shipped one.
    worker
        As for :class:`~rtaudio.Model`: None decides live.
    attenuation_limit_db
        Maximum reduction of the noise: ``10^(-limit / 20)`` of the noisy signal is mixed in,
        0 .. 100 dB. 0 is a pure delay, 100 no limit.
    pause_db
        Further reduction between words, 0 (off) .. 40 dB, within the limit.
    dereverberation_percent
        Late reverberation taken away: 0 (the room stays) .. 100 %; 50 is what goes with the noise.
    hold_ms
        Time after its last sound for which a word lasts, 50 .. 2000 ms.
    gain_db
        Level of the output, -40 .. 40 dB.
    compare
        True plays the noisy signal instead, with its speech at the same level, so that the ear
        compares noise, not loudness. ``bypass`` and ``mix`` do not change the level.

    Raises
    ------
    FileNotFoundError, ContractError, ParameterError
        No such file; it is not a model that can be played; it has no knob for the room.

    Notes
    -----
    The limit is that of DeepFilterNet (H. Schröter et al., 2022), on samples in place of spectra.
    Voice is detected in the output of the model, which costs no latency.

    Examples
    --------
    >>> clean = Denoise(attenuation_limit_db=24.0)(noisy, 48000)   # doctest: +SKIP
    """

    file: Path = Field(default_factory=shipped_denoiser)
    worker: bool | None = Field(None, description="run in a thread of its own; null: decide live")
    attenuation_limit_db: float = parameter(
        100.0, 0.0, 100.0, "dB", "maximum reduction of the noise"
    )
    pause_db: float = parameter(0.0, 0.0, 40.0, "dB", "further reduction between words")
    dereverberation_percent: float = parameter(
        USUAL_ROOM, 0.0, 100.0, "%", "how much of the late reverberation is taken away"
    )
    hold_ms: float = parameter(250.0, 50.0, 2000.0, "ms", "length of a word after its last sound")
    gain_db: float = parameter(0.0, -40.0, 40.0, "dB", "level of the output")
    compare: bool = Field(
        default=False,
        description="play the noisy signal, its speech equally loud",
        json_schema_extra={"unit": "", "live": True},
    )

    _model: Model = PrivateAttr()

    def __init__(self, file: str | Path | None = None, **options: Unpack[_DenoiseOptions]) -> None:
        super().__init__(file=shipped_denoiser() if file is None else file, **options)
        self._model = Model(self.file, worker=self.worker)
        self._check_room(self.dereverberation_percent)

    @property
    def card(self) -> Card:
        """The model's :class:`~rtaudio.models.contract.card.Card`."""
        return self._model.card

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Assign a live parameter; dereverberation only if the model has a knob for it."""
        if parameter == ROOM:
            self._check_room(value)
        return super().set_live(parameter, value)

    def _check_room(self, percent: float) -> None:
        if percent != USUAL_ROOM and not self._has_room():
            raise ParameterError(
                f"{self.file}: the model has no knob for the room; remove {ROOM}, or choose another"
            )

    def _has_room(self) -> bool:
        return [knob.name for knob in self.card.parameters] == [ROOM]

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the model, the delay of the noisy signal, and what mixes the two."""
        knobs = slots.slot(ROOM).alone() if self._has_room() else None
        wet = self._model.build(builder, x, Slots(self._model.live_values(), knobs))
        dry = builder.delay_to(builder.adapt(x, wet.channels), wet.latency_samples)
        limit_db = slots["attenuation_limit_db"]
        node = Node(
            blend,
            params=slots,
            dry=dry,
            rate_hz=builder.rate_hz,
            ramp_samples=ramp_samples(builder.rate_hz),
            share=settled(0.0 if limit_db >= NO_LIMIT_DB else from_db(-limit_db)),
            pause=settled(from_db(-slots["pause_db"])),
            gain=settled(from_db(slots["gain_db"])),
            compare=settled(slots["compare"]),
            lowest=LEAST_POWER,
            before=LEAST_POWER,
            window_left=round(WINDOW_S * builder.rate_hz),
            opened=1.0,
            wet_power=LEAST_POWER,
            common_power=LEAST_POWER,
        )
        return builder.run(node, wet)


NO_LIMIT_DB = 100.0
"""From this attenuation limit on, nothing of the noisy signal is mixed in."""

VOICE_DB = 12.0
RANGE_DB, START_RANGE_DB = 35.0, 40.0
WINDOW_S = 1.5
LEAST_POWER = 1e-10
FAST_MS, SLOW_MS = 5.0, 20.0
OPENING_MS, CLOSING_MS = 0.25, 60.0
REST_MS = 500.0
LARGEST_REST = 0.25
MATCH_MS = 1000.0
LARGEST_MATCH = 4.0

STATE = state_dtype(
    ("dry", "i8"),
    ("rate_hz", "f8"),
    ("ramp_samples", "i8"),
    ("share", RAMP),
    ("pause", RAMP),
    ("gain", RAMP),
    ("compare", RAMP),
    ("fast", "f8"),
    ("slow", "f8"),
    ("lowest", "f8"),
    ("before", "f8"),
    ("window_left", "i8"),
    ("hold", "i8"),
    ("opened", "f8"),
    ("wet_power", "f8"),
    ("common_power", "f8"),
    ("rest_power", "f8"),
    ("noise_power", "f8"),
)
"""``dry``: address of the noisy signal, in time with src. ``share``: its part of the output.
``fast``, ``slow``: power of the wet signal less its rest of noise, smoothed; ``lowest``,
``before``: minimum of the latter in this window, which has ``window_left`` samples to go, and in
the one before. ``opened``: 1 in speech .. 0 in pauses. ``wet_power``, ``common_power``: mean in
speech of wet times wet, and of wet times dry. ``rest_power``, ``noise_power``: mean in pauses of
wet times dry, and of dry times dry."""

_state_at = struct_at(STATE)
_slots_at = slots_at(Denoise)


@kernel(STATE)
def blend(state, src, dst, frames):
    """Turn pauses down, mix in the share of the noisy signal, compare, and set the level."""
    s = _state_at(address_of(state))
    p = _slots_at(s.params)
    dry = f32_at(s.dry)
    share_target = 0.0
    if p.attenuation_limit_db < NO_LIMIT_DB:
        share_target = from_db(-p.attenuation_limit_db)
    aim(s.share, share_target, s.ramp_samples)
    aim(s.pause, from_db(-p.pause_db), s.ramp_samples)
    aim(s.gain, from_db(p.gain_db), s.ramp_samples)
    aim(s.compare, p.compare, s.ramp_samples)
    longest = np.int64(p.hold_ms * s.rate_hz / 1000.0)
    per_ms = 1000.0 / s.rate_hz
    fast_step = 1.0 - math.exp(-per_ms / FAST_MS)
    slow_step = 1.0 - math.exp(-per_ms / SLOW_MS)
    opening = 1.0 - math.exp(-per_ms / OPENING_MS)
    closing = 1.0 - math.exp(-per_ms / CLOSING_MS)
    rest_step = 1.0 - math.exp(-per_ms / REST_MS)
    match_step = 1.0 - math.exp(-per_ms / MATCH_MS)
    above = 10.0 ** (VOICE_DB / 10.0)
    reach = 10.0 ** (-RANGE_DB / 10.0)
    start_reach = 10.0 ** (-START_RANGE_DB / 10.0)
    channels, stride = s.channels, s.stride
    fast, slow, lowest, before = s.fast, s.slow, s.lowest, s.before
    window_left, hold, opened = s.window_left, s.hold, s.opened
    wet_power, common_power = s.wet_power, s.common_power
    rest_power, noise_power = s.rest_power, s.noise_power
    one = np.float32(1.0)
    for i in range(frames):
        # To a model that takes nothing away all sound is rest; limited, it leaves voice to detect.
        rest = min(LARGEST_REST, max(0.0, rest_power / max(LEAST_POWER, noise_power)))
        power = 0.0
        common = 0.0
        noisy = 0.0
        voice = 0.0
        for channel in range(channels):
            at = channel * stride + i
            wet = float(src[at])
            noise = float(dry[at])
            power += wet * wet
            common += wet * noise
            noisy += noise * noise
            voice += (wet - rest * noise) ** 2
        # A share that is still wrong must not add what would be taken for voice.
        voice = min(voice, power)
        if power > 0.0 or fast > 0.0:
            # Before the first sound nothing is learnt: how long it takes depends on the block.
            fast += fast_step * (voice - fast)
            slow += slow_step * (voice - slow)
            lowest = min(lowest, slow)
            window_left -= 1
            if window_left == 0:
                before, lowest = lowest, slow
                window_left = np.int64(WINDOW_S * s.rate_hz)
            least = above * max(LEAST_POWER, min(lowest, before))
            if fast > max(least, reach * wet_power):
                hold = longest
                wet_power += match_step * (power - wet_power)
                common_power += match_step * (common - common_power)
            elif hold > 0:
                hold -= 1
            if hold > 0 or fast > max(least, start_reach * wet_power):
                opened += opening * (1.0 - opened)
            else:
                rest_power += rest_step * (common - rest_power)
                noise_power += rest_step * (noisy - noise_power)
                opened -= closing * opened

        share = advance(s.share)
        pause = advance(s.pause)
        gain = advance(s.gain)
        compare = advance(s.compare)
        kept = (one - share) * (pause + np.float32(opened) * (one - pause))
        match = np.float32(0.0)
        if compare > 0.0:
            # Match the speech in the noisy signal to that in the cleaned one.
            speech = wet_power / max(common_power, wet_power / LARGEST_MATCH)
            speech = max(1.0 / LARGEST_MATCH, speech)
            match = share + (one - share) * np.float32(speech)
        for channel in range(channels):
            at = channel * stride + i
            y = share * dry[at] + kept * src[at]
            if compare > 0.0:
                y += compare * (match * dry[at] - y)
            dst[at] = gain * y
    s.fast, s.slow, s.lowest, s.before = fast, slow, lowest, before
    s.window_left, s.hold, s.opened = window_left, hold, opened
    s.wet_power, s.common_power = wet_power, common_power
    s.rest_power, s.noise_power = rest_power, noise_power
    return 0
