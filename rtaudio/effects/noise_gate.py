"""NoiseGate: silence between the notes."""

from __future__ import annotations

from typing import NamedTuple

from rtaudio.effects.base import Effect, Slots, parameter
from rtaudio.runtime.abi import Node
from rtaudio.runtime.builder import Builder, Bus
from rtaudio.runtime.kernels import noise_gate as kernels


class NoiseGate(Effect):
    """Turn the signal down while it is below a threshold.

    In a :class:`~rtaudio.Chain` with a :class:`~rtaudio.Model` behind it, the gate listens where
    it stands, where the noise is still far below the notes, and acts behind the model, where the
    noise has been amplified. The gain curve is delayed by exactly the latency between. Without a
    model it acts in place. All channels share one gain, made from the loudest of them.

    Parameters
    ----------
    threshold_db
        Peak level that opens the gate, -100 .. 0 dBFS.
    attack_ms, release_ms
        Time constants of opening (0.1 .. 100 ms) and closing (5 .. 2000 ms).
    hold_ms
        How long the gate stays open after the last peak, 10 .. 1000 ms; bridges the zero crossings
        of low notes.
    hysteresis_db
        An open gate stays open down to this much below the threshold, 0 .. 24 dB.
    range_db
        Gain of the closed gate, -120 .. 0 dB.

    Examples
    --------
    >>> amp = Chain([NoiseGate(threshold_db=-55.0), Model("crunch.onnx")])  # doctest: +SKIP
    >>> hiss = 1e-4 * np.ones(48000, np.float32)
    >>> float(abs(NoiseGate()(hiss, 48000)).max()) < 1e-7
    True
    """

    threshold_db: float = parameter(-60.0, -100.0, 0.0, "dB", "peak level that opens the gate")
    attack_ms: float = parameter(1.0, 0.1, 100.0, "ms", "time constant of opening")
    hold_ms: float = parameter(50.0, 10.0, 1000.0, "ms", "time open after the last peak")
    release_ms: float = parameter(100.0, 5.0, 2000.0, "ms", "time constant of closing")
    hysteresis_db: float = parameter(6.0, 0.0, 24.0, "dB", "closes this far below the threshold")
    range_db: float = parameter(-80.0, -120.0, 0.0, "dB", "gain of the closed gate")

    def build(self, builder: Builder, x: Bus, params: Slots) -> Bus:
        """Append key and gain at the same place."""
        return builder.run(_product(_curve(builder, x, params)), x)

    def add_key(self, builder: Builder, x: Bus) -> Key:
        """Append the key alone; its ``apply`` appends the gain further down the chain."""
        outer, builder.effect = builder.effect, builder.name_for(self.name, self.kind)
        slots = self.publish(builder)
        key = Key(builder.effect, slots, _curve(builder, x, slots[2:]))
        builder.latency_parts[builder.effect] = 0
        builder.effect = outer
        return key


class Key(NamedTuple):
    """A gate whose gain is still to be applied: its name, its slots and its gain curve."""

    name: str
    slots: Slots
    curve: Bus

    def apply(self, builder: Builder, y: Bus) -> Bus:
        """Append the gain, with mix and bypass, in time with ``y``."""
        outer, builder.effect = builder.effect, self.name
        curve = builder.delay_to(self.curve, y.latency_samples)
        out = builder.blend(y, builder.run(_product(curve), y), self.slots, mix=0, bypass=1)
        builder.effect = outer
        return out


def _curve(builder: Builder, x: Bus, params: Slots) -> Bus:
    floor = 10.0 ** (float(params[5]) / 20.0)
    node = Node(kernels.key, out_channels=1, params=params, rate_hz=builder.rate_hz, gain=floor)
    return builder.run(node, x)


def _product(curve: Bus) -> Node:
    return Node(kernels.apply, curve=curve.address)
