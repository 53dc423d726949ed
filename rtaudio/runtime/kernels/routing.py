"""Routing: copy, channel adaption, fixed delay, dry/wet blend, sum. What a chain compiles into
between its effects.
"""

from __future__ import annotations

from rtaudio.runtime.abi import kernel, state_dtype
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim
from rtaudio.runtime.words import address_of, copy_bytes, f32_at, i64_at, struct_at

ADAPT = state_dtype(("outputs", "i8"))
DELAY = state_dtype(("line", "i8"), ("samples", "i8"), ("position", "i8"))
BLEND = state_dtype(
    ("dry", "i8"), ("mix_slot", "i8"), ("bypass_slot", "i8"), ("mix", RAMP), ("ramp_samples", "i8")
)
MIX = state_dtype(
    ("count", "i8"),
    ("sources", "i8"),
    ("gains_db", "i8"),
    ("pans", "i8"),
    ("ramps", "i8"),
    ("ramp_samples", "i8"),
)
"""``sources``, ``gains_db``, ``pans``: ``count`` addresses, of buses and of slots; ``ramps``:
``count * channels`` records of RAMP, all channels of the first source first."""

_adapt_at = struct_at(ADAPT)
_delay_at = struct_at(DELAY)
_blend_at = struct_at(BLEND)
_mix_at = struct_at(MIX)
_ramp_at = struct_at(RAMP)


@kernel(ADAPT)
def adapt(state, src, dst, frames):
    """Mono to many: copies. Many to mono: the mean. Else channel by channel, the rest silent."""
    s = _adapt_at(address_of(state))
    if s.outputs == 1:
        scale = 1.0 / s.channels
        for i in range(frames):
            total = src[i]
            for channel in range(1, s.channels):
                total += src[channel * s.stride + i]
            dst[i] = total * scale
        return 0
    for channel in range(s.outputs):
        at = channel * s.stride
        if s.channels == 1:
            for i in range(frames):
                dst[at + i] = src[i]
        elif channel < s.channels:
            for i in range(frames):
                dst[at + i] = src[at + i]
        else:
            for i in range(frames):
                dst[at + i] = 0.0
    return 0


@kernel(DELAY)
def delay(state, src, dst, frames):
    """A pure delay of ``samples`` > 0; ``line`` holds ``samples`` values per channel."""
    s = _delay_at(address_of(state))
    line = f32_at(s.line)
    length = s.samples
    end = s.position
    for channel in range(s.channels):
        at = channel * s.stride
        base = channel * length
        position = s.position
        for i in range(frames):
            dst[at + i] = line[base + position]
            line[base + position] = src[at + i]
            position += 1
            if position == length:
                position = 0
        end = position
    s.position = end
    return 0


@kernel(BLEND)
def blend(state, src, dst, frames):
    """Dst = dry + mix * (src - dry), where bypass means mix 0. The ramp makes both click-free."""
    s = _blend_at(address_of(state))
    target = f32_at(s.mix_slot)[0]
    if f32_at(s.bypass_slot)[0] != 0.0:
        target = 0.0
    aim(s.mix, target, s.ramp_samples)
    if s.mix.left == 0 and (s.mix.value == 1.0 or s.mix.value == 0.0):
        origin = address_of(src) if s.mix.value == 1.0 else s.dry
        for channel in range(s.channels):
            at = 4 * channel * s.stride
            copy_bytes(address_of(dst) + at, origin + at, 4 * frames)
        return 0
    dry = f32_at(s.dry)
    for i in range(frames):
        mix = advance(s.mix)
        for channel in range(s.channels):
            at = channel * s.stride + i
            dst[at] = dry[at] + mix * (src[at] - dry[at])
    return 0


@kernel(MIX)
def mix(state, src, dst, frames):
    """Dst = the sum of all sources, each with a gain and, in stereo, a balance: ramped.

    Balance: pan -1 silences the right channel and leaves the left as it is; 0 leaves both.
    """
    s = _mix_at(address_of(state))
    sources = i64_at(s.sources)
    gains_db, pans = i64_at(s.gains_db), i64_at(s.pans)
    for channel in range(s.channels):
        at = channel * s.stride
        for i in range(frames):
            dst[at + i] = 0.0
    for k in range(s.count):
        source = f32_at(sources[k])
        gain, pan = from_db(f32_at(gains_db[k])[0]), f32_at(pans[k])[0]
        for channel in range(s.channels):
            target = gain
            if s.channels == 2:
                side = -pan if channel == 1 else pan
                target = gain * min(1.0, 1.0 - side)
            ramp = _ramp_at(s.ramps + 16 * (k * s.channels + channel))
            aim(ramp, target, s.ramp_samples)
            at = channel * s.stride
            if ramp.left == 0:
                factor = ramp.value
                for i in range(frames):
                    dst[at + i] += factor * source[at + i]
            else:
                for i in range(frames):
                    dst[at + i] += advance(ramp) * source[at + i]
    return 0


@kernel(ADAPT)
def silence(state, src, dst, frames):
    """Nothing on every output channel."""
    s = _adapt_at(address_of(state))
    for channel in range(s.outputs):
        at = channel * s.stride
        for i in range(frames):
            dst[at + i] = 0.0
    return 0
