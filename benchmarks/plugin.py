"""What a plugin costs beside the engine: ``python -m benchmarks.plugin [PRESET] [--cpu native]``.

The CLAP of a preset and the engine's own program play the same noise in blocks of 64, in turns.
Both are called from compiled code, so that nothing of Python is measured, and copy a block in
and out.
"""

from __future__ import annotations

import argparse
import ctypes
import tempfile
from pathlib import Path

import numpy as np

from export.plugin.make import make_plugins
from rtaudio.bench.machine import machine_line
from rtaudio.preset.load import load_preset
from rtaudio.runtime.jit import jit
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.offline import _run
from rtaudio.runtime.system import now_ns
from rtaudio.runtime.words import call_i32_6
from rtaudio.view.terminal import print_table

RATE, BLOCK, ROUNDS, CALLS = 48000, 64, 40, 500

P = ctypes.c_void_p


@jit
def time_plugin(function, plugin, process, durations):
    """Time calls of ``int32 process(plugin, process)``; the other arguments are left out."""
    for k in range(durations.size):
        start = now_ns()
        call_i32_6(function, plugin, process, 0, 0, 0, 0)
        durations[k] = now_ns() - start


@jit
def time_engine(program, source, result, frames, durations):
    """Time the same of a program."""
    for k in range(durations.size):
        start = now_ns()
        _run(program, source, result, frames, frames, False)
        durations[k] = now_ns() - start


class Clap:
    """One mono instance of a ``.clap`` file, ready for calls of `time_plugin`."""

    def __init__(self, path: Path, source: np.ndarray, result: np.ndarray) -> None:
        self.library = ctypes.CDLL(str(path))
        words = (P * 5).in_dll(self.library, "clap_entry")  # the version takes a word and a half
        factory = self._call(words[4], P, b"clap.plugin-factory")
        create = P.from_address(factory + 16).value
        descriptor = self._call(P.from_address(factory + 8).value, P, P(factory), 0)
        name = P.from_address(descriptor + 16).value
        self.host = (P * 16)()
        self.plugin = self._call(create, P, P(factory), self.host, P(name))
        calls = (P * 12).from_address(self.plugin)
        configs = self._call(calls[10], P, P(self.plugin), b"clap.audio-ports-config")
        self._call(P.from_address(configs + 16).value, ctypes.c_bool, P(self.plugin), 1)
        activate = ctypes.CFUNCTYPE(
            ctypes.c_bool, P, ctypes.c_double, ctypes.c_uint32, ctypes.c_uint32
        )
        assert activate(calls[4])(self.plugin, float(RATE), 1, BLOCK)
        self.function = calls[9]
        self.buffers = [self._buffer(array) for array in (source, result)]
        frames, ports = BLOCK, 1 | 1 << 32
        addresses = [ctypes.addressof(buffer) for buffer, _ in self.buffers]
        self.process = np.array([-1, frames, 0, *addresses, ports, 0, 0], np.int64)

    @staticmethod
    def _call(address: int | None, result: type, *arguments: object) -> int:
        assert address is not None
        return ctypes.CFUNCTYPE(result)(address)(*arguments)

    @staticmethod
    def _buffer(array: np.ndarray) -> tuple[ctypes.Array, ctypes.Array]:
        channels = (P * 1)(array.ctypes.data)
        return (ctypes.c_int64 * 4)(ctypes.addressof(channels), 0, 1, 0), channels


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=["crunch"])
    parser.add_argument("--cpu", choices=["portable", "native"], default=None)
    words = parser.parse_args()
    rows = []
    for preset in words.presets:
        chain = load_preset(preset)
        for cpu in [words.cpu] if words.cpu else ["portable", "native"]:
            with tempfile.TemporaryDirectory() as folder:
                made = make_plugins(chain, folder, name="measured", cpu=cpu)
                rows.append([f"{Path(preset).stem}, {cpu} ({made.cpu})", *_compared(chain, made)])
    print(machine_line())
    print_table(
        f"a block of {BLOCK} at {RATE} Hz, mono, in microseconds",
        ["preset", "engine p50", "plugin p50", "ratio", "engine p99", "plugin p99", "difference"],
        rows,
    )


def _compared(chain, made) -> list[object]:
    noise = aligned(BLOCK)
    noise[:] = np.random.default_rng(0).uniform(-0.25, 0.25, BLOCK)
    ours, theirs = aligned(BLOCK), aligned(BLOCK)
    program = chain.compile(RATE, BLOCK, in_channels=1, out_channels=1, varying=True)
    clap = Clap(next(f for f in made.files if f.suffix == ".clap"), noise, theirs)
    durations = np.zeros((2, ROUNDS, CALLS), np.int64)
    for turn in range(ROUNDS):
        time_engine(program.address, noise.ctypes.data, ours.ctypes.data, BLOCK, durations[0, turn])
        time_plugin(clap.function, clap.plugin, clap.process.ctypes.data, durations[1, turn])
    costs = durations[:, ROUNDS // 4 :].reshape(2, -1) / 1000.0
    (p50, p99), (own_p50, own_p99) = (np.percentile(cost, [50, 99]) for cost in costs)
    cells = [p50, own_p50, own_p50 / p50, p99, own_p99]
    return [*(f"{cell:.2f}" for cell in cells), f"{np.abs(ours - theirs).max():.1e}"]


if __name__ == "__main__":
    main()
