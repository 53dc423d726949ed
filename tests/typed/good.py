"""A program as users write it: nothing in it is an error to a type checker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

import rtaudio as rt
from rtaudio.effects.base import parameter
from rtaudio.runtime.abi import Bus
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.slots import Slots

Floats = npt.NDArray[np.float32]


class Mine(rt.Effect):
    """An effect of the user's own."""

    depth: float = parameter(0.5, 0.0, 1.0, "", "how much")

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        return x


def effects() -> list[rt.Effect]:
    return [
        rt.Gain(6),
        rt.Gain(gain_db=6, name="input", mix=0.5, bypass=True),
        rt.Limiter(),
        rt.Limiter(-1, release_ms=50),
        rt.Delay(350, 0.4, ping_pong=True, mix=0.2),
        rt.ToneStack(6, 4.5, 6),
        rt.Compressor(-20, ratio=3),
        rt.Equalizer(low_cut_hz=80),
        rt.NoiseGate(-60),
        rt.DcBlock(),
        rt.Cabinet("cab.wav", gain_db=-3),
        rt.Cabinet.from_array([1.0, 0.5], 48000),
        rt.Model(Path("amp.nam"), name="amp", output="normalized", parameters={"gain": 0.5}),
        rt.Denoise(attenuation_limit_db=24),
        rt.Codec(bitrate_kbps=3),
        rt.Parallel(rt.Branch(rt.Gain(), pan=-1), rt.Branch([rt.Gain()], gain_db=-3)),
        Mine(0.3, name="mine"),
        rt.Plugin("amp.vst3", {"gain_db": 6.0, "bright": True}, isolate=True, mix=0.5),
        rt.Board([rt.Gain(6), rt.Pedal("Reverb", {"room_size": 0.7})], name="board"),
    ]


def render(x: Floats) -> Floats:
    chain = rt.Chain(rt.Gain(6), rt.Limiter())
    again = rt.Chain([rt.Gain(6), rt.Limiter()], name="again")
    wet: Floats = chain(x, 48000)
    return again([0.0, 0.5], 48000) if wet.size == 0 else wet


def containers(chain: rt.Chain) -> int:
    chain.append(rt.Gain())
    chain.insert(0, rt.Limiter())
    chain.remove("limiter")
    first: rt.Effect = chain[0]
    some: list[rt.Effect] = chain[1:]
    names = [effect.name for effect in chain]
    return len(chain) + len(some) + len(names) + len(first.kind)


def pieces(source: Iterator[npt.NDArray[np.int16]]) -> Iterator[Floats]:
    stream: rt.Stream = rt.load_preset("denoise").stream(48000, channels=1)
    for piece in source:
        yield stream.process(piece)
    yield stream.process(np.zeros(0), last=True)[stream.latency_samples :]
    stream.clear()


def live(sound: Iterator[Floats]) -> float:
    try:
        with rt.Host(rt.Gain(), device="clock", source=sound, in_channels=[1]) as host:
            host.set("gain.gain_db", -6)
            out: Floats = next(host.output())
            host.wait(0.1)
            return host.get("gain.gain_db") + float(out[0, 0])
    except rt.DeviceError as error:
        print(error)
        return 0.0


def files() -> list[Path]:
    rt.save_preset(rt.load_preset("crunch"), "mine.yaml", "about it")
    return [rt.shipped_presets()["crunch"], *rt.shipped_cabinets().values()]
