"""Worker: a node in a thread of its own, with a latency that stays constant whatever happens.

::

    callback       in  |chunk k ....|chunk k+1 ..|        out |.... chunk k-1|chunk k ....|
    slots          [k % SLOTS]: input, output, ready (k+1 when filled), done (k+1 when computed)
    worker         computes chunk after chunk, and skips those that are overdue already

Input and output are two single-producer rings of the same slots. A chunk has one deadline: the
callback that plays it, ``ceil(chunk / block)`` blocks after the one that filled it. What is not
done by then is bridged (the last sample fades out, the sound fades in again) and counted. Its late
result is dropped, because every chunk has its place in time: the delay never grows.

The worker thread is one compiled loop without the interpreter lock. It looks for work at an eighth
of a chunk's duration and sleeps in between.
"""

from __future__ import annotations

import atexit
import math
import threading
from typing import Any

import numpy as np
from numba import types

from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.jit import inlined, jit
from rtaudio.runtime.memory import Array, aligned, offset_of
from rtaudio.runtime.program import RUNAWAY_BITS, largest_bits
from rtaudio.runtime.system import (
    WORKER_PRIORITY,
    now_ns,
    raise_own_priority,
    sleep_until_ns,
)
from rtaudio.runtime.words import (
    address_of,
    atomic_load,
    atomic_store,
    call_process,
    copy_bytes,
    f32_at,
    flush_denormals,
    i64_at,
    struct_at,
)

SLOTS = 8
BRIDGE_SAMPLES = 64
PATIENCE_S = 5.0
"""A thread that takes longer for one chunk hangs."""

STATE = state_dtype(
    ("chunk", "i8"),
    ("outputs", "i8"),
    ("position", "i8"),
    ("latency", "i8"),
    ("shared", "i8"),
    ("inputs", "i8"),
    ("results", "i8"),
    ("fade", "f4", (2,)),
    ("last", "f4", (8,)),
    ("offline", "i8"),
)
"""Callback side. ``position`` counts samples since the start; ``fade`` is the gain of the worker's
output and its target; ``last`` the samples to fade out from."""

SHARED = np.dtype(
    [
        ("process", "i8"),
        ("inner", "i8"),
        ("inputs", "i8"),
        ("results", "i8"),
        ("private_in", "i8"),
        ("private_out", "i8"),
        ("in_bytes", "i8"),
        ("out_bytes", "i8"),
        ("outputs", "i8"),
        ("chunk", "i8"),
        ("chunk_ns", "i8"),
        ("regions", "i8"),
        ("region_count", "i8"),
        ("stop", "i8"),
        ("next", "i8"),
        ("now", "i8"),
        ("latency", "i8"),
        ("late", "i8"),
        ("faults", "i8"),
        ("ready", "i8", (SLOTS,)),
        ("done", "i8", (SLOTS,)),
    ]
)
"""Both sides; survives a reset of the node."""

_state_at = struct_at(STATE)
_shared_at = struct_at(SHARED)
_READY = offset_of(SHARED, "ready")
_DONE = offset_of(SHARED, "done")
_STOP = offset_of(SHARED, "stop")
_NOW = offset_of(SHARED, "now")


@inlined
def _compute(shared, sequence):
    """Run the inner node on one chunk and publish the result.

    Nothing is published, so that the chunk is bridged, if its input was overwritten meanwhile or
    the node made NaN, Inf or a runaway level; then the node is reset.
    """
    s = _shared_at(shared)
    slot = sequence % SLOTS
    copy_bytes(s.private_in, s.inputs + slot * s.in_bytes, s.in_bytes)
    if atomic_load(shared + _READY + 8 * slot) != sequence + 1:
        return
    code = call_process(s.process, s.inner, s.private_in, s.private_out, s.chunk)
    if code != 0 or largest_bits(s.private_out, s.outputs, s.chunk, s.chunk) > RUNAWAY_BITS:
        s.faults += 1
        regions = i64_at(s.regions)
        for r in range(s.region_count):
            copy_bytes(regions[3 * r], regions[3 * r + 1], regions[3 * r + 2])
        return
    copy_bytes(s.results + slot * s.out_bytes, s.private_out, s.out_bytes)
    atomic_store(shared + _DONE + 8 * slot, sequence + 1)


@jit
def _work(shared):
    """The worker thread: compute chunks in order until told to stop."""
    flush_denormals()
    s = _shared_at(shared)
    raise_own_priority(WORKER_PRIORITY)
    pause = max(50_000, min(1_000_000, s.chunk_ns // 8))
    while atomic_load(shared + _STOP) == 0:
        overdue = atomic_load(shared + _NOW) - s.latency
        sequence = max(s.next, -(-overdue // s.chunk))
        if atomic_load(shared + _READY + 8 * (sequence % SLOTS)) != sequence + 1:
            sleep_until_ns(now_ns() + pause)
            continue
        _compute(shared, sequence)
        s.next = sequence + 1


@kernel(STATE)
def exchange(state, src, dst, frames):
    """Callback side: store input samples in their slots, play what is due."""
    s = _state_at(address_of(state))
    shared = _shared_at(s.shared)
    chunk = s.chunk
    inputs = f32_at(s.inputs)
    results = f32_at(s.results)
    step = np.float32(1.0 / BRIDGE_SAMPLES)

    done = 0
    while done < frames:
        sequence = (s.position + done) // chunk
        at = (s.position + done) % chunk
        count = min(chunk - at, frames - done)
        base = (sequence % SLOTS) * chunk * s.channels
        for channel in range(s.channels):
            for i in range(count):
                inputs[base + channel * chunk + at + i] = src[channel * s.stride + done + i]
        done += count
        if at + count == chunk:
            atomic_store(s.shared + _READY + 8 * (sequence % SLOTS), sequence + 1)
            if s.offline != 0:
                _compute(s.shared, sequence)

    done = 0
    while done < frames:
        due = s.position + done - s.latency
        if due < 0:
            count = min(-due, frames - done)
            for channel in range(s.outputs):
                for i in range(count):
                    dst[channel * s.stride + done + i] = 0.0
            done += count
            continue
        sequence = due // chunk
        at = due % chunk
        count = min(chunk - at, frames - done)
        finished = atomic_load(s.shared + _DONE + 8 * (sequence % SLOTS)) == sequence + 1
        target = np.float32(1.0) if finished else np.float32(0.0)
        if not finished and (at == 0 or s.fade[1] != 0.0):
            shared.late += 1
        s.fade[1] = target
        base = (sequence % SLOTS) * chunk * s.outputs
        fade = s.fade[0]
        for i in range(count):
            if fade < target:
                fade = min(target, fade + step)
            elif fade > target:
                fade = max(target, fade - step)
            for channel in range(s.outputs):
                if finished:
                    value = results[base + channel * chunk + at + i]
                    s.last[channel] = value
                    value *= fade
                else:
                    value = s.last[channel] * fade
                dst[channel * s.stride + done + i] = value
        s.fade[0] = fade
        done += count
    s.position += frames
    atomic_store(s.shared + _NOW, s.position)
    return 0


class Worker:
    """The thread of a worker node: start it before the audio, stop it after.

    A running thread keeps its memory alive, and ends with the program at the latest: whoever
    forgets to stop it pays with a thread, not with a crash.

    Parameters
    ----------
    shared
        The SHARED record.
    name
        Name of the inner node.
    keep
        Everything that the thread works on.
    """

    def __init__(self, shared: Array, name: str, keep: list[Any]) -> None:
        self._shared = shared
        self._keep = keep
        self._thread: threading.Thread | None = None
        self.name = name

    def start(self) -> None:
        """Start the thread, unless it runs; it sleeps until the first chunk is ready."""
        if self._thread is not None:
            return
        _work.compile((types.int64,))
        self._shared["stop"] = 0
        self._thread = threading.Thread(
            target=_work, args=(self._shared.ctypes.data,), name=f"worker {self.name}", daemon=True
        )
        self._thread.start()
        _running.add(self)

    def stop(self) -> None:
        """Stop the thread and wait for the chunk it is computing.

        One that does not end is left behind, with its memory: a plugin may hang.
        """
        self._shared["stop"] = 1
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
            if self._thread.is_alive():
                _left_behind.append(self)
            self._thread = None
        _running.discard(self)

    @property
    def late_chunks(self) -> int:
        """Chunks that were not ready when they were due, and were bridged."""
        return int(self._shared["late"][0])

    @property
    def ailment(self) -> str:
        """Empty: a compiled node plays."""
        return ""

    @property
    def faults(self) -> int:
        """Chunks in which the node made NaN, Inf or a runaway level, and was reset."""
        return int(self._shared["faults"][0])


_running: set[Worker] = set()
_left_behind: list[Worker] = []


@atexit.register
def _stop_all() -> None:
    for worker in list(_running):
        worker.stop()


def worker_latency_samples(chunk: int, block: int) -> int:
    """Return the latency of a worker: hop adaptation, and one chunk of time rounded to blocks.

    Parameters
    ----------
    chunk
        Frames that the worker computes at a time.
    block
        Frames per call of the callback.

    Examples
    --------
    >>> worker_latency_samples(64, 64), worker_latency_samples(480, 128)
    (64, 960)
    """
    return chunk - math.gcd(chunk, block) + -(-chunk // block) * block


def worker_node(
    inner: Node, chunk: int, block: int, rate_hz: int, *, channels: tuple[int, int], offline: bool
) -> tuple[Node, Worker]:
    """Run a node in a worker thread; offline with the same delay, but without a thread.

    Parameters
    ----------
    inner
        The node; it is called with exactly ``chunk`` frames.
    chunk
        Frames per call of ``inner``.
    block
        Frames per call of the result.
    rate_hz
        Sample rate.
    channels
        Inputs and outputs, at most 8 each.
    offline
        True if nobody waits for the result.

    Raises
    ------
    ValueError
        Too many channels, or a chunk that is too small for the block.
    """
    ins, outs = channels
    if max(channels) > 8:
        raise ValueError("a worker node has at most 8 channels")
    latency = worker_latency_samples(chunk, block)
    if latency + chunk + block > (SLOTS - 1) * chunk:
        raise ValueError(f"a worker chunk of {chunk} frames is too small for blocks of {block}")
    inner.record["channels"], inner.record["stride"] = ins, chunk
    inner.freeze()
    shared = aligned(SHARED.itemsize, np.uint8).view(SHARED)
    regions = np.array(inner.regions(), np.int64)
    buffers = {
        "inputs": aligned(SLOTS * ins * chunk),
        "results": aligned(SLOTS * outs * chunk),
        "private_in": aligned(ins * chunk),
        "private_out": aligned(outs * chunk),
    }
    for name, buffer in buffers.items():
        shared[name] = buffer.ctypes.data
    shared["process"], shared["inner"] = inner.kernel.address, inner.state_address
    shared["in_bytes"], shared["out_bytes"] = 4 * ins * chunk, 4 * outs * chunk
    shared["outputs"], shared["chunk"] = outs, chunk
    shared["latency"] = latency
    shared["chunk_ns"] = round(1e9 * chunk / rate_hz)
    shared["regions"], shared["region_count"] = regions.ctypes.data, len(regions)
    node = Node(
        exchange,
        latency_samples=latency + inner.latency_samples,
        out_channels=outs,
        chunk=chunk,
        outputs=outs,
        latency=latency,
        shared=shared.ctypes.data,
        inputs=shared["inputs"][0],
        results=shared["results"][0],
        fade=(1.0, 1.0),
        offline=int(offline),
        channels=ins,
        relocatable=False,
    )
    keep = [shared, regions, buffers, inner]
    node.keep += keep
    return node, Worker(shared, inner.kernel.name, keep)
