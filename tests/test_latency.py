"""Reported latency is measured latency, for every shipped preset, wet and bypassed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.preset.load import load_preset
from rtaudio.runtime.offline import run
from rtaudio.shipped import shipped_codecs, shipped_presets

RATE = 48000
TAKE = np.random.default_rng(0).uniform(-0.3, 0.3, RATE // 4).astype(np.float32)
CHANGE = 6007
LOOK_AHEAD = ("broadcast", "master", "master-podcast")
"""Presets whose limiters and compressors turn down before a loud change: they get a soft one."""


@pytest.fixture(scope="module", autouse=True)
def codecs():
    """Keep the codecs in memory: read anew for every test, they would take longer than it."""
    return [rt.Codec(name) for name in shipped_codecs()]


def first_difference(program_of, block, level):
    """Return how long after a change of the input the output changes."""
    changed = TAKE.copy()
    changed[CHANGE] += 0.2
    outs = [run(program_of(block), level * x[None])[0] for x in (TAKE, changed)]
    return int(np.flatnonzero(outs[0] != outs[1])[0]) - CHANGE


@pytest.mark.parametrize("block", [17, 64, 480])
@pytest.mark.parametrize("name", sorted(shipped_presets()))
def test_a_change_is_heard_after_exactly_the_reported_latency(name, block):
    chain = load_preset(name)
    program = chain.compile(RATE, block, offline=True)
    level = np.float32(0.01 if name in LOOK_AHEAD else 1.0)
    measured = first_difference(lambda b: chain.compile(RATE, b, offline=True), block, level)
    # A linear-phase resampler answers before its centre, which is what is reported of it, and
    # a spectral frame from its beginning, with all samples of a hop at once.
    early = sum(
        program.plan.latency_parts[e.name]
        for e in chain.effects
        if isinstance(e, rt.Model) and e.card.rate_hz != RATE
    )
    hops = {e.name: e.card.hop for e in chain.effects if isinstance(e, rt.Denoise)}
    hops |= {e.name: e.codec.hop for e in chain.effects if isinstance(e, rt.Codec)}
    hops |= {
        e.name: math.ceil(e.card.hop * RATE / e.card.rate_hz)
        for e in chain.effects
        if isinstance(e, rt.Separate)
    }
    early += sum(program.plan.latency_parts[name] + hop for name, hop in hops.items())
    assert program.latency_samples - early <= measured <= program.latency_samples


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("name", sorted(shipped_presets()))
def test_bypass_is_a_pure_delay_of_the_reported_latency(name, rate):
    chain = load_preset(name)
    chain.bypass = True
    program = chain.compile(rate, 64, offline=True)
    out = run(program, TAKE[None, : 64 * 150])
    late = program.latency_samples
    for channel in out:
        np.testing.assert_array_equal(channel[late:], TAKE[: 64 * 150 - late])
        assert not channel[:late].any()


@pytest.mark.parametrize("name", sorted(shipped_presets()))
def test_the_parts_of_the_latency_add_up(name):
    program = load_preset(name).compile(44100, 64, offline=True)
    assert sum(program.plan.latency_parts.values()) == program.latency_samples


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("name", sorted(shipped_presets()))
def test_one_piece_equals_blocks_of_any_size(name, rate):
    chain = load_preset(name)
    whole = chain(TAKE, rate, block=4096)
    for block in (1, 17, 64, 441, 480, 1000):
        pieces = chain(TAKE, rate, block=block)
        assert np.max(np.abs(pieces - whole)) <= 1e-6
