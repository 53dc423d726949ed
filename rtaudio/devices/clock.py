"""The virtual clock: a native thread that calls the callback once per block period."""

from __future__ import annotations

import threading

import numpy as np
from numba import types

from rtaudio.runtime.callback import callback
from rtaudio.runtime.engine import Engine
from rtaudio.runtime.jit import inlined, jit
from rtaudio.runtime.memory import aligned, offset_of
from rtaudio.runtime.system import AUDIO_PRIORITY, now_ns, raise_own_priority, sleep_until_ns
from rtaudio.runtime.words import atomic_load, call_i32_6, struct_at

RATE_HZ = 48_000
_OUTPUT_UNDERFLOW = 4

CLOCK = np.dtype(
    [
        ("callback", "i8"),
        ("engine", "i8"),
        ("output", "i8"),
        ("block", "i8"),
        ("rate_hz", "i8"),
        ("stop", "i8"),
    ]
)
_clock_at = struct_at(CLOCK)
_STOP = offset_of(CLOCK, "stop")


@inlined
def _frames_ns(frames, rate_hz):
    """Return the duration of any number of frames.

    Whole seconds and the rest are converted apart: ``frames * 1e9`` would overflow after days.
    """
    return frames // rate_hz * 1_000_000_000 + frames % rate_hz * 1_000_000_000 // rate_hz


@jit
def _tick(clock):
    """Call the callback once per period, until ``stop`` is set.

    If a call ends after its deadline, the next call gets the underflow flag. After a delay of more
    than a period the missed periods are skipped, as a sound card does.
    """
    c = _clock_at(clock)
    raise_own_priority(AUDIO_PRIORITY)
    start = now_ns()
    period = 0
    flags = 0
    while atomic_load(clock + _STOP) == 0:
        call_i32_6(c.callback, 0, c.output, c.block, 0, flags, c.engine)
        period += 1
        deadline = start + _frames_ns(period * c.block, c.rate_hz)
        late = now_ns() - deadline
        flags = 0
        if late > 0:
            flags = _OUTPUT_UNDERFLOW
            period += late * c.rate_hz // (c.block * 1_000_000_000)
            deadline = start + _frames_ns(period * c.block, c.rate_hz)
        sleep_until_ns(deadline)


class ClockDevice:
    """A device without hardware: its input is silence, its output is discarded.

    A host can still play a source and record.
    """

    name = "virtual clock"
    latency_ms = (0.0, 0.0)

    def __init__(self) -> None:
        self._clock = aligned(CLOCK.itemsize, np.uint8).view(CLOCK)
        self._thread: threading.Thread | None = None

    def own_rate_hz(self) -> int:
        """Return 48000: a clock keeps any rate."""
        return RATE_HZ

    def suited_block(self, block: int) -> int:
        """Return the wanted block size: the clock has no period of its own."""
        return block

    def start(self, engine: Engine) -> None:
        """Start the thread that calls the callback with this engine."""
        engine.connect(
            list(range(engine.in_channels)),
            engine.in_channels,
            list(range(engine.out_channels)),
            engine.out_channels,
        )
        self._output = aligned(engine.block * engine.out_channels)
        clock = self._clock
        clock["callback"], clock["engine"] = callback.address, engine.address
        clock["output"] = self._output.ctypes.data
        clock["block"], clock["rate_hz"], clock["stop"] = engine.block, engine.rate_hz, 0
        _tick.compile((types.int64,))
        self._thread = threading.Thread(
            target=_tick, args=(clock.ctypes.data,), name="virtual clock", daemon=True
        )
        self._thread.start()

    def reopen(self) -> None:
        """Do nothing: a clock is never lost."""

    def stop(self) -> None:
        """Stop the thread, after the block that is running."""
        self._clock["stop"] = 1
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def active(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()
