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
from rtaudio.runtime.jit import c_function

SCRIPT = """
import numpy as np
from rtaudio.effects.gain import Gain
print(float(Gain(gain_db=0.0)(np.ones(4, np.float32), 48000)[0]))
"""


def test_an_edited_helper_is_compiled_into_its_kernels_again(tmp_path):
    package = tmp_path / "rtaudio"
    ignored = shutil.ignore_patterns("__pycache__", "presets")
    shutil.copytree(Path(rtaudio.__file__).parent, package, ignore=ignored)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}

    def played():
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    assert played() == 1.0
    program = package / "runtime" / "kernels" / "ramp.py"
    text = program.read_text()
    assert "    target = np.float32(target)\n" in text
    edited = text.replace("np.float32(target)\n", "np.float32(target)\n    ramp.value = 0.5\n", 1)
    program.write_text(edited)
    # the gain is a half, and half of it is blended with the dry signal
    assert played() == 0.75


def test_ctrl_c_waits_for_the_compiler():
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
        c_function(types.int32())(function)
    assert compiled
    assert signal.getsignal(signal.SIGINT) is handler
