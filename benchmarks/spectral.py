"""The cost of a Fourier transform and its inverse in a graph: ``python -m benchmarks.spectral``.

Three ways to write it in ONNX, in ONNX Runtime with one thread: two dense matrices, the operator
DFT, and the matrices in two stages of `export.spectral`, which here carry the whole overlap-add.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from export.exporter import export_model
from export.spectral import OverlapAdd
from export.streaming import State, StreamingModule
from rtaudio.bench.machine import machine_line

SIZES = (256, 512, 1024, 2048, 4096)
ROUNDS, CALLS = 40, 10


class Identity(StreamingModule):
    """Frames as they are."""

    def initial_state(self, batch: int = 1) -> State:
        """Nothing."""
        return {}

    def forward(self, x: Any, state: State) -> Any:
        """The same."""
        return x, state


def graph(n: int, nodes: list[Any], constants: dict[str, Any]) -> bytes:
    """A model from x [1, n] to y [1, n]."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n]) for name in "xy"]
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    made = helper.make_graph(nodes, "transform", ends[:1], ends[1:], tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def dense(n: int, window: Any) -> bytes:
    """Two matrices with the windows inside."""
    bins = n // 2 + 1
    there = np.fft.rfft(np.eye(n)) * window[:, None]
    back = np.fft.irfft(np.concatenate([np.eye(bins), 1j * np.eye(bins)]), n) * window
    nodes = [
        helper.make_node("MatMul", ["x", "A"], ["X"]),
        helper.make_node("MatMul", ["X", "B"], ["y"]),
    ]
    there = np.concatenate([there.real, there.imag], axis=1)
    return graph(n, nodes, {"A": there.astype("f4"), "B": back.astype("f4")})


def operator(n: int, window: Any) -> bytes:
    """The operator DFT; back from a half spectrum it wants the other half, too."""
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["xw"]),
        helper.make_node("Reshape", ["xw", "column"], ["x3"]),
        helper.make_node("DFT", ["x3"], ["X"], axis=1, onesided=1),
        helper.make_node("Gather", ["X", "mirror"], ["M"], axis=1),
        helper.make_node("Mul", ["M", "conjugate"], ["C"]),
        helper.make_node("Concat", ["X", "C"], ["full"], axis=1),
        helper.make_node("DFT", ["full"], ["Y"], axis=1, inverse=1),
        helper.make_node("Gather", ["Y", "real"], ["re"], axis=2),
        helper.make_node("Reshape", ["re", "row"], ["r"]),
        helper.make_node("Mul", ["r", "w"], ["y"]),
    ]
    return graph(
        n,
        nodes,
        {
            "w": window.astype("f4"),
            "column": np.array([1, n, 1]),
            "row": np.array([1, n]),
            "mirror": np.arange(n // 2 - 1, 0, -1),
            "conjugate": np.array([1, -1], "f4"),
            "real": np.array([0]),
        },
    )


def stages(n: int, window: Any) -> bytes:
    """The model file of an identity over frames, hop n / 4."""
    card = {"name": "identity", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}
    net = OverlapAdd(Identity(), n_fft=n, hop=n // 4, windows=(window, window)).eval()
    with tempfile.TemporaryDirectory() as folder:
        export_model(net, card, Path(folder) / "identity.onnx")
        return (Path(folder) / "identity.onnx").read_bytes()


def bound(model: bytes) -> tuple[Any, Any]:
    """A session and its bound inputs and outputs: nothing is copied between calls."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    noise = np.random.default_rng(0)
    for value in session.get_inputs():
        values = noise.uniform(-0.5, 0.5, value.shape).astype("f4")
        binding.bind_ortvalue_input(value.name, onnxruntime.OrtValue.ortvalue_from_numpy(values))
    for value in session.get_outputs():
        zeros = np.zeros(value.shape, "f4")
        binding.bind_ortvalue_output(value.name, onnxruntime.OrtValue.ortvalue_from_numpy(zeros))
    return session, binding


def main() -> None:
    """Print the table."""
    print(f"{machine_line()}\n")
    print("| n_fft | dense, us | DFT, us | stages and overlap-add, us | dense, KiB | stages, KiB |")
    print("|---:|---:|---:|---:|---:|---:|")
    for n in SIZES:
        window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n))
        models = [make(n, window) for make in (dense, operator, stages)]
        pairs = [bound(model) for model in models]
        best = [float("inf")] * len(pairs)
        for _ in range(ROUNDS):  # in turns, and the least of all: a busy machine is fair
            for k, (session, binding) in enumerate(pairs):
                for _ in range(CALLS):
                    start = time.perf_counter_ns()
                    session.run_with_iobinding(binding)
                    best[k] = min(best[k], (time.perf_counter_ns() - start) / 1000)
        times = " | ".join(f"{us:.1f}" for us in best)
        print(f"| {n} | {times} | {len(models[0]) >> 10:,} | {len(models[2]) >> 10:,} |")


if __name__ == "__main__":
    main()
