"""An image knows every address, object code knows nothing of Python, tables are C."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

import rtaudio as rt
from export.plugin.image import Pool, _written, lay_out
from export.plugin.objects import _linked
from export.plugin.tables import Parameter, parameters_of
from rtaudio.effects.limiter import limit
from rtaudio.effects.parallel import Branch, Parallel
from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.kernels import simd
from rtaudio.runtime.kernels.gain import gain
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.offline import run
from rtaudio.runtime.program import Program, run_alone
from rtaudio.shipped import shipped_models

KNOWN = {"exp", "exp2", "log2", "log2f", "logf", "pow", "tan", "memcpy", "memset"}
"""All that compiled kernels ask of the C library."""


def chain():
    return rt.Chain(
        rt.Gain(name="in"),
        rt.Model(shipped_models()["crunch-light"], name="amp", oversample=2),
        Parallel([Branch([rt.Delay(mix=0.5)], pan=-1), Branch([], pan=1)]),
        rt.Limiter(),
        name="all",
    )


@pytest.mark.parametrize("rate", [44100, 48000])
def test_two_images_of_one_chain_are_equal(rate):
    """Their memory lies elsewhere: an address that is in no list would differ."""
    plans = [chain().plan(rate, 64, in_channels=1, out_channels=2, varying=True) for _ in range(2)]
    for plan in plans:
        Program(plan)  # writes the addresses of buffers into the nodes
    pools = [Pool([run_alone]) for _ in plans]
    layouts = [lay_out(plan, list(plan.controls), p) for plan, p in zip(plans, pools, strict=True)]
    assert layouts[0] == layouts[1]
    assert pools[0].blob == pools[1].blob
    assert pools[0].functions == pools[1].functions


def test_places_do_not_overlap_and_the_zeros_are_left_out():
    long = rt.Chain(rt.Delay(time_ms=2000, mix=1), name="all")
    plan = long.plan(192000, 64, varying=True)
    pool = Pool([])
    layout = lay_out(plan, list(plan.controls), pool)
    assert layout.node_bytes > 4 * 192000 * 2 > 100 * len(pool.blob)
    assert layout.node_bytes <= layout.program < layout.pristine
    assert layout.pristine + layout.node_bytes == layout.buffers < layout.bytes
    table = np.frombuffer(pool.blob, np.int64, 3 * layout.relocation_count, layout.relocations)
    places = np.sort(table.reshape(-1, 3)[:, 0])
    assert (np.diff(places) >= 8).all()
    slots = np.frombuffer(pool.blob, np.int64, len(plan.controls), layout.slots)
    assert len(set(slots)) == len(slots)
    assert ((slots >= layout.node_bytes) & (slots < layout.pristine)).all()


@kernel(state_dtype(("wanted", "i8")))
def store(state, src, dst, frames):
    return 0


def test_a_parameter_that_another_node_stores_belongs_to_one_instance():
    """As in a codec: one node tells another how many books it wants."""
    wanted, weights = aligned(1), aligned(1)
    builder = Builder(48000, 64)
    x = builder.bus(1)
    y = builder.run(Node(store, uncopied={"wanted": wanted}), x)
    y = builder.run(Node(store, params=wanted), y)
    image = builder.finish(x, builder.run(Node(store, uncopied={"wanted": weights}), y)).image()
    assert set(range(len(image.blocks))) - _written(image) == {len(image.blocks) - 1}


def test_what_instances_share_is_never_written():
    plan = chain().plan(48000, 64, in_channels=2, out_channels=2, varying=True)
    image, program = plan.image(), Program(plan)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 9600)).astype(np.float32)
    run(program, noise)
    for control in plan.controls.values():
        control.set(control.range[0])
    run(program, noise)
    after, written = plan.image().blocks, _written(image)
    changed = {k for k, block in enumerate(image.blocks) if block != after[k]}
    assert changed <= written < set(range(len(image.blocks)))
    assert changed & set(image.states)


@pytest.mark.parametrize("function", [gain, limit, run_alone], ids=lambda f: f.function.__name__)
def test_object_code_asks_for_nothing_but_mathematics(function):
    """Numba's inner parts that this rests on may change with its version."""
    module = _linked(function)
    names = [f.name for f in module.functions if not f.name.startswith("llvm.")]
    outside = {f.name for f in module.functions if f.is_declaration} & set(names)
    assert outside <= KNOWN
    assert [f.name for f in module.functions if f.linkage == llvm.Linkage.external
            and not f.is_declaration] == [n for n in names if n.startswith("rtaudio_")]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "features", "lanes"),
    [("x86-64-v4", "", 16), ("x86-64-v3", "", 8), ("x86-64-v2", "", 4), ("haswell", "+avx2", 8)],
)
def test_vectors_fit_the_processor_that_numba_compiles_for(monkeypatch, name, features, lanes):
    monkeypatch.setattr(numba.config, "CPU_NAME", name)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    assert simd.lanes_of(simd.target_features()) == lanes


def test_parameters_are_those_that_can_be_turned():
    found = {p.key: p for p in parameters_of(chain().plan(48000, 64))}
    assert next(iter(found)) == "all.bypass"
    assert found["all.bypass"].bypass
    assert found["in.bypass"].switch
    assert not found["in.bypass"].bypass
    gain_db = found["in.gain_db"]
    assert (gain_db.title, gain_db.unit, gain_db.low, gain_db.high) == ("in gain", "dB", -80, 40)
    assert len({p.id for p in found.values()}) == len(found)
    assert all(0 <= p.id < 2**31 for p in found.values())


def test_a_frequency_turns_in_ratios():
    key = ("tone.cut_hz", "tone cut", "Hz")
    assert Parameter(*key, 20.0, 20000.0, 100.0, False, False).logarithmic
    assert not Parameter(*key, 0.0, 20000.0, 100.0, False, False).logarithmic
    assert re.fullmatch(r"\d+", str(Parameter(*key, 1.0, 2.0, 1.0, False, False).id))
