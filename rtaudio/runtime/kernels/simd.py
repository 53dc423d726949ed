"""Explicit vector code for kernels that a compiler does not vectorise well.

An intrinsic (see :mod:`rtaudio.runtime.words`) makes a :class:`Vectors` from its builder and
writes its arithmetic with it. Python loops in the intrinsic unroll; :meth:`Vectors.repeat` makes a
loop. Every lane count is right on every machine: LLVM splits vectors that are wider than the
registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir


def target_features() -> set[str]:
    """Return the features of the processor that numba compiles for.

    It is this one, or the one that ``NUMBA_CPU_NAME`` names.
    """
    name = numba.config.CPU_NAME
    if name is None:
        return {feature for feature, there in llvm.get_host_cpu_features().items() if there}
    level = {"x86-64-v3": {"avx2"}, "x86-64-v4": {"avx2", "avx512f"}}.get(name, set())
    chosen = (numba.config.CPU_FEATURES or "").split(",")
    return level | {feature[1:] for feature in chosen if feature.startswith("+")}


def lanes_of(features: set[str]) -> int:
    """Return how many float32 values a vector register holds."""
    return 16 if "avx512f" in features else 8 if "avx2" in features else 4


_NEON = llvm.get_process_triple().startswith(("aarch64", "arm64"))

LANES = lanes_of(target_features())
"""Float32 values in a vector register of the processor that is compiled for."""

REGISTERS = 32 if LANES == 16 or _NEON else 16
"""Vector registers of that processor."""

_FLOAT, _I32, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)

TANH_LIMIT = 18.0
TANH_NUMERATOR = (0.49999999, 0.0167263476, 0.000109239011, 1.61015593e-07, 2.60855179e-11)
TANH_DENOMINATOR = (1.0, 0.116785984, 0.00161732603, 5.13395304e-06, 3.03790942e-09)
"""tanh(z / 2) = z P(z^2) / Q(z^2) for abs(z) <= 18, fitted to the smallest largest relative error
(2.1e-8 exact). That the fit is far closer than float32 matters: over a net rounding averages out,
and an error of the fit does not."""


class Vectors:
    """Float32 vectors of one lane count in the code that an LLVM builder is writing.

    Parameters
    ----------
    builder
        The builder of an intrinsic's ``codegen``.
    lanes
        Values per vector, a power of two.
    """

    def __init__(self, builder: Any, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self.type = ir.VectorType(_FLOAT, lanes)

    def pointer(self, address: Any) -> Any:
        """Return the float32 pointer of an int64 address."""
        return self.builder.inttoptr(address, _FLOAT.as_pointer())

    def element(self, base: Any, index: Any) -> Any:
        """Return the pointer to ``base[index]``; the index is a Python or a compiled int."""
        return self.builder.gep(base, [self.index(index) if isinstance(index, int) else index])

    def index(self, value: int) -> Any:
        """Return a known int64."""
        return ir.Constant(_I64, value)

    def load(self, base: Any, index: Any, *, aligned: bool = True) -> Any:
        """Load the vector at ``base[index]``, a multiple of the lane count if ``aligned``."""
        place = self.builder.bitcast(self.element(base, index), self.type.as_pointer())
        return self.builder.load(place, align=4 * self.lanes if aligned else 4)

    def store(self, vector: Any, base: Any, index: Any, *, aligned: bool = True) -> None:
        """Store a vector at ``base[index]``, a multiple of the lane count if ``aligned``."""
        place = self.builder.bitcast(self.element(base, index), self.type.as_pointer())
        self.builder.store(vector, place, align=4 * self.lanes if aligned else 4)

    def constant(self, value: float) -> Any:
        """Return a vector with one known value in every lane."""
        return ir.Constant(self.type, [float(np.float32(value))] * self.lanes)

    def values(self, values: Sequence[float]) -> Any:
        """Return a vector of known values, one for each lane."""
        return ir.Constant(self.type, [float(np.float32(value)) for value in values])

    def splat(self, scalar: Any) -> Any:
        """Return a vector with one computed value in every lane."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
        return self._shuffle(first, [0] * self.lanes)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """Return ``a * b + c``, in one rounding where the machine can."""
        name = f"llvm.fmuladd.v{self.lanes}f32"
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(
            module, ir.FunctionType(self.type, [self.type] * 3), name
        )
        return self.builder.call(function, [a, b, c])

    def sum(self, vectors: Sequence[Any]) -> Any:
        """Add vectors pairwise."""
        while len(vectors) > 1:
            pairs = [vectors[k : k + 2] for k in range(0, len(vectors), 2)]
            vectors = [self.builder.fadd(*p) if len(p) == 2 else p[0] for p in pairs]
        return vectors[0]

    def total(self, vector: Any) -> Any:
        """Return the sum of a vector's lanes: halves are added until one lane is left."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            low = self._shuffle(vector, range(lanes))
            vector = self.builder.fadd(low, self._shuffle(vector, range(lanes, 2 * lanes)))
        return self.builder.extract_element(vector, ir.Constant(_I32, 0))

    def parts(self, vectors: Sequence[Any], lanes: int) -> list[Any]:
        """Return the vectors cut into shorter ones of ``lanes``."""
        if lanes == self.lanes:
            return list(vectors)
        return [
            self._shuffle(vector, range(first, first + lanes))
            for vector in vectors
            for first in range(0, self.lanes, lanes)
        ]

    def widened(self, vector: Any) -> Any:
        """Return a vector that may be shorter, with zeros after its values."""
        lanes = vector.type.count
        if lanes == self.lanes:
            return vector
        zero = ir.Constant(vector.type, [0.0] * lanes)
        mask = [*range(lanes), *[lanes] * (self.lanes - lanes)]
        kind = ir.VectorType(_I32, self.lanes)
        return self.builder.shuffle_vector(vector, zero, ir.Constant(kind, mask))

    def tanh_half(self, z: Any, factor: Any = None) -> Any:
        """Return ``factor`` tanh(z / 2), to 3e-7; the logistic function is (1 + tanh(z / 2)) / 2.

        Only the denominator is on the way of ``z`` to the result: the rest is done beside it. NaN
        stays NaN, so that a fault is seen downstream.
        """
        b = self.builder
        limit = self.constant(TANH_LIMIT**2)
        u = b.fmul(z, z)
        u = b.select(b.fcmp_ordered(">", u, limit), limit, u)
        for sign, beyond in ((1.0, ">"), (-1.0, "<")):
            limit = self.constant(sign * TANH_LIMIT)
            z = b.select(b.fcmp_ordered(beyond, z, limit), limit, z)
        if factor is not None:
            z = b.fmul(z, factor)
        u2 = b.fmul(u, u)
        p0, p1, p2, p3, p4 = (self.constant(p) for p in TANH_NUMERATOR)
        q0, q1, q2, q3, q4 = (self.constant(q) for q in TANH_DENOMINATOR)
        upper = self.fma(p4, u2, self.fma(p3, u, p2))
        numerator = self.fma(upper, b.fmul(z, u2), b.fmul(z, self.fma(p1, u, p0)))
        upper = self.fma(q4, u2, self.fma(q3, u, q2))
        return b.fdiv(numerator, self.fma(upper, u2, self.fma(q1, u, q0)))

    def repeat(
        self, count: Any, start: Sequence[Any], body: Callable[[Any, list[Any]], list[Any]]
    ) -> list[Any]:
        """Write a loop of ``count`` > 0 turns over values that stay in registers.

        Parameters
        ----------
        count
            Number of turns; a Python or a compiled int.
        start
            The values (vectors or compiled ints) before the first turn.
        body
            Called once, with the turn (compiled int64) and the values before it; writes the code
            of one turn and returns the values after it.

        Returns
        -------
        list
            The values after the last turn.
        """
        b = self.builder
        if isinstance(count, int):
            if count == 1:
                return body(ir.Constant(_I64, 0), list(start))
            count = self.index(count)
        before = b.block
        loop = b.append_basic_block("repeat")
        done = b.append_basic_block("done")
        b.branch(loop)
        b.position_at_end(loop)
        turn = b.phi(_I64)
        turn.add_incoming(ir.Constant(_I64, 0), before)
        values = [b.phi(first.type) for first in start]
        for value, first in zip(values, start, strict=True):
            value.add_incoming(first, before)
        after = body(turn, list(values))
        following = b.add(turn, ir.Constant(_I64, 1))
        turn.add_incoming(following, b.block)
        for value, last in zip(values, after, strict=True):
            value.add_incoming(last, b.block)
        b.cbranch(b.icmp_signed("<", following, count), loop, done)
        b.position_at_end(done)
        return after

    def _shuffle(self, vector: Any, lanes: Sequence[int]) -> Any:
        mask = ir.Constant(ir.VectorType(_I32, len(lanes)), list(lanes))
        return self.builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)
