"""The node of a streaming ONNX model: one call of ``Run`` per block over preallocated tensors.

::

    src -> audio tensor --+              +--> audio_out tensor -> dst
    params slots -> params +-- Run(k) ---+
           state set A ----+             +--> state set B          (next call: B in, A out)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rtaudio.runtime.abi import FAULT_MODEL, Node, kernel, state_dtype
from rtaudio.runtime.jit import jit
from rtaudio.runtime.kernels.ramp import RAMP, aim, ramp_samples, settled
from rtaudio.runtime.memory import Array, aligned, offset_of
from rtaudio.runtime.onnx_runtime import (
    ApiFunction,
    ModelSession,
    OnnxRuntimeError,
    Provider,
    Tensor,
    Tensors,
    api,
)
from rtaudio.runtime.onnx_session import Session
from rtaudio.runtime.words import (
    address_of,
    call_i64_1,
    call_i64_8,
    call_process,
    copy_bytes,
    f32_at,
    flush_denormals,
    i64_at,
    restore_denormals,
    struct_at,
)

STATE = state_dtype(
    ("run", "i8"),
    ("release_status", "i8"),
    ("session", "i8"),
    ("input_names", "i8"),
    ("input_count", "i8"),
    ("output_names", "i8"),
    ("output_count", "i8"),
    ("values", "i8"),
    ("sizes", "i8"),
    ("size_count", "i8"),
    ("parity", "i8"),
    ("outputs", "i8"),
    ("audio", "i8"),
    ("audio_out", "i8"),
    ("param_count", "i8"),
    ("param_tensor", "i8"),
    ("ramps", "i8"),
    ("ramp_samples", "i8"),
    ("states", "i8"),
)
"""``values``: for each size and parity, the input values then the output values of one ``Run``."""

_state_at = struct_at(STATE)
_ramp_at = struct_at(RAMP)


@kernel(STATE)
def run_model(state, src, dst, frames):
    """Run the model over ``frames``, in the largest preallocated sizes that fit."""
    s = _state_at(address_of(state))
    values = s.values
    row_bytes = 8 * (s.input_count + s.output_count)
    slots = f32_at(s.params)
    parameters = f32_at(s.param_tensor)
    sizes = i64_at(s.sizes)
    source = address_of(src)
    result = address_of(dst)
    done = 0
    k = 0
    while done < frames and k < s.size_count:
        size = sizes[k]
        if size > frames - done:
            k += 1
            continue
        for p in range(s.param_count):
            ramp = _ramp_at(s.ramps + 16 * p)
            aim(ramp, slots[p], s.ramp_samples)
            moved = min(ramp.left, size)
            ramp.left -= moved
            ramp.value = ramp.target if ramp.left == 0 else ramp.value + moved * ramp.step
            parameters[p] = ramp.value
        for channel in range(s.channels):
            copy_bytes(
                s.audio + 4 * channel * size, source + 4 * (channel * s.stride + done), 4 * size
            )
        row = values + row_bytes * (2 * k + s.parity)
        status = call_i64_8(
            s.run,
            s.session,
            0,
            s.input_names,
            row,
            s.input_count,
            s.output_names,
            s.output_count,
            row + 8 * s.input_count,
        )
        if status != 0:
            call_i64_1(s.release_status, status)
            return FAULT_MODEL
        for channel in range(s.outputs):
            copy_bytes(
                result + 4 * (channel * s.stride + done), s.audio_out + 4 * channel * size, 4 * size
            )
        s.parity = 1 - s.parity
        done += size
    return 0


def onnx_node(
    model: bytes,
    *,
    channels: tuple[int, int],
    hop: int,
    block: int,
    states: Mapping[str, tuple[tuple[int, ...], Any]],
    params: np.ndarray[Any, Any] | None = None,
    rate_hz: int = 48000,
    latency_samples: int = 0,
    provider: Provider = "cpu",
) -> Node:
    """Make the node of a streaming model (see :mod:`rtaudio.models.contract`).

    Parameters
    ----------
    model
        The ONNX file's bytes.
    channels, hop
        Input and output channels, and the model's fixed number of frames (0: any).
    block
        Most frames per call; for a model with a hop, call with exactly ``hop`` frames.
    states
        Name ``k`` of each pair ``state.k`` / ``next.k`` -> (shape, dtype).
    params
        Float32 slots of the model's parameters; a change is a ramp of 20 ms in steps of a call.
    rate_hz, latency_samples
        The model's sample rate and own latency.
    provider
        Where it computes; sound and state stay in the memory of the processor.

    Raises
    ------
    OnnxRuntimeError
        ONNX Runtime refuses the model.
    """
    session = Session(model, provider)
    names = ["audio", *(["params"] if params is not None else []), *(f"state.{k}" for k in states)]
    results = ["audio_out", *(f"next.{k}" for k in states)]
    texts, starts = _texts([*names, *results])
    if hop:
        sizes = [hop]
    else:
        sizes = [block, *(1 << e for e in range(13, -1, -1) if (1 << e) < block)]
    extent = sizes[0]
    state_bytes = sum(_padded_bytes(shape, dtype) for shape, dtype in states.values())
    start = np.zeros(1, np.float32) if params is None else params
    node = Node(
        run_model,
        latency_samples=latency_samples,
        out_channels=channels[1],
        params=params,
        work={
            "audio": np.zeros(channels[0] * extent, np.float32),
            "audio_out": np.zeros(channels[1] * extent, np.float32),
            "param_tensor": start.copy(),
            "ramps": np.array([settled(float(value)) for value in start], RAMP),
            "states": np.zeros(max(64, 2 * state_bytes), np.uint8),
            "input_names": np.zeros(len(names), np.int64),
            "output_names": np.zeros(len(results), np.int64),
            "values": np.zeros(2 * len(sizes) * len(starts), np.int64),
        },
        constants={"sizes": np.array(sizes, np.int64)},
        input_count=len(names),
        output_count=len(results),
        size_count=len(sizes),
        outputs=channels[1],
        param_count=0 if params is None else params.size,
        ramp_samples=ramp_samples(rate_hz),
        channels=channels[0],
        stride=extent,
    )
    for function, field in (("Run", "run"), ("ReleaseStatus", "release_status")):
        place = offset_of(STATE, field)
        node.store_foreign(place, api().address[function], ApiFunction(function))
    handle = int(session.handle.value or 0)
    node.store_foreign(offset_of(STATE, "session"), handle, ModelSession(model))
    at = _place(node, "input_names")
    for number, start_of_text in enumerate(starts):
        if number == len(names):
            at = _place(node, "output_names") - 8 * number
        node.point(at + 8 * number, texts, start_of_text)
    _bind(node, session, sizes, channels=channels, states=states, params=params)
    _warm_up(node, sizes)
    return node


def _bind(
    node: Node,
    session: Session,
    sizes: Sequence[int],
    *,
    channels: tuple[int, int],
    states: Mapping[str, tuple[tuple[int, ...], Any]],
    params: np.ndarray[Any, Any] | None,
) -> None:
    """Make the tensors over a node's memory, and the table of values for each size and parity."""
    tensors = Tensors()
    node.keep += [session, tensors]

    def tensor(place: int, shape: tuple[int, ...], dtype: Any) -> _Value:
        value, made = tensors.add(node.state_address + place, shape, dtype)
        return _Value(value, made, place)

    state_sets: list[list[_Value]] = [[], []]
    at = _place(node, "states")
    for parity in (0, 1):
        for shape, dtype in states.values():
            state_sets[parity].append(tensor(at, shape, dtype))
            at += _padded_bytes(shape, dtype)
    fixed = []
    if params is not None:
        fixed = [tensor(_place(node, "param_tensor"), (1, params.size), "f4")]
    word = _place(node, "values")
    for size in sizes:
        audio = tensor(_place(node, "audio"), (1, channels[0], size), "f4")
        audio_out = tensor(_place(node, "audio_out"), (1, channels[1], size), "f4")
        for parity in (0, 1):
            ins = [audio, *fixed, *state_sets[parity]]
            for value in (*ins, audio_out, *state_sets[1 - parity]):
                node.store_foreign(word, value.address, value.tensor, value.place)
                word += 8


class _Value(NamedTuple):
    """An ``OrtValue``, and where its elements lie in the node's memory."""

    address: int
    tensor: Tensor
    place: int


def _place(node: Node, work: str) -> int:
    """Return where a work array lies in the node's memory, in bytes."""
    return int(node.record[work]) - node.state_address


def _texts(names: Sequence[str]) -> tuple[Array, list[int]]:
    """Return names as C strings, one after another, and where each starts."""
    parts = [name.encode() + b"\0" for name in names]
    texts = aligned(sum(map(len, parts)), np.uint8)
    texts[:] = np.frombuffer(b"".join(parts), np.uint8)
    return texts, [sum(map(len, parts[:number])) for number in range(len(parts))]


def _padded_bytes(shape: Sequence[int], dtype: Any) -> int:
    """Size of a state in memory: whole cache lines."""
    size: int = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return -(-size // 64) * 64


@jit
def _call_once(process, state, src, dst, frames):
    """Call a node, and undo the denormal mode that ONNX Runtime leaves in the thread."""
    former = flush_denormals()
    code = call_process(process, state, src, dst, frames)
    restore_denormals(former)
    return code


def _warm_up(node: Node, sizes: Sequence[int]) -> None:
    """Run every size a few times, so that first-run work is done, then restore the start state."""
    start = node.memory.copy()
    channels = max(int(node.record["channels"]), int(node.record["outputs"]))
    source = np.zeros(channels * sizes[0], np.float32)
    result = np.zeros_like(source)
    address, state = node.kernel.address, node.state_address
    for size in sizes:
        for _ in range(4):
            if _call_once(address, state, source.ctypes.data, result.ctypes.data, size):
                raise OnnxRuntimeError("the model fails when it runs on silence")
    node.memory[:] = start
