"""The callback: what the sound device calls for every block, and the state it works on.

The way of one block::

    device input --+-> guard, meters, tuner's ring -> program input
    source --------+                 |
                       adopt a newly published program: both run during a cross-fade
                       (50 ms; 20 ms from and to silence)
                                     |
                       run_program: instruction after instruction, each one guarded
                                     |
                       safety: after a fault fade out, wait, fade in
                                     |
                       mute
                                     |
                       meters, loudness -> device output, and the tap
                                     |
                       statistics: duration, gap, missed, device flags

Everything the callback touches is in one ENGINE record and buffers that Python allocated before the
stream opened. The callback returns 0 to go on, always: stopping is Python's business.
"""

from __future__ import annotations

import numpy as np
from numba import types

from rtaudio.runtime.jit import c_function, inlined
from rtaudio.runtime.kernels.loudness import measure
from rtaudio.runtime.limits import MAX_LIVE_CHANNELS
from rtaudio.runtime.memory import offset_of
from rtaudio.runtime.program import RUNAWAY_BITS, largest_bits, program_at, run_program
from rtaudio.runtime.statistics import count_duration
from rtaudio.runtime.system import AUDIO_PRIORITY, ULONG, now_ns, raise_own_priority
from rtaudio.runtime.words import (
    address_of,
    atomic_exchange,
    atomic_load,
    atomic_store,
    copy_bytes,
    f32_at,
    fill_bytes,
    flush_denormals,
    restore_denormals,
    struct_at,
)

FADE_MS = 20.0
"""A fade from or to silence: start, stop, and what follows a fault."""
SWAP_MS = 50.0
"""A cross-fade from one program to another."""
CLIPPED = 0.9999
"""Input from here on counts as clipped: the largest sample of 16 bits is a little below 1."""
XRUNS = ("input_underflow", "input_overflow", "output_underflow", "output_overflow")
FLAG_NAMES = (*XRUNS, "priming")
_MISSING_FLAGS = 0b1111

ENGINE = np.dtype(
    [
        ("pending", "i8"),
        ("current", "i8"),
        ("former", "i8"),
        ("silence", "i8"),
        ("fade_samples", "i8"),
        ("swap_samples", "i8"),
        ("fade_length", "i8"),
        ("fade_left", "i8"),
        ("rate_hz", "i8"),
        ("block", "i8"),
        ("in_channels", "i8"),
        ("out_channels", "i8"),
        ("device_inputs", "i8"),
        ("device_outputs", "i8"),
        ("in_map", "i8", (MAX_LIVE_CHANNELS,)),
        ("out_map", "i8", (MAX_LIVE_CHANNELS,)),
        ("source", "i8"),
        ("source_frames", "i8"),
        ("source_write", "i8"),
        ("source_ended", "i8"),
        ("source_position", "i8"),
        ("source_missing", "i8"),
        ("input", "i8"),
        ("output", "i8"),
        ("heard", "i8"),
        ("heard_frames", "i8"),
        ("heard_write", "i8"),
        ("tap", "i8"),
        ("tap_frames", "i8"),
        ("tap_write", "i8"),
        ("frames", "i8"),
        ("blocks", "i8"),
        ("missed", "i8"),
        ("flags", "i8", (5,)),
        ("overran", "i8"),
        ("faults", "i8"),
        ("input_faults", "i8"),
        ("mute_left", "i8"),
        ("muted", "i8"),
        ("level", "f4"),
        ("trim", "f4"),
        ("last_entry_ns", "i8"),
        ("durations", "i8"),
        ("gaps", "i8"),
        ("duration_max", "i8"),
        ("gap_max", "i8"),
        ("busy_ns", "i8"),
        ("priority", "i8"),
        ("last", "f4", (MAX_LIVE_CHANNELS,)),
        ("in_peak", "f4", (MAX_LIVE_CHANNELS,)),
        ("out_peak", "f4", (MAX_LIVE_CHANNELS,)),
        ("in_power", "f8", (MAX_LIVE_CHANNELS,)),
        ("out_power", "f8", (MAX_LIVE_CHANNELS,)),
        ("in_clipped", "i8", (MAX_LIVE_CHANNELS,)),
        ("loudness", "i8"),
    ]
)
"""``current``, ``former``: the program that plays and the one being faded out; ``pending`` is set
by Python; 0 is none. ``silence``: the program of starts and stops. ``fade_left`` of ``fade_length``
samples of the present cross-fade are to come. ``input``, ``output``: planar scratch of one block.
``source``: planar ring of ``source_frames``, into which Python has written ``source_write`` frames
so far and of which ``source_position`` have played; ``source_missing`` frames were silence because
it was empty before it ``source_ended``. ``heard``: planar ring of the last ``heard_frames`` of the
input, which is always written; ``heard_write`` counts them. ``tap``: ring of interleaved output;
its readers keep their own positions. ``muted`` and ``trim``, a gain, are set by Python; ``level``
is the gain that follows them. ``in_power``, ``out_power``: sums of all squares so far.
``in_clipped``: samples of the input at full scale. ``loudness``: the METER record of the output."""

engine_at = struct_at(ENGINE)
_FORMER = offset_of(ENGINE, "former")
PENDING = offset_of(ENGINE, "pending")
_HEARD_WRITE = offset_of(ENGINE, "heard_write")
_SOURCE_WRITE = offset_of(ENGINE, "source_write")
_SOURCE_POSITION = offset_of(ENGINE, "source_position")
_TAP_WRITE = offset_of(ENGINE, "tap_write")


@inlined
def _adopt(e, engine):
    """Take a published program over, unless the last one is still being faded in.

    A program with latency starts with silence, so the fade begins when its sound does. It is of
    equal gain: two chains that play the same are not heard to be exchanged.
    """
    if e.fade_left == 0 and atomic_load(engine + PENDING) != 0:
        e.former = e.current
        e.current = atomic_exchange(engine + PENDING, 0)
        silent = e.former == e.silence or e.current == e.silence
        e.fade_length = e.fade_samples if silent else e.swap_samples
        e.fade_left = e.fade_length + program_at(e.current).latency_samples


@inlined
def _play(e, program, frames):
    """Run one program over the engine's input; returns its faults."""
    p = program_at(program)
    for channel in range(e.in_channels):
        copy_bytes(p.input + 4 * channel * p.stride, e.input + 4 * channel * e.block, 4 * frames)
    return run_program(program, frames)


@inlined
def _chunk(e, frames):
    """Compute up to one block: engine input -> engine output, with cross-fade and safety."""
    output = f32_at(e.output)
    faults = _play(e, e.current, frames)
    p = program_at(e.current)
    new = f32_at(p.output)
    if e.fade_left > 0:
        faults += _play(e, e.former, frames)
        q = program_at(e.former)
        old = f32_at(q.output)
        scale = np.float32(1.0 / e.fade_length)
        for channel in range(e.out_channels):
            for i in range(frames):
                share = min(np.float32(1.0), np.float32(max(0, e.fade_left - 1 - i)) * scale)
                a = new[channel * p.stride + i]
                b = old[channel * q.stride + i]
                output[channel * e.block + i] = a + share * (b - a)
        e.fade_left = max(0, e.fade_left - frames)
    else:
        for channel in range(e.out_channels):
            copy_bytes(
                e.output + 4 * channel * e.block, p.output + 4 * channel * p.stride, 4 * frames
            )
    if faults > 0:
        e.faults += faults
        e.mute_left = 2 * e.fade_samples
        scale = np.float32(1.0 / frames)
        for channel in range(e.out_channels):
            for i in range(frames):
                output[channel * e.block + i] = e.last[channel] * np.float32(frames - 1 - i) * scale
    elif e.mute_left > 0:
        scale = np.float32(1.0 / e.fade_samples)
        for i in range(frames):
            gain = np.float32(max(0, e.fade_samples - max(0, e.mute_left - i))) * scale
            for channel in range(e.out_channels):
                output[channel * e.block + i] *= gain
        e.mute_left = max(0, e.mute_left - frames)
    for channel in range(e.out_channels):
        e.last[channel] = output[channel * e.block + frames - 1]


@inlined
def _take_input(e, engine, device_input, start, frames):
    """Fill the engine's planar input from the source, the device, or with silence.

    Input with NaN, Inf or a runaway level is silence, and counted: nothing else can be made of it.
    """
    planar = f32_at(e.input)
    if e.source != 0:
        source = f32_at(e.source)
        position = e.source_position
        ended = e.source_ended != 0
        count = max(0, min(frames, atomic_load(engine + _SOURCE_WRITE) - position))
        for channel in range(e.in_channels):
            row = channel * e.source_frames
            for i in range(count):
                planar[channel * e.block + i] = source[row + (position + i) % e.source_frames]
            for i in range(count, frames):
                planar[channel * e.block + i] = 0.0
        if not ended:
            e.source_missing += frames - count
        atomic_store(engine + _SOURCE_POSITION, position + (frames if ended else count))
    elif device_input == 0:
        for channel in range(e.in_channels):
            fill_bytes(e.input + 4 * channel * e.block, 0, 4 * frames)
    else:
        interleaved = f32_at(device_input)
        width = e.device_inputs
        for channel in range(e.in_channels):
            at = start * width + e.in_map[channel]
            for i in range(frames):
                planar[channel * e.block + i] = interleaved[at + i * width]
    if largest_bits(e.input, e.in_channels, e.block, frames) > RUNAWAY_BITS:
        e.input_faults += 1
        fill_bytes(e.input, 0, 4 * e.block * e.in_channels)
    done = 0
    while done < frames:
        at = (e.heard_write + done) % e.heard_frames
        count = min(frames - done, e.heard_frames - at)
        for channel in range(e.in_channels):
            to = e.heard + 4 * (channel * e.heard_frames + at)
            copy_bytes(to, e.input + 4 * (channel * e.block + done), 4 * count)
        done += count
    atomic_store(engine + _HEARD_WRITE, e.heard_write + frames)
    for channel in range(e.in_channels):
        peak = e.in_peak[channel]
        power = np.float32(0.0)
        clipped = 0
        for i in range(frames):
            magnitude = abs(planar[channel * e.block + i])
            peak = max(peak, magnitude)
            power += magnitude * magnitude
            clipped += magnitude >= CLIPPED
        e.in_peak[channel] = peak
        e.in_power[channel] += power
        e.in_clipped[channel] += clipped


@inlined
def _mute(e, frames):
    """Multiply the engine's output by a level that moves to 0 while muted, and back to the trim."""
    target = np.float32(0.0) if e.muted != 0 else e.trim
    if e.level == target and target == np.float32(1.0):
        return
    planar = f32_at(e.output)
    step = np.float32(1.0 / e.fade_samples)
    level = e.level
    for i in range(frames):
        level = max(target, level - step) if level > target else min(target, level + step)
        for channel in range(e.out_channels):
            planar[channel * e.block + i] *= level
    e.level = level


@inlined
def _give_output(e, engine, device_output, start, frames):
    """Write the engine's planar output to the device and, if somebody reads it, to the tap."""
    planar = f32_at(e.output)
    width = e.device_outputs
    if device_output != 0:
        interleaved = f32_at(device_output)
        for channel in range(e.out_channels):
            at = start * width + e.out_map[channel]
            for i in range(frames):
                interleaved[at + i * width] = planar[channel * e.block + i]
    for channel in range(e.out_channels):
        peak = e.out_peak[channel]
        power = np.float32(0.0)
        for i in range(frames):
            magnitude = abs(planar[channel * e.block + i])
            peak = max(peak, magnitude)
            power += magnitude * magnitude
        e.out_peak[channel] = peak
        e.out_power[channel] += power
    measure(e.loudness, e.output, e.block, frames)
    if e.tap != 0:
        write = e.tap_write
        tap = f32_at(e.tap)
        for i in range(frames):
            at = ((write + i) % e.tap_frames) * e.out_channels
            for channel in range(e.out_channels):
                tap[at + channel] = planar[channel * e.block + i]
        atomic_store(engine + _TAP_WRITE, write + frames)


@inlined
def process_block(device_input, device_output, frames, flags, engine):
    """One device block; interleaved float32 at the addresses, 0 for none."""
    entry = now_ns()
    former_mode = flush_denormals()
    e = engine_at(engine)
    if e.blocks == 0:
        e.priority = raise_own_priority(AUDIO_PRIORITY)
    if device_output != 0:
        fill_bytes(device_output, 0, 4 * frames * e.device_outputs)
    done = 0
    while done < frames:
        count = min(e.block, frames - done)
        _take_input(e, engine, device_input, done, count)
        _adopt(e, engine)
        _chunk(e, count)
        if e.fade_left == 0 and e.former != 0:
            atomic_store(engine + _FORMER, 0)
        _mute(e, count)
        _give_output(e, engine, device_output, done, count)
        done += count
    for flag in range(5):
        e.flags[flag] += (flags >> flag) & 1
    if e.blocks > 0:
        gap = entry - e.last_entry_ns
        count_duration(e.gaps, gap)
        e.gap_max = max(e.gap_max, gap)
    e.last_entry_ns = entry
    restore_denormals(former_mode)
    duration = now_ns() - entry
    count_duration(e.durations, duration)
    e.duration_max = max(e.duration_max, duration)
    e.busy_ns += duration
    # A device flags the block after the one that overran; together they are one miss.
    overran = duration * e.rate_hz > frames * 1_000_000_000
    if overran or (flags & _MISSING_FLAGS and e.overran == 0):
        e.missed += 1
    e.overran = overran
    e.frames += frames
    e.blocks += 1
    return 0


PORTAUDIO = types.int32(types.voidptr, types.voidptr, ULONG, types.voidptr, ULONG, types.voidptr)


@c_function(PORTAUDIO)
def callback(input_, output, frames, time, flags, engine):
    """PortAudio's stream callback; see ``PaStreamCallback`` in portaudio.h."""
    process_block(
        address_of(input_),
        address_of(output),
        types.int64(frames),
        types.int64(flags),
        address_of(engine),
    )
    return 0
