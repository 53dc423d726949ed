"""The disk cache of compiled kernels never gives out code of other sources."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from numba import types
from numba.extending import intrinsic

import rtaudio
from rtaudio.runtime.jit import c_function, jit

SCRIPT = """
import numpy as np
from rtaudio.effects.gain import Gain
print(float(Gain(gain_db=0.0)(np.ones(4, np.float32), 48000)[0]))
"""


HELPED = """
from rtaudio.effects.base import Effect
from rtaudio.effects.louder import louder
from rtaudio.runtime.abi import Node, kernel, state_dtype

@kernel(state_dtype())
def helped(state, src, dst, frames):
    for i in range(frames):
        dst[i] = louder(src[i])
    return 0

class Helped(Effect):
    def build(self, builder, x, slots):
        return builder.run(Node(helped), x)
"""
LOUDER = """
from numba import njit

@njit(inline="always")
def louder(x):
    return x * 1.0
"""
PLAY_HELPED = SCRIPT.replace("effects.gain import Gain", "effects.helped import Helped").replace(
    "Gain(gain_db=0.0)", "Helped()"
)


@pytest.fixture
def package(tmp_path):
    """Copy the package to where it can be edited."""
    folder = tmp_path / "rtaudio"
    ignored = shutil.ignore_patterns("__pycache__", "presets")
    shutil.copytree(Path(rtaudio.__file__).parent, folder, ignore=ignored)
    return folder


def played(package, script):
    """Run a script with the copy, and with a kernel cache of its own."""
    place = str(package.parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place,
        env=os.environ | {"PYTHONPATH": place, "XDG_CACHE_HOME": place},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_an_edited_helper_is_compiled_into_its_kernels_again(package):
    assert played(package, SCRIPT) == 1.0
    program = package / "runtime" / "kernels" / "ramp.py"
    text = program.read_text()
    assert "    target = np.float32(target)\n" in text
    edited = text.replace("np.float32(target)\n", "np.float32(target)\n    ramp.value = 0.5\n", 1)
    program.write_text(edited)
    # the gain is a half, and half of it is blended with the dry signal
    assert played(package, SCRIPT) == 0.75


def test_an_edited_helper_outside_of_the_runtime_is_noticed_too(package):
    (package / "effects" / "helped.py").write_text(HELPED)
    helper = package / "effects" / "louder.py"
    helper.write_text(LOUDER)
    assert played(package, PLAY_HELPED) == 1.0
    helper.write_text(LOUDER.replace("1.0", "2.0"))
    assert played(package, PLAY_HELPED) == 2.0


@pytest.mark.parametrize(
    "build", [lambda f: c_function(types.int32())(f).address, lambda f: jit(f)()]
)
def test_ctrl_c_waits_for_the_compiler(build):
    compiled = []

    @intrinsic
    def pressed(typingctx):
        def codegen(context, builder, signature, arguments):
            signal.raise_signal(signal.SIGINT)
            compiled.append(True)
            return context.get_constant(types.int32, 1)

        return types.int32(), codegen

    def function():
        return pressed()

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        build(function)
    assert compiled
    assert signal.getsignal(signal.SIGINT) is handler
