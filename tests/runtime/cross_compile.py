"""Compile kernels for arm64 on any machine, and print what is in them; a process of its own.

numba is told that it runs on arm64 before it is imported, and its execution engine is replaced by
one that only keeps the modules: nothing of it could run here.
"""

from __future__ import annotations

import json
import platform
import re
from unittest import mock

TRIPLE = "aarch64-unknown-linux-gnu"


class _Engine:
    """Keeps modules in place of running them."""

    def __init__(self, engine):
        self.target_data = engine.target_data

    def __getattr__(self, name):
        return lambda *arguments: 0


def _facts(library) -> dict[str, object]:
    """Return what the code of a library consists of."""
    import llvmlite.binding as llvm

    target = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu="generic", opt=3)
    module = llvm.parse_assembly(str(library._final_module))
    code, text = b"", str(module)
    if " asm " not in text:  # arm64's assembler is not in the wheel
        code, text = target.emit_object(module), text + target.emit_assembly(module)
    return {
        "machine": int.from_bytes(code[18:20], "little") if code else None,
        "x86": sorted(set(re.findall(r"llvm\.x86\.[\w.]+|%[xyz]mm\d|mxcsr", text))),
        "neon": bool(re.search(r"fml[as]\s+v\d+\.4s", text)),
        "fpcr": "fpcr" in text,
    }


def main() -> None:
    """Print the facts of each kernel as JSON."""
    import llvmlite.binding as llvm

    platform.machine = lambda: "aarch64"
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.get_process_triple = llvm.get_default_triple = lambda: TRIPLE
    llvm.get_host_cpu_name = lambda: "generic"
    llvm.get_host_cpu_features = lambda: llvm.FeatureMap({"neon": True})
    llvm.create_mcjit_compiler = lambda module, machine, **options: machine
    from numba.core import codegen

    nothing = mock.patch.object(codegen.JITCPUCodegen, "set_env")
    with mock.patch.object(codegen, "JitEngine", _Engine), nothing:
        from numba import cfunc, types

        from rtaudio.runtime.abi import PROCESS
        from rtaudio.runtime.kernels.gain import gain
        from rtaudio.runtime.kernels.recurrent.layout import Layout
        from rtaudio.runtime.kernels.recurrent.node import recurrent_kernel
        from rtaudio.runtime.kernels.simd import LANES, REGISTERS
        from rtaudio.runtime.kernels.wavenet.node import wavenet_kernel
        from rtaudio.runtime.words import flush_denormals

        def flush(value):
            return flush_denormals()

        plan = ((1, 7, 2, 3, 2, 1, "tanh", 0.0), (7, 2, 1, 3, 1, 1, "tanh", 0.0))
        functions = {
            "gain": (gain.function, PROCESS),
            "wavenet": (wavenet_kernel(str(plan), LANES).function, PROCESS),
            "lstm": (recurrent_kernel(Layout(False, 2, LANES, (8,)), True).function, PROCESS),
            "denormals": (flush, types.int64(types.int64)),
        }
        facts = {
            name: _facts(cfunc(signature, error_model="numpy")(function)._library)
            for name, (function, signature) in functions.items()
        }
    print(json.dumps({"lanes": LANES, "registers": REGISTERS, "kernels": facts}))


if __name__ == "__main__":
    main()
