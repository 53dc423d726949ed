"""The processor that a plugin is made for: any of the last ten years, or this machine's."""

from __future__ import annotations

import platform
from typing import Literal, NamedTuple

import llvmlite.binding as llvm

__all__ = ["Cpu", "Processor"]

Cpu = Literal["portable", "native"]

_X86 = platform.machine().lower() in ("x86_64", "amd64")
_LEVEL_3 = ("avx2", "fma", "bmi", "bmi2")
_NAMED = (*_LEVEL_3, "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512vbmi")
"""Features that a C compiler can ask for when the plugin is loaded; the others come with them."""


class Processor(NamedTuple):
    """A processor.

    Attributes
    ----------
    name
        For messages.
    features
        What the plugin asks for before it plays, as C compilers call it.
    environment
        The variables by which numba compiles for it, in a process of its own: what a kernel is
        made of depends on them from the first import.
    """

    name: str
    features: tuple[str, ...]
    environment: dict[str, str]

    @classmethod
    def chosen(cls, cpu: Cpu) -> Processor:
        """Return a processor.

        Parameters
        ----------
        cpu
            ``"portable"``: x86-64-v3 (2013 and later), elsewhere the baseline of this system;
            ``"native"``: this machine's, and faster where that has wider vectors.
        """
        plain = {"NUMBA_DISABLE_INTEL_SVML": "1"}
        if cpu == "native":
            there = llvm.get_host_cpu_features()
            features = tuple(name for name in _NAMED if _X86 and there.get(name))
            return cls(llvm.get_host_cpu_name(), features, plain)
        name = "x86-64-v3" if _X86 else "apple-m1" if platform.system() == "Darwin" else "generic"
        chosen = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": ""}
        return cls(name, _LEVEL_3 if _X86 else (), plain | chosen)
