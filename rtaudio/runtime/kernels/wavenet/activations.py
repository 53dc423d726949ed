"""The activations of a WaveNet, over vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rtaudio.runtime.kernels.simd import Vectors


def _leaky_relu(v: Vectors, z: Any, slope: float) -> Any:
    b = v.builder
    return b.select(b.fcmp_ordered("<", z, v.constant(0.0)), b.fmul(z, v.constant(slope)), z)


def _clamp(v: Vectors, z: Any, low: float, high: float) -> Any:
    b = v.builder
    z = b.select(b.fcmp_ordered(">", z, v.constant(high)), v.constant(high), z)
    return b.select(b.fcmp_ordered("<", z, v.constant(low)), v.constant(low), z)


def _logistic(v: Vectors, z: Any) -> Any:
    half = v.constant(0.5)
    return v.fma(v.tanh_half(z), half, half)


def _softsign(v: Vectors, z: Any) -> Any:
    b = v.builder
    size = b.select(b.fcmp_ordered("<", z, v.constant(0.0)), b.fneg(z), z)
    return b.fdiv(z, b.fadd(size, v.constant(1.0)))


def _hard_swish(v: Vectors, z: Any) -> Any:
    sixth = v.fma(z, v.constant(1.0 / 6.0), v.constant(0.5))
    return v.builder.fmul(z, _clamp(v, sixth, 0.0, 1.0))


ACTIVATIONS: dict[str, Callable[[Vectors, Any, float], Any]] = {
    "linear": lambda v, z, _: z,
    "tanh": lambda v, z, _: v.tanh_half(z),
    "hard_tanh": lambda v, z, _: _clamp(v, z, -1.0, 1.0),
    "relu": lambda v, z, _: _leaky_relu(v, z, 0.0),
    "leaky_relu": _leaky_relu,
    "sigmoid": lambda v, z, _: _logistic(v, z),
    "silu": lambda v, z, _: v.builder.fmul(z, _logistic(v, z)),
    "softsign": lambda v, z, _: _softsign(v, z),
    "hard_swish": lambda v, z, _: _hard_swish(v, z),
}
"""Functions of a vector and the slope of leaky_relu. NaN stays NaN."""
