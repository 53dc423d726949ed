"""Stacks of LSTM or GRU layers with a linear head, sample by sample.

All layers advance in the same step. Layer k of a step works on the sample k before that of the
first layer, so it needs nothing from this step, and the chains of dependent operations of the
layers run side by side. Inside a block nothing is delayed: a block of n samples takes n + layers
- 1 steps, and a layer that has no sample in the first or the last ones keeps its state. To the
code the stack is one layer, with zeros where units are not connected.

The weights are packed when a node is made, in the order in which a step reads them. With L lanes
per vector, the units of all layers, one after another, are dealt into groups of L, and the groups
into batches whose sums fit the vector registers together. Each square is one vector, L rows of one
gate; the last group, if at most L / 2 units are left for it, has as many gates side by side in a
square as fit (padded with zeros). A square of zeros is left out:

::

    batch 0   bias     | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     one such row of squares for the bias,
              input 0  | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     one for each input: audio and knobs,
              ...
              column 0 | i0 f0 g0 o0 | i1 f1 g1 o1 | ...     and one for the weights of each h
              column 1 | i0 f0 g0 o0 | i1 f1 g1 o1 | ...
              ...        ^ group 0     ^ group 1, or its squares i1|f1 g1|o1 or i1|f1|g1|o1
    batch 1   bias     | ...
    head      weights  | group 0 | group 1 | ...             from the first group of the last layer
              bias     | one vector, the value in its first lane

    memory    | inputs | 2h, all groups | 2c, all groups (LSTM) |

Every non-linearity is one function, t(z) = tanh(z / 2): the logistic function of z is
(1 + t(z)) / 2. The remaining factors are powers of two, which are exact and move into the weights.
The state is kept doubled, the sums are z = bias + inputs + columns 2h, and a step is

::

    LSTM   2c = (1 + t(zf)) c + (1 + t(zi)) t(zg)        rows of g are twice the model's
           2h = (1 + t(zo)) t(2c)
    GRU    2n = zx + (1 + t(zr)) zh                      rows of x, the input's part of n, are twice
           2h = (1 - t(zz)) t(2n) + (1 + t(zz)) h        gates: r, z, x, h

Weights that exceed the first-level cache are read forwards and backwards in turn, so that each step
starts with the weights that the last step left in the cache. The sums of the two directions differ
in rounding; the direction is part of the state, so the split into blocks stays exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Kernel, Node, state_dtype
from rtaudio.runtime.kernels.ramp import RAMP, advance, aim, ramp_samples, settled
from rtaudio.runtime.kernels.recurrent.emit import run_step
from rtaudio.runtime.kernels.recurrent.layout import GATES, Layout, pack
from rtaudio.runtime.kernels.simd import LANES
from rtaudio.runtime.memory import Array
from rtaudio.runtime.words import address_of, f32_at, struct_at

STATE = state_dtype(
    ("weights", "i8"),
    ("memory", "i8"),
    ("backward", "i8"),
    ("skip", "f4"),
    ("ramps", "i8"),
    ("ramp_samples", "i8"),
)
"""``weights``, ``memory``: see the drawing; ``backward``: 1 if the next step runs backwards;
``skip``: factor of the input in the output; ``ramps``: [knobs] of the knobs."""

_state_at = struct_at(STATE)
_ramp_at = struct_at(RAMP)
_RAMP_BYTES = RAMP.itemsize


@cache
def recurrent_kernel(layout: Layout, skip: bool) -> Kernel:
    """Return the kernel of one size; it is compiled once per machine, and then kept on disk.

    ``skip`` says whether the input is added to the head's output.
    """
    # Numba finds a closure on disk by the values it encloses: plain numbers, the same every time.
    key = (int(layout.gru), layout.inputs, layout.lanes, *layout.hidden)
    alternates = layout.alternates
    knobs = layout.inputs - 1
    depth = len(layout.hidden) - 1

    def recurrent(state, src, dst, frames):
        s = _state_at(address_of(state))
        weights, memory, backward = s.weights, s.memory, s.backward
        inputs = f32_at(memory)
        for k in range(knobs):
            aim(_ramp_at(s.ramps + k * _RAMP_BYTES), f32_at(s.params)[k], s.ramp_samples)
        for step in range(frames + depth):
            if step < frames:
                inputs[0] = src[step]
                for k in range(knobs):
                    inputs[1 + k] = advance(_ramp_at(s.ramps + k * _RAMP_BYTES))
            first, last = np.float32(0.0), np.float32(0.0)
            if depth > 0 and (step < depth or step >= frames):
                first, last = np.float32(max(step - frames + 1, 0)), np.float32(min(step, depth))
                if alternates and backward:
                    y = run_step(key, True, True, weights, memory, first, last)
                else:
                    y = run_step(key, False, True, weights, memory, first, last)
            elif alternates and backward:
                y = run_step(key, True, False, weights, memory, first, last)
            else:
                y = run_step(key, False, False, weights, memory, first, last)
            backward = alternates and not backward
            if step >= depth:
                dst[step - depth] = y + s.skip * src[step - depth] if skip else y
        s.backward ^= alternates and frames & 1
        return 0

    return Kernel(recurrent, STATE)


def recurrent_node(
    layers: Sequence[Any],
    head_weight: Array,
    head_bias: float,
    *,
    skip: bool = False,
    in_gain: float = 1.0,
    out_gain: float = 1.0,
    params: Array | None = None,
    rate_hz: int = 48000,
    lanes: int = LANES,
) -> Node:
    """Make the node of one or more LSTM or GRU layers with a linear head, for one channel.

    A reset returns it to the start state of the layers. Its output does not depend on how the
    signal is split into blocks, to the last bit. It agrees with exact arithmetic to about 1e-6.

    Parameters
    ----------
    layers
        All LSTM or all GRU; the sizes are free. The first one has an input for the audio, and then
        one for each knob. Of an LSTM the attributes ``weight_ih`` (4H, in), ``weight_hh`` (4H, H),
        ``bias`` (4H,), in torch layout with the gates in the order i, f, g, o, and the start state
        ``hidden`` and ``cell`` (H,); of a GRU, which starts from zero, ``weight_ih`` (3H, in),
        ``weight_hh`` (3H, H), ``bias_ih`` and ``bias_hh`` (3H,), with r, z, n.
    head_weight, head_bias
        The linear head: shape (H,), and a number.
    skip
        Whether the input is added to the output.
    in_gain, out_gain
        Factors of the audio in front of everything (but not of the knobs), and of the output.
    params
        One float32 slot for each knob, in natural units; changes are ramped over 20 ms.
    rate_hz
        Sample rate, for the ramps.
    lanes
        Values per vector: 4, 8 or 16; the default fits this machine.

    Raises
    ------
    ValueError
        The shapes do not belong together.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> zeros = np.zeros
    >>> layer = SimpleNamespace(weight_ih=zeros((24, 1)), weight_hh=zeros((24, 8)),
    ...                         bias_ih=zeros(24), bias_hh=zeros(24))
    >>> node = recurrent_node([layer], zeros(8), 0.0)
    """
    knobs = np.zeros(0, np.float32) if params is None else params
    gru = not hasattr(layers[0], "cell")
    hidden = _check(layers, gru, 1 + len(knobs), head_weight)
    layout = Layout(gru, 1 + len(knobs), lanes, tuple(hidden))
    memory = np.zeros(layout.state + (1 if gru else 2) * layout.units, np.float32)
    if not gru:
        for place, name in ((layout.state, "hidden"), (layout.state + layout.units, "cell")):
            start = np.concatenate([getattr(layer, name) for layer in layers])
            memory[place : place + len(start)] = 2.0 * start
    head = np.multiply(head_weight, out_gain), head_bias * out_gain
    return Node(
        recurrent_kernel(layout, skip),
        params=params,
        work={
            "memory": memory,
            "ramps": np.array([settled(float(value)) for value in knobs], RAMP),
        },
        constants={"weights": pack(layout, layers, *head, in_gain)},
        skip=in_gain * out_gain,
        ramp_samples=ramp_samples(rate_hz),
    )


def _check(layers: Sequence[Any], gru: bool, inputs: int, head_weight: Array) -> list[int]:
    """Return the units of each layer if all shapes belong together."""
    gates, names = (3, ("bias_ih", "bias_hh")) if gru else (GATES, ("bias",))
    hidden: list[int] = []
    for layer in layers:
        units = layer.weight_hh.shape[-1]
        shapes: list[Any] = [np.shape(layer.weight_ih), np.shape(layer.weight_hh)]
        shapes += [np.shape(getattr(layer, name)) for name in names]
        wanted: list[Any] = [(gates * units, inputs), (gates * units, units)]
        wanted += [(gates * units,)] * len(names)
        if not gru:
            shapes += [np.shape(layer.hidden), np.shape(layer.cell)]
            wanted += [(units,)] * 2
        if units == 0 or shapes != wanted:
            kind = "a GRU" if gru else "an LSTM"
            raise ValueError(
                f"{kind} layer of {units} units and {inputs} inputs cannot have weights of the "
                f"shapes {shapes}"
            )
        hidden.append(units)
        inputs = units
    if np.size(head_weight) != inputs:
        raise ValueError(f"a head of {np.size(head_weight)} weights does not fit {inputs} units")
    return hidden
