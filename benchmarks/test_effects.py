"""The cost of each effect per block of 64 frames at 48 kHz.

Run ``pytest benchmarks/test_effects.py -o addopts= --benchmark-columns=median,max``. Every round is
one block, called from Python; ``chain`` is an empty chain, the cost of that call.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.runtime.program import run_program

RATE, BLOCK = 48000, 64


def cabinet(seconds):
    taps = int(seconds * RATE)
    response = np.random.default_rng(0).standard_normal(taps) * np.exp(-np.linspace(0, 5, taps))
    return rt.Cabinet.from_array(response, RATE)


EFFECTS = {
    "chain": lambda: rt.Chain([]),
    "gain": rt.Gain,
    "noise_gate": rt.NoiseGate,
    "equalizer, flat": rt.Equalizer,
    "equalizer, 7 sections": lambda: rt.Equalizer(
        low_cut_hz=80,
        low_shelf_db=3,
        peak1_db=2,
        peak2_db=2,
        peak3_db=-3,
        high_shelf_db=3,
        high_cut_hz=9000,
    ),
    "compressor": rt.Compressor,
    "cabinet, 50 ms": lambda: cabinet(0.05),
    "cabinet, 200 ms": lambda: cabinet(0.2),
    "cabinet, 2 s": lambda: cabinet(2.0),
    "limiter": rt.Limiter,
    "true-peak limiter": rt.TruePeakLimiter,
    "leveler": rt.Leveler,
    "multiband compressor": rt.MultibandCompressor,
    "dynamic equalizer, 3 bands": lambda: rt.DynamicEqualizer(
        band1_range_db=-6, band2_range_db=-6, band3_range_db=-6
    ),
    "tilt": lambda: rt.Tilt(db_per_octave=1.0),
    "width": lambda: rt.Width(mono_hz=120.0, high_width=1.2),
    "saturator": rt.Saturator,
    "match": lambda: rt.Match(np.linspace(-3.0, 3.0, 31)),
    "dither": rt.Dither,
    "delay": rt.Delay,
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", EFFECTS)
def test_block(benchmark, name, channels):
    program = EFFECTS[name]().compile(RATE, BLOCK, in_channels=channels)
    address = program.address_of(program.plan.source)
    floats = (ctypes.c_float * (channels * program.plan.stride)).from_address(address)
    block = np.frombuffer(floats, np.float32)
    noise = 0.3 * np.random.default_rng(0).standard_normal((97, len(block))).astype(np.float32)
    rounds = iter(range(10**6))

    def setup():
        block[:] = noise[next(rounds) % len(noise)]
        return (program.address, BLOCK), {}

    benchmark.pedantic(run_program, setup=setup, rounds=5000, warmup_rounds=10)
