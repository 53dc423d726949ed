"""Heap calls and locks per block, counted: none in native nodes; a known number in ONNX Runtime."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)

SCRIPT = r"""
import ctypes, json, sys
import numpy as np
import rtaudio as rt
from rtaudio.runtime.offline import run
from rtaudio.runtime import callback
from rtaudio.runtime.engine import Engine

counter = ctypes.CDLL(None)
which, model = sys.argv[1], sys.argv[2]
chains = {
    "empty": lambda: rt.Chain([]),
    "native": lambda: rt.Chain([
        rt.Gain(gain_db=3.0),
        rt.NoiseGate(threshold_db=-60.0),
        rt.Compressor(threshold_db=-20.0),
        rt.Equalizer(),
        rt.ToneStack(bass=7.0),
        rt.DcBlock(),
        rt.Parallel([rt.Branch([rt.Gain()], pan=-1), rt.Branch([rt.Delay(time_ms=20)], pan=1)]),
        rt.Cabinet(sys.argv[3]),
        rt.Leveler(),
        rt.MultibandCompressor(),
        rt.DynamicEqualizer(band3_range_db=-9.0),
        rt.Tilt(db_per_octave=1.0),
        rt.Width(mono_hz=100.0),
        rt.Saturator(),
        rt.Match(np.linspace(-3.0, 3.0, 31)),
        rt.Limiter(ceiling_db=-1.0),
        rt.TruePeakLimiter(),
        rt.Dither(),
    ]),
    "native model": lambda: rt.Chain([rt.Model(model, engine="native")]),
    "onnx model": lambda: rt.Chain([rt.Model(model, engine="onnx")]),
    "resampled": lambda: rt.Chain([rt.Model(sys.argv[4], engine="native")]),
    "oversampled": lambda: rt.Chain(
        [rt.Model(model, engine="native", oversample=4, output="normalized")]
    ),
}
chain = chains[which.removeprefix("swap to ")]()
program = chain.compile(48000, 64, in_channels=1, out_channels=2)
engine = Engine(48000, 64, 1, 2)
engine.connect([0], 1, [0, 1], 2)
engine.publish(program)
x = np.random.default_rng(0).uniform(-0.5, 0.5, 64).astype(np.float32)
y = np.zeros((64, 2), np.float32)
call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong,
                        ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p)(callback.callback.address)
arguments = (x.ctypes.data, y.ctypes.data, 64, None, 0, engine.address)
for _ in range(200):
    call(*arguments)
if which.startswith("swap"):
    engine.publish(chain.compile(48000, 64, in_channels=1, out_channels=2))
result = (ctypes.c_long * 3)()
BLOCKS = 100

# ctypes itself allocates around a call, so the same call of nothing is counted and taken off.
nothing = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong,
                           ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p)(
    ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value)
counts = {}
for name, function in (("nothing", nothing), ("block", call)) * 2:
    counter.counted_begin()
    for _ in range(BLOCKS):
        function(*arguments)
    counter.counted_end(result)
    counts[name] = list(result)
print(json.dumps([(b - n) / BLOCKS for b, n in zip(counts["block"], counts["nothing"])]))
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shim")
    library = folder / "libcounted.so"
    source = Path(__file__).with_name("counted.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", source, "-o", library, "-ldl"], check=True)
    return library


@pytest.fixture
def per_block(shim, model_file, tmp_path):
    import numpy as np
    import soundfile

    cabinet = tmp_path / "cabinet.wav"
    soundfile.write(cabinet, np.hanning(2000)[1000:] * 0.1, 48000, "FLOAT")
    lstm, other_rate = model_file("lstm", size=16), model_file("lstm", size=16, rate=44100)

    def count(which):
        """Return (allocations, frees, locks) per callback of a chain."""
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, which, lstm, cabinet, other_rate],
            env=os.environ | {"LD_PRELOAD": str(shim)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return count


@pytest.mark.parametrize(
    "which",
    ["empty", "native", "native model", "resampled", "oversampled", "swap to native model"],
)
def test_native_nodes_never_touch_the_heap_or_a_lock(per_block, which):
    assert per_block(which) == [0.0, 0.0, 0.0]


def test_onnx_runtime_node_is_counted_and_frees_what_it_takes(per_block):
    allocations, frees, locks = per_block("onnx model")
    assert allocations > 0
    assert allocations == frees
    assert locks < 20
    print(f"ONNX Runtime node: {allocations} allocations, {frees} frees, {locks} locks per block")
