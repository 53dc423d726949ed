"""The machine on which figures are measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from rtaudio.runtime.onnx_runtime import api


def machine() -> dict[str, str | int]:
    """Return the processor, its cores, the system, and the versions that matter for speed."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numba": version("numba"),
        "onnxruntime": api().version,
    }


def machine_line() -> str:
    """Return `machine` in one line."""
    m = machine()
    return (
        f"{m['cpu']}, {m['cores']} cores, {m['system']}, Python {m['python']}, "
        f"numba {m['numba']}, ONNX Runtime {m['onnxruntime']}"
    )


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
