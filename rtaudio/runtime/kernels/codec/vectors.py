"""Functions of whole vectors of float32, aligned and padded with zeros to ``COLUMNS``."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.runtime.kernels.simd import LANES, Vectors

EPSILON = 1e-5
"""Added to the variance in a layer norm, as torch does."""

_WORD = types.int64


@intrinsic
def silu(typingctx: Any, x: Any, size: Any) -> Any:
    """Replace each of ``size`` values at an address by x / (1 + exp(-x))."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v = Vectors(builder, LANES)
        pointer = v.pointer(args[0])

        def turn(number: Any, _: list[Any]) -> list[Any]:
            place = builder.mul(number, v.index(LANES))
            value = v.load(pointer, place)
            half = builder.fmul(value, v.constant(0.5))
            v.store(v.fma(v.tanh_half(value), half, half), pointer, place)
            return []

        v.repeat(builder.sdiv(args[1], v.index(LANES)), [], turn)
        return context.get_dummy_value()

    return types.void(_WORD, _WORD), codegen


@intrinsic
def layer_norm(typingctx: Any, x: Any, factors: Any, y: Any, count: Any, size: Any) -> Any:
    """Normalise ``count`` values at ``x``, padded to ``size``; ``factors`` are weights and biases.

    All but the sizes are addresses; the biases come after ``size`` weights.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v, b = Vectors(builder, LANES), builder
        x, factors, y = map(v.pointer, args[:3])
        count, size = args[3:]
        turns = b.sdiv(size, v.index(LANES))
        number = b.sitofp(count, ir.FloatType())
        zeros = b.sitofp(b.sub(size, count), ir.FloatType())

        def total(of: Any) -> Any:
            def turn(k: Any, sums: list[Any]) -> list[Any]:
                return [of(v.load(x, b.mul(k, v.index(LANES))), sums[0])]

            return v.total(v.repeat(turns, [v.constant(0.0)], turn)[0])

        mean = b.fdiv(total(b.fadd), number)
        centre = v.splat(mean)

        def squared(value: Any, sum_: Any) -> Any:
            off = b.fsub(value, centre)
            return v.fma(off, off, sum_)

        # The zeros of the padding are as far from the mean as the mean from zero.
        squares = b.fsub(total(squared), b.fmul(zeros, b.fmul(mean, mean)))
        variance = b.fadd(b.fdiv(squares, number), ir.Constant(ir.FloatType(), EPSILON))
        sqrt = b.module.declare_intrinsic("llvm.sqrt", [ir.FloatType()])
        scale = v.splat(b.fdiv(ir.Constant(ir.FloatType(), 1.0), b.call(sqrt, [variance])))

        def turn(k: Any, _: list[Any]) -> list[Any]:
            place = b.mul(k, v.index(LANES))
            value = b.fmul(b.fsub(v.load(x, place), centre), scale)
            weight, bias = v.load(factors, place), v.load(factors, b.add(place, size))
            v.store(v.fma(value, weight, bias), y, place)
            return []

        v.repeat(turns, [], turn)
        return context.get_dummy_value()

    return types.void(*[_WORD] * 5), codegen


@intrinsic
def above(typingctx: Any, x: Any, shift: Any, limit: Any) -> Any:
    """Tell whether any of ``LANES`` values at an address, plus ``shift``, is above ``limit``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v = Vectors(builder, LANES)
        value = builder.fadd(v.load(v.pointer(args[0]), 0), v.splat(args[1]))
        bits = builder.fcmp_ordered(">", value, v.splat(args[2]))
        mask = builder.bitcast(bits, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(_WORD, types.float32, types.float32), codegen
