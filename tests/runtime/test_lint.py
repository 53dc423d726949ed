"""Static lint of the compiled kernels: nothing allocates, nothing can raise."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys

import numpy as np
import pytest
from numba import cfunc, njit

import rtaudio
import rtaudio.effects
from rtaudio.runtime import callback
from rtaudio.runtime.abi import PROCESS, Kernel
from rtaudio.runtime.kernels.recurrent.layout import Layout
from rtaudio.runtime.kernels.recurrent.node import recurrent_kernel
from rtaudio.runtime.kernels.simd import LANES
from rtaudio.runtime.kernels.wavenet.node import wavenet_kernel


def kernels_of(package):
    """Find every kernel by importing every module, wherever it stands."""
    modules = (m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))
    return {
        kernel.name: kernel
        for name in modules
        if not name.endswith("__main__")
        for kernel in vars(importlib.import_module(name)).values()
        if isinstance(kernel, Kernel)
    }


KERNELS = kernels_of(rtaudio)
WAVENETS = {
    "channels in two tiles, then one": (
        (1, 7, 2, 3, 2, 1, "tanh", 0.0),
        (7, 2, 1, 3, 1, 1, "tanh", 0.0),
    ),
    "taps that differ": ((1, 3, 2, 0, 1, 16, "leaky_relu", 0.01),),
}
KERNELS |= {f"wavenet, {what}": wavenet_kernel(str(plan), LANES) for what, plan in WAVENETS.items()}
KERNELS |= {
    f"{'gru' if gru else 'lstm'} {hidden}": recurrent_kernel(Layout(gru, 2, LANES, hidden), True)
    for gru in (False, True)
    for hidden in ((8,), (72,), (8, 8))
}

FORBIDDEN = re.compile(r"NRT_|Py|_Py|numba_|malloc|free|pthread_")


def complaints(function, signature=PROCESS) -> list[str]:
    """What is wrong with a compiled function, read from its optimised LLVM code.

    An exception begins with the store of a constant to an ``excinfo``; without such a store in the
    function and what it calls, none can be raised. The wrapper with the C signature would print
    it, and its calls into the interpreter are never reached then: it is left out.
    """
    # compiled anew: code from the disk cache cannot be inspected
    text = cfunc(signature, error_model="numpy")(function).inspect_llvm()
    parts = re.findall(r"^define .*?^}", text, re.MULTILINE | re.DOTALL)
    own = [part for part in parts if "%excinfo" in part.partition("{")[0]]
    assert own, "numba's calling convention has changed: this lint reads nothing"
    code = "\n".join(own)
    found = ["can raise"] if re.search(r"store ptr @[^,]*, ptr %[\w.]*excinfo", code) else []
    calls = set(re.findall(r"call [^\n(]*@\"?([\w.$]+)", code))
    return found + [f"calls {name}" for name in sorted(calls) if FORBIDDEN.match(name)]


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_a_kernel_neither_allocates_nor_raises(name):
    assert complaints(KERNELS[name].function) == []


def test_the_callback_neither_allocates_nor_raises():
    assert complaints(callback.callback.function, callback.PORTAUDIO) == []


def test_the_lint_finds_an_allocation_and_an_exception():
    def allocates(state, src, dst, frames):
        copy = np.zeros(frames, np.float32)
        for i in range(frames):
            copy[i] = src[i]
        dst[0] = copy.max()
        return 0

    @njit
    def refuse(frames):
        for k in range(frames):
            if k * frames > 4096:
                raise ValueError("too long")
        return frames

    def raises(state, src, dst, frames):
        if frames > 4096:
            raise ValueError("too long")
        return 0

    def raises_below(state, src, dst, frames):
        dst[0] = refuse(frames) + refuse(2 * frames)
        return 0

    assert any("NRT_" in c for c in complaints(allocates))
    assert complaints(raises) == ["can raise"]
    assert complaints(raises_below) == ["can raise"]


BAD = """
from rtaudio.runtime.abi import kernel, state_dtype

@kernel(state_dtype())
def bad(state, src, dst, frames):
    if frames > 4096:
        raise ValueError("too long")
    return 0
"""


def test_a_bad_kernel_in_the_effects_is_found(tmp_path, monkeypatch):
    (tmp_path / "bad_effect.py").write_text(BAD)
    monkeypatch.setattr(rtaudio.effects, "__path__", [*rtaudio.effects.__path__, str(tmp_path)])
    try:
        found = kernels_of(rtaudio.effects)["bad_effect.bad"]
    finally:
        sys.modules.pop("rtaudio.effects.bad_effect", None)
    assert complaints(found.function) == ["can raise"]


def test_kernels_are_found_wherever_they_stand():
    known = {
        "convolver.convolve",
        "compressor.compress",
        "limiter.limit",
        "onnx_node.run_model",
        "player.exchange",
        "resampler.resampled",
        "section.filtered",
        "worker.exchange",
    }
    assert known <= set(KERNELS)
