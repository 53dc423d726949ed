"""Codec: a sound as it arrives over a thin line, encoded and decoded in place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Unpack
from weakref import WeakValueDictionary

from pydantic import Field, PrivateAttr

from rtaudio.codec.model import ENCODER, CodecModel, codec_files, read_codec
from rtaudio.codec.round_trip import BITRATE, MAX_LOSS_PERCENT, round_trip
from rtaudio.effects.base import Common, Effect, parameter
from rtaudio.effects.model_player import ModelPlayer
from rtaudio.errors import ParameterError, out_of_range
from rtaudio.models.loader import LoadedModel
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, struct_at
from rtaudio.shipped import shipped_codecs

STEREO = 2


def shipped_codec() -> Path:
    """Return the codec that :class:`Codec` plays unless it is given another one."""
    return shipped_codecs()["codec-voice"]


class _Pair:
    """Both sides of a codec, read and packed."""

    def __init__(self, path: Path) -> None:
        self.codec: CodecModel = read_codec(path)
        self.loaded = LoadedModel(round_trip(self.codec))


_PAIRS: WeakValueDictionary[Any, _Pair] = WeakValueDictionary()


def _pair_of(path: Path) -> _Pair:
    """Read a codec; all effects that play the same unchanged files share one in memory."""
    key = tuple(
        (os.path.abspath(file), stat.st_mtime_ns, stat.st_size)
        for file in codec_files(path)
        if file.exists() and (stat := file.stat())
    )
    pair = _PAIRS.get(key)
    if pair is None:
        pair = _PAIRS[key] = _Pair(path)
    return pair


class _CodecOptions(Common, total=False):
    worker: bool | None
    bitrate_kbps: float
    loss_percent: float


class Codec(Effect):
    """Encode and decode: the sound at a few kbit/s, with losses if wanted.

    Stereo is coded as mid and side, the channels of anything else on their own. Latency is that of
    the codec and one of its frames, and is reported like any other.

    Parameters
    ----------
    file
        The codec: a shipped one by its name, one of the two files of another, or their common
        start; default: the shipped one for voices.
    worker
        As for :class:`~rtaudio.Model`: None decides live.
    bitrate_kbps
        Bitrate of each channel, or of mid and side each, in kbit/s, rounded to the nearest one that
        the codec has; it may change at any time.
    loss_percent
        Share of the frames that are lost, 0 .. 50 %, in bursts of 2 frames on average.

    Raises
    ------
    FileNotFoundError, ContractError
        No such file, or it is no codec.
    ParameterError
        The codec has no such bitrate.

    Examples
    --------
    >>> on_the_phone = Codec(bitrate_kbps=3.0)(voice, 48000)        # doctest: +SKIP
    >>> on_the_radio = Codec("codec-music", bitrate_kbps=16.0)      # doctest: +SKIP
    """

    file: Path = Field(default_factory=shipped_codec)
    worker: bool | None = Field(None, description="run in a thread of its own; null: decide live")
    bitrate_kbps: float = parameter(6.0, 0.5, 512.0, "kbit/s", "bitrate")
    loss_percent: float = parameter(0.0, 0.0, MAX_LOSS_PERCENT, "%", "share of the frames lost")

    _pair: _Pair = PrivateAttr()

    def __init__(self, file: str | Path | None = None, **options: Unpack[_CodecOptions]) -> None:
        if start := shipped_codecs().get(str(file)):
            file = start.with_name(start.name + ENCODER)
        super().__init__(file=shipped_codec() if file is None else file, **options)
        self._pair = _pair_of(self.file)
        self._check_bitrate(self.bitrate_kbps)

    @property
    def codec(self) -> CodecModel:
        """The codec."""
        return self._pair.codec

    def _check_bitrate(self, kbps: float) -> None:
        low, high, unit = self.live_range(BITRATE)
        if not low <= kbps <= high:
            key = f"{self.name or self.kind}.{BITRATE}"
            raise ParameterError(out_of_range(key, f"{kbps:g}", low, high, unit))

    def live_range(self, parameter: str) -> tuple[float, float, str]:
        """Return the range and the unit; the bitrate's is that of the codec."""
        low, high, unit = super().live_range(parameter)
        if parameter != BITRATE:
            return low, high, unit
        return self.codec.kbps(self.codec.least_books), self.codec.kbps(self.codec.books), unit

    def set_live(self, parameter: str, value: float | bool) -> float:
        """Assign a live parameter; the codec must have the bitrate."""
        if parameter == BITRATE:
            self._check_bitrate(float(value))
        return super().set_live(parameter, value)

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the codec, once per channel. Slots and card have the parameters in one order."""
        player = ModelPlayer(self._pair.loaded, worker=self.worker)
        if x.channels != STEREO:
            return player.append(builder, x, slots.own)
        coded = player.append(builder, builder.run(Node(turn, scale=0.5), x), slots.own)
        return builder.run(Node(turn, scale=1.0), coded)


STATE = state_dtype(("scale", "f4"))

_state_at = struct_at(STATE)


@kernel(STATE)
def turn(state, src, dst, frames):
    """At a scale of 0.5 mid and side of left and right; at 1 left and right of those."""
    s = _state_at(address_of(state))
    for i in range(frames):
        dst[i] = s.scale * (src[i] + src[s.stride + i])
        dst[s.stride + i] = s.scale * (src[i] - src[s.stride + i])
    return 0
