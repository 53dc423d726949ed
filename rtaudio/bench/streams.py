"""Streams per machine: how many chains play at a time, in one process and in as many processes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset
from rtaudio.runtime.memory import return_freed

RATE_HZ = 48_000
MOST_STREAMS = 512
MOST_PROCESSES = 16
TRIES = 2
"""How often a number of streams is tried: a hiccup of the machine is not one of the streams."""

_MEMORY_STREAMS = 4
"""Streams over whose memory the mean is taken."""


class Streams(NamedTuple):
    """The streams of one chain that a machine holds.

    Attributes
    ----------
    preset, block
        The chain, and its frames per block.
    streams
        Most streams that played without one missed block, in one process.
    load
        Share of the time of all cores that those streams spent in their callbacks, 0 .. 1; threads
        of models that run beside them are not in it.
    stream_bytes
        Memory that one more stream takes in the process; None where the system does not tell.
    start_s
        Time to build and start one more stream.
    """

    preset: str
    block: int
    streams: int
    load: float
    stream_bytes: int | None
    start_s: float


class Processes(NamedTuple):
    """The same chains, each in a process of its own.

    Attributes
    ----------
    processes
        Number of processes.
    missed
        Blocks that they missed, together.
    process_bytes
        Private memory of one; None where the system does not tell.
    start_s
        Time until one plays, if they start one after the other.
    """

    processes: int
    missed: int
    process_bytes: int | None
    start_s: float


class _Crowd:
    """Hosts on the virtual clock, each with a chain of its own and noise as its input."""

    def __init__(self, preset: str, block: int, stack: ExitStack) -> None:
        self._preset, self._block = preset, block
        self._stack = stack
        self.hosts: list[Host] = []

    def resize(self, streams: int) -> None:
        while len(self.hosts) > streams:
            self.hosts.pop().stop()
        while len(self.hosts) < streams:
            host = Host(load_preset(self._preset), "clock", RATE_HZ, self._block)
            host.play(_noise())
            self.hosts.append(host)
            host.start()
            self._stack.callback(host.stop)

    def missed(self, seconds: float) -> int:
        """Return the blocks that all missed, late ones of models in threads included."""
        time.sleep(0.5)
        before = [_missed(host) for host in self.hosts]
        time.sleep(seconds)
        return sum(_missed(host) - was for host, was in zip(self.hosts, before, strict=True))


def _missed(host: Host) -> int:
    stats = host.stats()
    late = sum(count for name, count in stats.faults.items() if name.endswith(": late"))
    return stats.missed + late


def _noise() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(0).uniform(-0.3, 0.3, RATE_HZ // 4).astype(np.float32)


def count_streams(
    preset: str,
    block: int,
    *,
    seconds: float = 3.0,
    most: int = MOST_STREAMS,
    watch: Callable[[int], None] = lambda streams: None,
) -> Streams:
    """Find how many chains one process plays at 48 kHz before the first miss.

    Streams are added until a block is missed, twice as many each time; then the number between is
    found by halving.

    Parameters
    ----------
    preset
        A shipped preset, or the file of one.
    block
        Frames per block.
    seconds
        For how long each number of streams plays.
    most
        The search ends here.
    watch
        Called with each number that is tried.

    Examples
    --------
    >>> count_streams("crunch-light", 128).streams                      # doctest: +SKIP
    37
    """
    with ExitStack() as stack:
        crowd = _Crowd(preset, block, stack)
        crowd.resize(_MEMORY_STREAMS)  # what is compiled and loaded for the first is no stream's
        before, start = own_bytes(), time.perf_counter()
        crowd.resize(2 * _MEMORY_STREAMS)
        start_s = (time.perf_counter() - start) / _MEMORY_STREAMS
        grown = None if before is None else ((own_bytes() or before) - before) // _MEMORY_STREAMS

        def holds(streams: int) -> bool:
            watch(streams)
            crowd.resize(streams)
            return any(crowd.missed(seconds) == 0 for _ in range(TRIES))

        good, bad = 0, 1
        while bad <= most and holds(bad):
            good, bad = bad, 2 * bad
        bad = min(bad, most + 1)
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if holds(middle) else (good, middle)
        crowd.resize(good)
        crowd.missed(0.5)
        load = sum(host.stats().load for host in crowd.hosts) / (os.cpu_count() or 1)
    return Streams(preset, block, good, load, grown, start_s)


def start_processes(preset: str, block: int, processes: int, *, seconds: float = 3.0) -> Processes:
    """Play one chain in each of several processes, all at a time.

    Parameters
    ----------
    preset, block
        As for `count_streams`.
    processes
        How many.
    seconds
        For how long they play together.

    Examples
    --------
    >>> start_processes("crunch-light", 128, 4).missed                  # doctest: +SKIP
    0
    """
    context = multiprocessing.get_context("spawn")
    ends: list[Connection] = []
    children = []
    begin = time.perf_counter()
    try:
        for _ in range(processes):
            own, other = context.Pipe()
            child = context.Process(target=_play, args=(other, preset, block), daemon=True)
            child.start()
            other.close()
            children.append(child)
            ends.append(own)
            own.recv()
        start_s = (time.perf_counter() - begin) / processes
        for end in ends:
            end.send(seconds)
        answers = [end.recv() for end in ends]
    finally:
        for child in children:
            child.terminate()
            child.join()
    private = [bytes_ for _, bytes_ in answers if bytes_ is not None]
    mean = round(sum(private) / len(private)) if private else None
    return Processes(processes, sum(missed for missed, _ in answers), mean, start_s)


def _play(pipe: Connection, preset: str, block: int) -> None:
    """Play in a process of its own: say when, and then what was missed and what it took."""
    with ExitStack() as stack:
        crowd = _Crowd(preset, block, stack)
        crowd.resize(1)
        pipe.send(None)
        pipe.send((crowd.missed(pipe.recv()), own_bytes()))
        with suppress(EOFError):
            pipe.recv()  # until the others have been asked, too


def own_bytes() -> int | None:
    """Return the memory that only this process uses; None where the system does not tell."""
    gc.collect()
    return_freed()
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
