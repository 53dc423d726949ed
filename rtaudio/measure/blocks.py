"""The cost of one node, block by block, without the chain around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rtaudio.runtime.abi import Node, aligned
from rtaudio.runtime.jit import jit
from rtaudio.runtime.native import call_process, flush_denormals, restore_denormals
from rtaudio.runtime.system import now_ns

ROUNDS = 10
BLOCKS_PER_ROUND = 1000


@jit
def _time_blocks(process, state, src, dst, frames, durations):  # type: ignore[no-untyped-def]
    """Time each call of a process function on the same input, denormals flushed as when live."""
    former = flush_denormals()
    for k in range(durations.size):
        start = now_ns()
        call_process(process, state, src, dst, frames)
        durations[k] = now_ns() - start
    restore_denormals(former)


def _nodes(node: Node) -> Iterator[Node]:
    """Yield a node and the nodes inside it."""
    yield node
    for inner in node.inner:
        yield from _nodes(inner)


def block_microseconds(
    node: Node,
    block: int,
    repeats: int,
    *,
    channels: tuple[int, int] | None = None,
    warm_up: int | None = None,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Measure what a node costs per block, on noise, in a compiled loop.

    Nothing of Python is measured, but two readings of the clock are (about 0.05 microseconds). The
    state is as before when the function returns.

    Parameters
    ----------
    node
        Any node; for one that no builder has placed yet, ``stride`` becomes ``block``.
    block
        Frames per call.
    repeats
        Number of blocks measured.
    channels
        Inputs and outputs; None: as the node has them, or one of each.
    warm_up
        Number of blocks before the first measured one; None: a tenth of ``repeats``, and 10.

    Returns
    -------
    numpy.ndarray
        Microseconds of each block.
    """
    memories = [(each.memory, each.memory.copy()) for each in _nodes(node)]
    record = node.record
    ins, outs = channels or (max(1, int(record["channels"])), 0)
    if record["channels"] == 0:
        record["channels"], record["stride"] = ins, block
    stride = max(block, int(record["stride"]))
    src = aligned(ins * stride)
    src[:] = np.random.default_rng(0).uniform(-0.3, 0.3, src.size)
    dst = aligned((outs or node.out_channels or ins) * stride)
    addresses = (node.kernel.address, node.state_address, src.ctypes.data, dst.ctypes.data)
    _time_blocks(
        *addresses, block, np.zeros(10 + repeats // 10 if warm_up is None else warm_up, np.int64)
    )
    durations = np.zeros(repeats, np.int64)
    _time_blocks(*addresses, block, durations)
    for memory, former in memories:
        memory[:] = former
    return durations / 1000.0


def lstm_nodes(hidden: int, block: int) -> dict[str, Node]:
    """Make one random LSTM (one layer, linear head, residual) once for each engine.

    Returns
    -------
    dict
        Engine (``native``, ``onnxruntime``) -> node.
    """
    from rtaudio.runtime.kernels.lstm import lstm_node
    from rtaudio.runtime.onnx_node import onnx_node

    random = np.random.default_rng(hidden)
    bound = hidden**-0.5
    w_ih, w_hh, bias, head, head_bias = (
        random.uniform(-bound, bound, shape).astype(np.float32)
        for shape in ((4 * hidden, 1), (4 * hidden, hidden), (4 * hidden,), (hidden,), (1,))
    )
    state = (1, 1, hidden)
    return {
        "native": lstm_node(w_ih, w_hh, bias, head, float(head_bias[0]), residual=True),
        "onnxruntime": onnx_node(
            _lstm_file(w_ih, w_hh, bias, head, head_bias),
            channels=(1, 1),
            hop=0,
            block=block,
            states={"h": (state, np.float32), "c": (state, np.float32)},
        ),
    }


def lstm_table(sizes: Sequence[int], block: int = 64) -> list[dict[str, Any]]:
    """Measure LSTMs of some sizes in both engines, by turns.

    Returns
    -------
    list of dict
        Per size: ``size``, and for each engine ``p50`` and ``p99`` in microseconds per block.
    """
    rows: list[dict[str, Any]] = []
    for size in sizes:
        nodes = lstm_nodes(size, block)
        times: dict[str, list[Any]] = {engine: [] for engine in nodes}
        for _ in range(ROUNDS):
            for engine, node in nodes.items():
                times[engine].append(block_microseconds(node, block, BLOCKS_PER_ROUND))
        row: dict[str, Any] = {"size": size}
        for engine, rounds in times.items():
            p50, p99 = np.percentile(np.concatenate(rounds), [50.0, 99.0])
            row[engine] = {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}
        rows.append(row)
    return rows


def _lstm_file(w_ih: Any, w_hh: Any, bias: Any, head_weight: Any, head_bias: Any) -> bytes:
    """Write weights in torch layout as a streaming ONNX graph."""
    import onnx
    from onnx import helper

    hidden = len(head_weight)

    def gates(weights: Any) -> Any:
        """ONNX stacks the gates i, o, f, c where torch stacks i, f, g, o."""
        i, f, g, o = np.split(weights, 4)
        return np.concatenate([i, o, f, g])[None]

    constants = {
        "W": gates(w_ih),
        "R": gates(w_hh),
        "B": np.concatenate([gates(bias), np.zeros((1, 4 * hidden), np.float32)], axis=1),
        "head.weight": head_weight[:, None],
        "head.bias": head_bias,
        "steps": np.array([-1, 1, 1]),
        "rows": np.array([-1, hidden]),
        "wave": np.array([1, 1, -1]),
    }
    recurrent = ["x", "W", "R", "B", "", "state.h", "state.c"]
    nodes = [
        helper.make_node("Reshape", ["audio", "steps"], ["x"]),
        helper.make_node("LSTM", recurrent, ["y", "next.h", "next.c"], hidden_size=hidden),
        helper.make_node("Reshape", ["y", "rows"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head.weight", "head.bias"], ["change"]),
        helper.make_node("Reshape", ["change", "wave"], ["shaped"]),
        helper.make_node("Add", ["shaped", "audio"], ["audio_out"]),
    ]
    shapes: dict[str, list[Any]] = {"audio": [1, 1, "frames"], "audio_out": [1, 1, "frames"]}
    shapes |= {f"{side}.{key}": [1, 1, hidden] for side in ("state", "next") for key in "hc"}

    def values(*names: str) -> list[Any]:
        kind = onnx.TensorProto.FLOAT
        return [helper.make_tensor_value_info(name, kind, shapes[name]) for name in names]

    graph = helper.make_graph(
        nodes,
        "lstm",
        values("audio", "state.h", "state.c"),
        values("audio_out", "next.h", "next.c"),
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
