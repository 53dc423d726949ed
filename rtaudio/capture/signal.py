"""The test signal that is played through gear to capture it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from rtaudio.capture.passage import PEAK, play_passage, play_take
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats

Range = tuple[int, int]

# All distances are different, so that no blip can be mistaken for another.
_BLIPS_S = (0.1, 0.47, 0.78, 1.29)
_EDGE_S = 0.01
_ALIKE = 0.99
"""Correlation from which a recording is the test signal."""


class CaptureSignal(NamedTuple):
    """A test signal and its plan.

    Attributes
    ----------
    audio
        float32 ``[frames]``, peaks at -1 dBFS.
    rate_hz
        Its sample rate.
    sections
        Range ``(from, to)`` of each section in samples, in this order::

            silence, blips, take,
            sweep, noise, tones, chirps, playing,     <- the range to train on
            take again, blips again, rests
    """

    audio: Floats
    rate_hz: int
    sections: dict[str, Range]

    @property
    def blips(self) -> list[int]:
        """Positions of the blips in samples."""
        starts = [self.sections[name][0] for name in ("blips", "blips again")]
        return [start + round(at * self.rate_hz) for start in starts for at in _BLIPS_S]

    @property
    def training(self) -> Range:
        """The range to train on, in samples."""
        return self.sections["sweep"][0], self.sections["playing"][1]


def _silence(seconds: float) -> Callable[[int], Any]:
    return lambda rate_hz: np.zeros(round(seconds * rate_hz))


def _blips(rate_hz: int) -> Any:
    sound = np.zeros(round(1.6 * rate_hz))
    sound[[round(at * rate_hz) for at in _BLIPS_S]] = PEAK
    return sound


def _edges(sound: Any, rate_hz: int) -> Any:
    """Fade in and out within 10 ms."""
    count = round(_EDGE_S * rate_hz)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / count)
    sound[:count] *= ramp
    sound[-count:] *= ramp[::-1]
    return sound


def _highest_hz(rate_hz: int) -> float:
    return min(20_000.0, 0.45 * rate_hz)


def _swept(low_hz: float, high_hz: float, seconds: float, rate_hz: int) -> Any:
    """Return an exponential sweep (Farina, AES 108, 2000) of amplitude 1."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    growth = np.log(high_hz / low_hz) / seconds
    phase = 2.0 * np.pi * low_hz / growth * np.expm1(growth * time_s)
    return _edges(np.sin(phase), rate_hz)


def _sweep(rate_hz: int) -> Any:
    return from_db(-12.0) * _swept(20.0, _highest_hz(rate_hz), 8.0, rate_hz)


def _noise(rate_hz: int) -> Any:
    """Return noise, white to 1 kHz and pink above, at six levels, 1.5 s each."""
    rng = np.random.default_rng(1936)
    frames = round(1.5 * rate_hz)
    hertz = np.fft.rfftfreq(frames, 1.0 / rate_hz)
    colour = np.where(hertz < 20.0, 0.0, np.sqrt(1_000.0 / np.maximum(hertz, 1_000.0)))
    steps = []
    for level_db in (-60.0, -48.0, -36.0, -26.0, -19.0, -13.0):
        white = rng.uniform(-1.0, 1.0, frames)
        step = np.fft.irfft(np.fft.rfft(white) * colour, frames)
        step *= from_db(level_db) / np.sqrt(np.mean(step**2))
        steps.append(_edges(np.clip(step, -PEAK, PEAK), rate_hz))
    return np.concatenate(steps)


def _tones(rate_hz: int) -> Any:
    """Return three tones, each at thirteen levels, up and down again."""
    frames = round(0.15 * rate_hz)
    levels_db = [*range(-61, -0, 10), *range(-6, -57, -10)]
    time_s = np.arange(frames) / rate_hz
    return np.concatenate([
        _edges(from_db(level_db) * np.sin(2.0 * np.pi * hertz * time_s), rate_hz)
        for hertz in (82.4, 329.6, 1318.5)
        for level_db in levels_db
    ])  # fmt: skip


def _chirps(rate_hz: int) -> Any:
    """Return sweeps of 80 ms, soft to hard, each with both signs, with rests between them."""
    chirp = _swept(40.0, _highest_hz(rate_hz), 0.08, rate_hz)
    rest = np.zeros(round(0.12 * rate_hz))
    levels_db = (-48.0, -36.0, -30.0, -24.0, -18.0, -12.0, -9.0, -6.0, -3.0, -1.0)
    return np.concatenate([
        part
        for gain in map(from_db, levels_db)
        for part in (gain * chirp, rest, -gain * chirp, rest)
    ])  # fmt: skip


_PARTS: tuple[tuple[str, Callable[[int], Any], float], ...] = (
    # Name, function, seconds of silence after it. Before both takes there is a second of silence.
    ("silence", _silence(2.0), 0.0),
    ("blips", _blips, 1.0),
    ("take", play_take, 1.0),
    ("sweep", _sweep, 1.0),
    ("noise", _noise, 0.5),
    ("tones", _tones, 0.5),
    ("chirps", _chirps, 0.5),
    ("playing", play_passage, 1.0),
    ("take again", play_take, 1.0),
    ("blips again", _blips, 0.0),
    ("rests", _silence(1.0), 0.0),
)


@cache
def capture_signal(rate_hz: int = 48_000) -> CaptureSignal:
    """Return the test signal, about three minutes long, the same at every call.

    Silence shows the noise of the gear, blips its latency, a logarithmic sweep its frequency
    response, noise and tones at several levels its distortion, chirps its attack. Most of the
    signal is playing: an electric guitar and a bass, made of plucked strings, over the whole neck,
    soft to hard. A take of 9 s is played at the start and at the end. It is not used for training:
    it validates the model, and shows whether the gear has changed.

    Parameters
    ----------
    rate_hz
        Sample rate, 8,000 Hz or more.

    Examples
    --------
    >>> signal = capture_signal(48_000)
    >>> signal.sections["silence"]
    (0, 96000)
    """
    parts: list[Any] = []
    sections: dict[str, Range] = {}
    at = 0
    for name, make, rest_s in _PARTS:
        sound = make(rate_hz)
        sections[name] = (at, at + sound.size)
        parts += [sound, np.zeros(round(rest_s * rate_hz))]
        at += sound.size + parts[-1].size
    audio = np.concatenate(parts).astype(np.float32)
    audio.flags.writeable = False
    return CaptureSignal(audio, rate_hz, sections)


def recognise(dry: Floats, rate_hz: int) -> CaptureSignal | None:
    """Return the test signal if a sound is one, else None.

    It may have any level, 16 bits, and another length at the end, but not another start.

    Parameters
    ----------
    dry
        The sound, float32 ``[frames]``.
    rate_hz
        Its sample rate.
    """
    signal = capture_signal(rate_hz)
    if dry.size < signal.sections["rests"][0]:
        return None
    part = slice(*signal.sections["take"])
    a, b = dry[part].astype(np.float64), signal.audio[part].astype(np.float64)
    alike = a @ b > _ALIKE * np.sqrt((a @ a) * (b @ b)) > 0.0
    return signal if alike else None
