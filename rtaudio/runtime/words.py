"""Machine words for compiled audio code: pointers, atomics, calls by address, denormal control.

Every function here is a numba intrinsic: it becomes one or a few machine instructions inside
compiled code, and none of them allocates, locks or raises. Addresses travel as ``int64``; they are
turned into typed pointers where they are used.
"""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic
"""Without types: a checker would see the compiler's arguments in place of those of a call."""

_MACHINE = platform.machine().lower()
_X86 = _MACHINE in ("x86_64", "amd64")
_ARM64 = _MACHINE in ("aarch64", "arm64")

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_PTR = ir.IntType(8).as_pointer()


def _pointer_to(element: Any, llvm: ir.Type, doc: str) -> Any:
    """Make the intrinsic ``f(address) -> pointer to element``."""

    def as_pointer(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], llvm.as_pointer())

        return types.CPointer(element)(types.int64), codegen

    as_pointer.__doc__ = doc
    return intrinsic(as_pointer)


f32_at = _pointer_to(
    types.float32, _F32, "The float32 array at an address; index it like an array."
)
f64_at = _pointer_to(types.float64, ir.DoubleType(), "The float64 array at an address.")
i32_at = _pointer_to(types.int32, _I32, "The int32 array at an address.")
i64_at = _pointer_to(types.int64, _I64, "The int64 array at an address.")


@intrinsic
def void_at(typingctx: Any, address: Any) -> Any:
    """The untyped pointer at an address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], _PTR)

    return types.voidptr(types.int64), codegen


@intrinsic
def address_of(typingctx: Any, pointer: Any) -> Any:
    """The address held by a pointer, as int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], _I64)

    return types.int64(pointer), codegen


def struct_at(dtype: np.dtype) -> Any:
    """Make the compiled function ``f(address) -> record`` for one structured dtype.

    Assigning to a field of the record writes to memory.
    """

    @njit(inline="always")
    def at(address):
        return carray(void_at(address), 1, dtype)[0]

    return at


@intrinsic
def call_process(typingctx: Any, function: Any, state: Any, src: Any, dst: Any, frames: Any) -> Any:
    """Call a node's process function (see :mod:`rtaudio.runtime.abi`) by address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(_I32, [_PTR, _F32.as_pointer(), _F32.as_pointer(), _I64])
        target = builder.inttoptr(args[0], kind.as_pointer())
        state_pointer = builder.inttoptr(args[1], _PTR)
        src_pointer = builder.inttoptr(args[2], _F32.as_pointer())
        dst_pointer = builder.inttoptr(args[3], _F32.as_pointer())
        return builder.call(target, [state_pointer, src_pointer, dst_pointer, args[4]])

    return types.int32(types.int64, types.int64, types.int64, types.int64, types.int64), codegen


def _call_words(builder: Any, result: Any, function: Any, arguments: Any) -> Any:
    """Emit the call of a C function of 64-bit words at the address ``function``."""
    kind = ir.FunctionType(result, [_I64] * len(arguments))
    return builder.call(builder.inttoptr(function, kind.as_pointer()), list(arguments))


@intrinsic
def call_i64_1(typingctx: Any, function: Any, a: Any) -> Any:
    """Call ``int64 f(int64)`` by address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call_words(builder, _I64, args[0], args[1:])

    return types.int64(*[types.int64] * 2), codegen


@intrinsic
def call_i32_6(
    typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any
) -> Any:
    """Call ``int32 f(int64 x 6)`` by address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call_words(builder, _I32, args[0], args[1:])

    return types.int32(*[types.int64] * 7), codegen


@intrinsic
def call_i64_8(
    typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any
) -> Any:
    """Call ``int64 f(int64 x 8)`` by address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call_words(builder, _I64, args[0], args[1:])

    return types.int64(*[types.int64] * 9), codegen


def _atomic(emit: Any, result: Any, stores: bool, doc: str) -> Any:
    """Make an intrinsic on the int64 at an address; ``emit(builder, pointer, *args)``."""

    def generate(sig: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], _I64.as_pointer())
            value = emit(builder, pointer, *args[1:])
            return context.get_dummy_value() if result is types.void else value

        return sig, codegen

    def load(typingctx: Any, address: Any) -> Any:
        return generate(result(types.int64))

    def store(typingctx: Any, address: Any, value: Any) -> Any:
        return generate(result(types.int64, types.int64))

    operation: Any = store if stores else load
    operation.__doc__ = doc
    return intrinsic(operation)


atomic_load = _atomic(
    lambda b, p: b.load_atomic(p, "acquire", 8), types.int64, False, "Load an int64, acquire order."
)
atomic_store = _atomic(
    lambda b, p, v: b.store_atomic(v, p, "release", 8),
    types.void,
    True,
    "Store an int64, release order.",
)
atomic_exchange = _atomic(
    lambda b, p, v: b.atomic_rmw("xchg", p, v, "acq_rel"),
    types.int64,
    True,
    "Store an int64 and return what was there.",
)


def _memory(name: str, doc: str) -> Any:
    def operation(typingctx: Any, dst: Any, what: Any, count: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            pointer = builder.inttoptr(args[0], _PTR)
            volatile = ir.Constant(ir.IntType(1), 0)
            if name == "memcpy":
                kind = ir.FunctionType(ir.VoidType(), [_PTR, _PTR, _I64, ir.IntType(1)])
                f = builder.module.declare_intrinsic("llvm.memcpy", [_PTR, _PTR, _I64], kind)
                builder.call(f, [pointer, builder.inttoptr(args[1], _PTR), args[2], volatile])
            else:
                kind = ir.FunctionType(ir.VoidType(), [_PTR, ir.IntType(8), _I64, ir.IntType(1)])
                f = builder.module.declare_intrinsic("llvm.memset", [_PTR, _I64], kind)
                byte = builder.trunc(args[1], ir.IntType(8))
                builder.call(f, [pointer, byte, args[2], volatile])
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), codegen

    operation.__doc__ = doc
    return intrinsic(operation)


copy_bytes = _memory("memcpy", "Copy ``count`` bytes from address ``what`` to address ``dst``.")
fill_bytes = _memory("memset", "Set ``count`` bytes at address ``dst`` to ``what``.")


@intrinsic
def flush_denormals(typingctx: Any) -> Any:
    """Make this thread treat denormal numbers as zero; returns the former control word.

    x86-64: FTZ and DAZ of MXCSR. arm64: FZ of FPCR. Elsewhere it does nothing.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _X86:
            slot = builder.alloca(_I32)
            kind = ir.FunctionType(ir.VoidType(), [_PTR])
            store = builder.module.declare_intrinsic("llvm.x86.sse.stmxcsr", (), kind)
            load = builder.module.declare_intrinsic("llvm.x86.sse.ldmxcsr", (), kind)
            raw = builder.bitcast(slot, _PTR)
            builder.call(store, [raw])
            former = builder.load(slot)
            builder.store(builder.or_(former, ir.Constant(_I32, 0x8040)), slot)
            builder.call(load, [raw])
            return builder.zext(former, _I64)
        if _ARM64:
            former = builder.asm(ir.FunctionType(_I64, []), "mrs $0, fpcr", "=r", [], True)
            flushed = builder.or_(former, ir.Constant(_I64, 1 << 24))
            builder.asm(
                ir.FunctionType(ir.VoidType(), [_I64]), "msr fpcr, $0", "r", [flushed], True
            )
            return former
        return ir.Constant(_I64, 0)

    return types.int64(), codegen


@intrinsic
def restore_denormals(typingctx: Any, former: Any) -> Any:
    """Give the thread back the control word that :func:`flush_denormals` returned."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if _X86:
            slot = builder.alloca(_I32)
            kind = ir.FunctionType(ir.VoidType(), [_PTR])
            load = builder.module.declare_intrinsic("llvm.x86.sse.ldmxcsr", (), kind)
            builder.store(builder.trunc(args[0], _I32), slot)
            builder.call(load, [builder.bitcast(slot, _PTR)])
        elif _ARM64:
            builder.asm(
                ir.FunctionType(ir.VoidType(), [_I64]), "msr fpcr, $0", "r", [args[0]], True
            )
        return context.get_dummy_value()

    return types.void(types.int64), codegen
