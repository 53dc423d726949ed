"""NoiseGate: silence between the notes."""

from __future__ import annotations

import math
from typing import NamedTuple

from rtaudio.effects.base import Effect, parameter, slots_at
from rtaudio.runtime.abi import Bus, Node, kernel, state_dtype
from rtaudio.runtime.builder import Builder
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.slots import Slots
from rtaudio.runtime.words import address_of, f32_at, struct_at


class NoiseGate(Effect):
    """Turn the signal down while it is below a threshold.

    In a :class:`~rtaudio.Chain` with a :class:`~rtaudio.Model` after it, the gate listens where it
    stands, where the noise is still far below the notes, and acts after the model, where the noise
    has been amplified. The gain curve is delayed by exactly the latency in between. Without a model
    it acts in place. All channels share one gain, made from the loudest of them.

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

    def build(self, builder: Builder, x: Bus, slots: Slots) -> Bus:
        """Append the key, and its product with the signal at the same place."""
        return builder.run(Node(apply, curve=_curve(builder, x, slots)), x)

    def add_key(self, builder: Builder, x: Bus) -> Key:
        """Append the key alone; its ``apply`` appends the product further down the chain.

        Parameters
        ----------
        builder
            Takes the nodes.
        x
            The signal that opens the gate.
        """
        with builder.named(self.name, self.kind) as name:
            slots = self.publish(builder)
            builder.latency_parts[name] = 0
            return Key(name, slots, _curve(builder, x, slots))


class Key(NamedTuple):
    """A gate whose gain is still to be applied: its name, its slots and its gain curve."""

    name: str
    slots: Slots
    curve: Bus

    def apply(self, builder: Builder, y: Bus) -> Bus:
        """Append the product, with mix and bypass.

        Parameters
        ----------
        builder
            Takes the nodes.
        y
            The signal to gate; the curve is delayed to its latency.
        """
        with builder.within(self.name):
            curve = builder.delay_to(self.curve, y.latency_samples)
            return builder.blend(y, builder.run(Node(apply, curve=curve), y), self.slots)


def _curve(builder: Builder, x: Bus, slots: Slots) -> Bus:
    floor = from_db(slots["range_db"])
    node = Node(key, out_channels=1, params=slots, rate_hz=builder.rate_hz, gain=floor)
    return builder.run(node, x)


KEY = state_dtype(("rate_hz", "f8"), ("gain", "f8"), ("hold", "i8"))
"""``hold`` counts the samples for which the gate stays open; 0 is a closed gate."""

APPLY = state_dtype(("curve", "i8"))
"""``curve``: address of the one-channel gain curve."""

_key_at = struct_at(KEY)
_apply_at = struct_at(APPLY)
_slots_at = slots_at(NoiseGate)


@kernel(KEY)
def key(state, src, dst, frames):
    """Write the gain of the gate to the one channel of dst, from the loudest channel of src."""
    s = _key_at(address_of(state))
    p = _slots_at(s.params)
    opens = from_db(p.threshold_db)
    stays = from_db(p.threshold_db - p.hysteresis_db)
    floor = from_db(p.range_db)
    attack = 1.0 - math.exp(-1000.0 / (p.attack_ms * s.rate_hz))
    release = 1.0 - math.exp(-1000.0 / (p.release_ms * s.rate_hz))
    longest = max(1, int(p.hold_ms * s.rate_hz / 1000.0))
    channels, stride = s.channels, s.stride
    gain, hold = s.gain, s.hold
    for i in range(frames):
        level = abs(src[i])
        for channel in range(1, channels):
            level = max(level, abs(src[channel * stride + i]))
        if level >= (stays if hold > 0 else opens):
            hold = longest
        elif hold > 0:
            hold -= 1
        if hold > 0:
            gain += attack * (1.0 - gain)
        else:
            gain += release * (floor - gain)
        dst[i] = gain
    s.gain, s.hold = gain, hold
    return 0


@kernel(APPLY)
def apply(state, src, dst, frames):
    """Multiply every channel by the curve."""
    s = _apply_at(address_of(state))
    curve = f32_at(s.curve)
    for channel in range(s.channels):
        at = channel * s.stride
        for i in range(frames):
            dst[at + i] = curve[i] * src[at + i]
    return 0
