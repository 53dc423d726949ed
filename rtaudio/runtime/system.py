"""Where operating systems differ: clock, sleep, thread priority, C integer widths, library names.

``now_ns``, ``sleep_until_ns`` and ``raise_own_priority`` are compiled: they call the C library by
symbol name, which the JIT linker resolves in the running process.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.jit import jit

LINUX = sys.platform.startswith("linux")
MACOS = sys.platform == "darwin"
WINDOWS = sys.platform == "win32"

ULONG = types.uint32 if WINDOWS else types.uint64
"""C ``unsigned long``: 32 bits on Windows, 64 on the other 64-bit systems."""

ORT_LIBRARY = (
    "onnxruntime.dll" if WINDOWS else "libonnxruntime.*.dylib" if MACOS else "libonnxruntime.so.*"
)
"""Glob of ONNX Runtime's own library in the ``capi`` folder of its wheel."""

AUDIO_PRIORITY = 70
WORKER_PRIORITY = 50
"""SCHED_FIFO priorities on Linux: a sound server's own threads stay above the workers."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_CLOCK_MONOTONIC = 6 if MACOS else 1
_NANOSECONDS = 1_000_000_000

if WINDOWS:
    _kernel32 = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    ctypes.WinDLL("winmm").timeBeginPeriod(1)  # type: ignore[attr-defined]
    for _name in ("QueryPerformanceCounter", "Sleep"):
        llvm.add_symbol(_name, ctypes.cast(getattr(_kernel32, _name), ctypes.c_void_p).value)
    _frequency = ctypes.c_int64()
    _kernel32.QueryPerformanceFrequency(ctypes.byref(_frequency))
    _TICKS_PER_SECOND = _frequency.value
else:
    _TICKS_PER_SECOND = _NANOSECONDS


def _declare(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, arguments)
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, kind, name)


def _two_words(builder: Any, name: str) -> Any:
    """Reserve a timespec on the stack, in the entry block so that loops do not grow it."""
    with builder.goto_entry_block():
        return builder.alloca(ir.ArrayType(_I64, 2), name=name)


def _word(builder: Any, pair: Any, index: int) -> Any:
    return builder.gep(pair, [ir.Constant(_I32, 0), ir.Constant(_I32, index)])


@intrinsic
def now_ns(typingctx: Any) -> Any:
    """The monotonic clock in nanoseconds."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        time = _two_words(builder, "now")
        first = _word(builder, time, 0)
        if WINDOWS:
            query = _declare(builder, "QueryPerformanceCounter", _I32, [_I64.as_pointer()])
            builder.call(query, [first])
            ticks = builder.load(first)
            seconds = builder.sdiv(ticks, ir.Constant(_I64, _TICKS_PER_SECOND))
            rest = builder.srem(ticks, ir.Constant(_I64, _TICKS_PER_SECOND))
            nanoseconds = builder.sdiv(
                builder.mul(rest, ir.Constant(_I64, _NANOSECONDS)),
                ir.Constant(_I64, _TICKS_PER_SECOND),
            )
        else:
            get = _declare(builder, "clock_gettime", _I32, [_I32, _I64.as_pointer()])
            builder.call(get, [ir.Constant(_I32, _CLOCK_MONOTONIC), first])
            seconds = builder.load(first)
            nanoseconds = builder.load(_word(builder, time, 1))
        return builder.add(builder.mul(seconds, ir.Constant(_I64, _NANOSECONDS)), nanoseconds)

    return types.int64(), codegen


@intrinsic
def _sleep_ns(typingctx: Any, duration: Any) -> Any:
    """Sleep for about ``duration`` nanoseconds."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if WINDOWS:
            sleep = _declare(builder, "Sleep", ir.VoidType(), [_I32])
            milliseconds = builder.sdiv(args[0], ir.Constant(_I64, 1_000_000))
            builder.call(sleep, [builder.trunc(milliseconds, _I32)])
        else:
            time = _two_words(builder, "pause")
            first = _word(builder, time, 0)
            billion = ir.Constant(_I64, _NANOSECONDS)
            builder.store(builder.sdiv(args[0], billion), first)
            builder.store(builder.srem(args[0], billion), _word(builder, time, 1))
            pointer = _I64.as_pointer()
            sleep = _declare(builder, "nanosleep", _I32, [pointer, pointer])
            builder.call(sleep, [first, ir.Constant(pointer, None)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@jit
def sleep_until_ns(deadline):
    """Sleep until the monotonic clock shows ``deadline``; returns at once if it has passed.

    Windows sleeps in whole milliseconds, so the rest is waited out by looking at the clock.
    """
    left = deadline - now_ns()
    while left > 0:
        if WINDOWS:
            if left > 2_000_000:
                _sleep_ns(left - 1_500_000)
        else:
            _sleep_ns(left)
        left = deadline - now_ns()


@intrinsic
def raise_own_priority(typingctx: Any, priority: Any) -> Any:
    """Ask for SCHED_FIFO for the calling thread (Linux); 0 if granted or not needed, else -1.

    CoreAudio and PortAudio's Windows host APIs raise their audio threads themselves.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not LINUX:
            return ir.Constant(_I64, 0)
        with builder.goto_entry_block():
            parameter = builder.alloca(_I32)
        builder.store(builder.trunc(args[0], _I32), parameter)
        get = _declare(builder, "sched_getscheduler", _I32, [_I32])
        set_ = _declare(builder, "sched_setscheduler", _I32, [_I32, _I32, _I32.as_pointer()])
        zero = ir.Constant(_I32, 0)
        policy = builder.call(get, [zero])
        with builder.if_else(builder.icmp_signed("==", policy, zero)) as (ordinary, raised):
            with ordinary:
                answer = builder.call(set_, [zero, ir.Constant(_I32, 1), parameter])
                ordinary_end = builder.block
            with raised:
                raised_end = builder.block
        result = builder.phi(_I32)
        result.add_incoming(answer, ordinary_end)
        result.add_incoming(zero, raised_end)
        return builder.sext(result, _I64)

    return types.int64(types.int64), codegen


def realtime_permitted() -> tuple[bool, str]:
    """Say whether a thread may become a real-time thread, and what to do if it may not."""
    if not LINUX:
        return True, "the system's audio threads are real-time by themselves"
    if os.geteuid() == 0:
        return True, "root may use SCHED_FIFO"
    import resource

    soft, _ = resource.getrlimit(getattr(resource, "RLIMIT_RTPRIO", 14))
    if soft >= WORKER_PRIORITY or soft == resource.RLIM_INFINITY:
        return True, f"RLIMIT_RTPRIO is {soft}"
    return False, (
        f"RLIMIT_RTPRIO is {soft}: add '@audio - rtprio 95' and '@audio - memlock unlimited' to "
        "/etc/security/limits.d/audio.conf, join the group audio, and log in again"
    )
