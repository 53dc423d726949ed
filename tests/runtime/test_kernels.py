"""Kernels without an effect of their own, called directly: transform, resampler."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from rtaudio.runtime.abi import Node
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels import fft, routing
from rtaudio.runtime.kernels.resampler import low_pass, resampled_node
from rtaudio.runtime.program import Program, run_program

PROCESS = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)
PAIRS = [(44100, 48000), (48000, 44100), (96000, 48000), (48000, 96000), (44100, 96000)]
PAIRS += [(48000, 16000), (16000, 48000), (48000, 24000)]


def stream(node, x, splits):
    """Run one channel through a node in calls of the sizes ``splits``, over and over."""
    node.record["channels"] = 1
    process = PROCESS(node.kernel.address)
    x = np.ascontiguousarray(x, np.float32)
    y = np.empty_like(x)
    sizes = itertools.cycle(splits)
    done = 0
    while done < len(x):
        count = min(next(sizes), len(x) - done)
        at = 4 * done
        assert process(node.state_address, x.ctypes.data + at, y.ctypes.data + at, count) == 0
        done += count
    return y


def delay_node(samples):
    line = np.zeros(samples, np.float32)
    return Node(routing.delay, latency_samples=samples, work={"line": line}, samples=samples)


def resampled(host, inner, block=64, samples=5):
    return resampled_node(delay_node(samples), host, inner, block, samples)


def test_transform_convolves_with_a_sign_on_what_wraps():
    table = fft.twiddles()
    rng = np.random.default_rng(0)
    x, h = rng.standard_normal((2, 2 * fft.SIZE)).astype(np.float32)

    def spectrum(values):
        a, b = values.copy(), np.empty_like(values)
        fft.forward(table.ctypes.data, a.ctypes.data, b.ctypes.data)
        return b[: fft.SIZE] + 1j * b[fft.SIZE :]

    product = spectrum(x) * spectrum(h) / fft.SIZE
    a = np.concatenate([product.real, product.imag]).astype(np.float32)
    b = np.empty_like(a)
    fft.inverse(table.ctypes.data, a.ctypes.data, b.ctypes.data)
    full = np.convolve(x.astype(float), h)
    expected = full[: 2 * fft.SIZE] - np.append(full[2 * fft.SIZE :], 0.0)
    np.testing.assert_allclose(b, expected, atol=3e-5)


@pytest.mark.parametrize(("host", "inner"), PAIRS)
def test_resampler_is_two_filters_at_the_common_rate(host, inner):
    node = resampled(host, inner)
    up, down = int(node.record["host_ticks"]), int(node.record["inner_ticks"])
    x = np.random.default_rng(0).standard_normal(600).astype(np.float32)
    taps = low_pass(min(host, inner), host * up)
    common = np.zeros(600 * up)
    common[::up] = x * up
    there = fftconvolve(common, taps)[: len(common) : down]
    back = np.zeros(600 * up)
    back[::down] = np.append(np.zeros(5), there)[: len(there)] * down
    extra = node.latency_samples * up - (len(taps) - 1) - 5 * down
    expected = np.append(np.zeros(extra), fftconvolve(back, taps))[: len(common) : up]
    np.testing.assert_allclose(stream(node, x, [64]), expected, atol=3e-6)


@pytest.mark.parametrize(("host", "inner"), PAIRS)
def test_resampler_keeps_the_pass_band_and_reports_its_latency(host, inner):
    """A delayed sine comes out: same level within 0.1 dB, no phase error, nothing else."""
    edge = min(18000.0, 0.88 * min(host, inner) / 2)
    for frequency in np.linspace(50.0, edge, 7):
        node = resampled(host, inner)
        phase = 2 * np.pi * frequency / host * np.arange(12000)
        out = stream(node, np.sin(phase), [64])[4000:]
        late = phase[4000:] - phase[node.latency_samples]
        (same, quadrature), residue, *_ = np.linalg.lstsq(
            np.stack([np.sin(late), np.cos(late)], axis=1), out, rcond=None
        )
        assert abs(20 * np.log10(same)) < 0.01
        assert abs(quadrature) < 1e-4
        assert 10 * np.log10(residue[0] / (0.5 * len(out))) < -95.0


@pytest.mark.parametrize(("host", "inner"), [(48000, 16000), (96000, 48000), (48000, 24000)])
def test_resampler_removes_what_the_inner_rate_cannot_hold(host, inner):
    for frequency in np.linspace(1.2, 1.9, 5) * inner / 2:
        sine = np.sin(2 * np.pi * frequency / host * np.arange(8000))
        out = stream(resampled(host, inner), sine, [64])[4000:]
        assert 20 * np.log10(np.abs(out).max()) < -90.0


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    pair=st.sampled_from(PAIRS),
    splits=st.lists(st.integers(1, 4096), min_size=1, max_size=8),
    samples=st.integers(1, 50),
)
def test_resampler_does_not_depend_on_the_block_size(pair, splits, samples):
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    whole = stream(resampled(*pair, 5000, samples), x, [5000])
    np.testing.assert_array_equal(stream(resampled(*pair, 4096, samples), x, splits), whole)


def test_resampler_recovers_with_the_node_inside_it():
    builder = Builder(48000, 64)
    source = builder.bus(1)
    program = Program(builder.finish(source, builder.run(resampled(48000, 44100), source)))
    block = np.frombuffer(
        (ctypes.c_float * 64).from_address(program.address_of(program.plan.source)), np.float32
    )
    result = np.frombuffer(
        (ctypes.c_float * 64).from_address(program.address_of(program.plan.output)), np.float32
    )
    levels = []
    for k in range(40):
        block[:] = np.nan if k == 10 else 1.0
        run_program(program.address, 64)
        levels.append(np.abs(result).max())
    assert np.isfinite(levels).all()
    assert levels[-1] == pytest.approx(1.0, abs=1e-4)
    assert sum(program.faults.values()) > 0
