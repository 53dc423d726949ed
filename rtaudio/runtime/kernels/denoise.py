"""Denoise: how much of a denoiser's answer is heard, from it and the equally late noisy signal.

::

    src (wet) --+--> power --> voice? --> gain of the pauses --.
                |                                              v
                +----------------------------------------------(x)--.
                |                                                   v
    dry --------+--> share of the attenuation limit ---------------(+)--> compare --> gain --> dst
                |                                                            ^
                `--> wet against dry while there is voice: level match -----'

The denoiser is the voice detector: what it lets through is speech where it stands out of what it
leaves in pauses, its floor, found as the minimum of its power over the last seconds (after
R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
statistics", IEEE TSAP 9(5), 2001, with one band and two windows), and is no further below the
speech so far than words are. To open too often costs nothing but the reduction; so the threshold is
low, it opens at once and closes late.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.words import address_of, f32_at, struct_at

NO_LIMIT_DB = 100.0
"""From this attenuation limit on, nothing of the noisy signal is mixed in."""

VOICE_DB = 12.0
RANGE_DB = 35.0
WINDOW_S = 1.5
LEAST_POWER = 1e-10
FAST_MS, SLOW_MS = 10.0, 20.0
OPENING_MS, CLOSING_MS = 0.25, 60.0
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
)
"""``params``: attenuation limit dB, reduction of pauses dB, hold ms, gain dB, compare (0 or 1).
``dry``: address of the noisy signal, in time with src. ``share``: how much of it is heard.
``fast``, ``slow``: power of the wet signal, smoothed; ``lowest``, ``before``: minimum of the
latter in this window, which has ``window_left`` samples to go, and in the one before.
``opened``: 1 in speech .. 0 in pauses. ``wet_power``, ``common_power``: mean in speech of wet
times wet, and of wet times dry."""

_state_at = struct_at(STATE)


def denoise(dry: int, params: np.ndarray[Any, Any], rate_hz: int) -> Node:
    """Return the node that plays a denoiser's answer beside ``dry``, an address."""
    limit_db, pause_db, _, gain_db, compare = (float(value) for value in params)
    share = 0.0 if limit_db >= NO_LIMIT_DB else 10.0 ** (-limit_db / 20.0)
    return Node(
        blend,
        params=params,
        dry=dry,
        rate_hz=rate_hz,
        ramp_samples=ramp_samples(rate_hz),
        share=settled(share),
        pause=settled(10.0 ** (-pause_db / 20.0)),
        gain=settled(10.0 ** (gain_db / 20.0)),
        compare=settled(compare),
        lowest=LEAST_POWER,
        before=LEAST_POWER,
        window_left=round(WINDOW_S * rate_hz),
        opened=1.0,
        wet_power=LEAST_POWER,
        common_power=LEAST_POWER,
    )


@kernel(STATE)
def blend(state, src, dst, frames):  # type: ignore[no-untyped-def]
    """Turn pauses down, mix in the share of the noisy signal, compare, and set the level."""
    s = _state_at(address_of(state))
    params = f32_at(s.params)
    dry = f32_at(s.dry)
    share_target = 0.0
    if params[0] < NO_LIMIT_DB:
        share_target = 10.0 ** (-params[0] / 20.0)
    aim(s.share, share_target, s.ramp_samples)
    aim(s.pause, 10.0 ** (-params[1] / 20.0), s.ramp_samples)
    aim(s.gain, 10.0 ** (params[3] / 20.0), s.ramp_samples)
    aim(s.compare, params[4], s.ramp_samples)
    longest = np.int64(params[2] * s.rate_hz / 1000.0)
    per_ms = 1000.0 / s.rate_hz
    fast_step = 1.0 - math.exp(-per_ms / FAST_MS)
    slow_step = 1.0 - math.exp(-per_ms / SLOW_MS)
    opening = 1.0 - math.exp(-per_ms / OPENING_MS)
    closing = 1.0 - math.exp(-per_ms / CLOSING_MS)
    match_step = 1.0 - math.exp(-per_ms / MATCH_MS)
    voice = 10.0 ** (VOICE_DB / 10.0)
    reach = 10.0 ** (-RANGE_DB / 10.0)
    channels, stride = s.channels, s.stride
    fast, slow, lowest, before = s.fast, s.slow, s.lowest, s.before
    window_left, hold, opened = s.window_left, s.hold, s.opened
    wet_power, common_power = s.wet_power, s.common_power
    one = np.float32(1.0)
    for i in range(frames):
        power = 0.0
        common = 0.0
        for channel in range(channels):
            at = channel * stride + i
            wet = float(src[at])
            power += wet * wet
            common += wet * float(dry[at])
        fast += fast_step * (power - fast)
        slow += slow_step * (power - slow)
        lowest = min(lowest, slow)
        window_left -= 1
        if window_left == 0:
            before, lowest = lowest, slow
            window_left = np.int64(WINDOW_S * s.rate_hz)
        floor = max(LEAST_POWER, min(lowest, before))
        if fast > max(voice * floor, reach * wet_power):
            hold = longest
            wet_power += match_step * (power - wet_power)
            common_power += match_step * (common - common_power)
            opened += opening * (1.0 - opened)
        elif hold > 0:
            hold -= 1
            opened += opening * (1.0 - opened)
        else:
            opened -= closing * opened

        share = advance(s.share)
        pause = advance(s.pause)
        gain = advance(s.gain)
        compare = advance(s.compare)
        kept = (one - share) * (pause + np.float32(opened) * (one - pause))
        match = np.float32(0.0)
        if compare > 0.0:
            # the speech in the noisy signal is as loud as in what is heard otherwise
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
    return 0
