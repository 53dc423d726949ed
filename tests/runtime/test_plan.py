"""The plan is data: it names every address in the memory of its nodes."""

from __future__ import annotations

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.effects.parallel import Branch, Parallel
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.offline import run
from rtaudio.runtime.program import Program
from rtaudio.runtime.words import address_of, f32_at, struct_at
from rtaudio.shipped import shipped_models, shipped_presets

RATE, BLOCK = 48000, 64
WITH_ONNX = ("codec", "denoise", "karaoke", "backing", "drums", "stems")
NATIVE = [name for name in shipped_presets() if not name.startswith(WITH_ONNX)]
EVERYTHING = [
    rt.NoiseGate(),
    rt.Compressor(),
    rt.Delay(ping_pong=True),
    rt.Equalizer(),
    rt.ToneStack(),
    rt.Cabinet.from_array(np.ones((2, 300)), RATE),
    rt.DcBlock(),
    rt.Gain(),
    rt.Limiter(),
]


def copied(effects):
    return [effect.model_copy(update={"name": ""}) for effect in effects]


CHAINS = {name: lambda name=name: rt.load_preset(name) for name in NATIVE} | {
    "everything": lambda: rt.Chain(copied(EVERYTHING)),
    "side by side": lambda: Parallel(
        [Branch(copied(EVERYTHING), pan=-1), Branch([rt.Gain()], pan=1)]
    ),
    "in ONNX Runtime": lambda: rt.Model(shipped_models()["klone"], engine="onnx", worker=False),
    "oversampled": lambda: rt.Model(shipped_models()["crunch-light"], oversample=2),
}


@pytest.mark.parametrize("rate", [44100, RATE])
@pytest.mark.parametrize("name", CHAINS)
def test_two_images_of_one_chain_are_equal_wherever_they_lie(name, rate):
    """An address that no pointer tells would differ: the memory of the two lies elsewhere."""
    plans = [CHAINS[name]().plan(rate, BLOCK, in_channels=2) for _ in range(2)]
    programs = [Program(plan) for plan in plans]
    addresses = [{node.state_address for node in plan.nodes} for plan in plans]
    assert not addresses[0] & addresses[1]
    first, second = (plan.image() for plan in plans)
    assert first == second
    assert programs[0].address != programs[1].address


def test_every_word_of_an_image_that_must_become_an_address_leads_into_its_target():
    image = rt.Chain(copied(EVERYTHING)).plan(RATE, BLOCK, in_channels=2).image()
    sizes = [len(block) for block in image.blocks] + image.buffers
    for relocation in image.relocations:
        word = image.blocks[relocation.block][relocation.offset : relocation.offset + 8]
        assert word == bytes(8)
        if isinstance(relocation.target, int):
            assert 0 <= relocation.shift <= sizes[relocation.target]


def test_what_only_lives_in_this_process_has_no_image():
    effect = rt.Model(shipped_models()["crunch"], engine="native", worker=True)
    plan = rt.Chain([rt.Gain(), effect]).plan(RATE, BLOCK)
    assert not plan.relocatable
    with pytest.raises(ValueError, match=r"^model: cannot leave this process$"):
        plan.image()


def test_a_plan_is_known_before_there_are_addresses():
    chain = rt.Chain([rt.Gain(name="in"), rt.Limiter(lookahead_ms=1.0)], name="all")
    plan = chain.plan(RATE, BLOCK, in_channels=2)
    assert plan.effects == ("all", "in", "limiter")
    assert plan.latency_samples == 48
    assert plan.latency_parts == {"in": 0, "limiter": 48}
    assert [step.effect for step in plan.steps if step.node.kernel.name == "gain.gain"] == ["in"]
    assert plan.controls["in.gain_db"].range == (-80.0, 40.0, "dB")
    plan.controls["in.gain_db"].set(-6.0)
    assert chain.effects[0].gain_db == plan.controls["in.gain_db"].value == -6.0
    with pytest.raises(ValueError, match=r"in\.gain_db = 99"):
        plan.controls["in.gain_db"].set(99)


def test_buses_of_single_channels_lie_in_the_buffer_of_all():
    builder = Builder(RATE, BLOCK)
    source = builder.bus(2)
    nodes = [rt.Gain(), rt.Gain()]
    inner = [Node(twice) for _ in nodes]
    program = Program(builder.finish(source, builder.run_each(inner, source)))
    x = np.stack([np.ones(BLOCK), np.full(BLOCK, 3.0)]).astype(np.float32)
    np.testing.assert_array_equal(run(program, x), 2.0 * x)
    assert [step.src for step in program.plan.steps] == [Bus(0, 1, 0, 0), Bus(0, 1, 0, 1)]


@kernel(state_dtype())
def twice(state, src, dst, frames):
    for i in range(frames):
        dst[i] = 2.0 * src[i]
    return 0


class Ordered(Effect):
    """Two parameters, read by name."""

    first: float = parameter(1.0, -10.0, 10.0, "", "added")
    second: float = parameter(2.0, -10.0, 10.0, "", "times")

    def build(self, builder, x, slots):
        return builder.run(Node(by_name, params=slots, hundred=slots.slot("second")), x)


class Reordered(Ordered):
    """The same with a parameter in front, and the others turned round."""

    zeroth: float = parameter(100.0, -1000.0, 1000.0, "", "of no use")

    @classmethod
    def live_parameters(cls):
        return ["zeroth", "second", "first"]


STATE = state_dtype(("hundred", "i8"))
_state_at = struct_at(STATE)
_ordered_at, _reordered_at = slots_at(Ordered), slots_at(Reordered)


@kernel(STATE)
def by_name(state, src, dst, frames):
    s = _state_at(address_of(state))
    p = _ordered_at(s.params)
    for i in range(frames):
        dst[i] = p.first + p.second * src[i] + 100.0 * f32_at(s.hundred)[0]
    return 0


@kernel(STATE)
def by_name_reordered(state, src, dst, frames):
    s = _state_at(address_of(state))
    p = _reordered_at(s.params)
    for i in range(frames):
        dst[i] = p.first + p.second * src[i] + 100.0 * f32_at(s.hundred)[0]
    return 0


def test_the_order_of_the_fields_cannot_change_the_sound(monkeypatch):
    x = np.linspace(-1, 1, 200, dtype=np.float32)
    wanted = Ordered(first=3.0, second=-2.0)(x, RATE)
    np.testing.assert_allclose(wanted, 3.0 - 2.0 * x - 200.0, rtol=1e-6)

    def build(self, builder, x, slots):
        return builder.run(Node(by_name_reordered, params=slots, hundred=slots.slot("second")), x)

    monkeypatch.setattr(Reordered, "build", build)
    np.testing.assert_array_equal(Reordered(first=3.0, second=-2.0)(x, RATE), wanted)
