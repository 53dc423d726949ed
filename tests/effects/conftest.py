"""How these tests play a program: block by block, with parameters changed between blocks."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest

from rtaudio.runtime.program import run_program


def buffer(program, bus):
    stride = program.plan.stride
    floats = (ctypes.c_float * (bus.channels * stride)).from_address(program.address_of(bus))
    return np.frombuffer(floats, np.float32).reshape(bus.channels, stride)


def _play(program, x, splits=(64,), changes=None):
    """Run planar audio through a program in blocks of the sizes ``splits``, over and over.

    ``changes`` maps a frame to {(effect, parameter): value}; a block ends where a change is due.
    """
    x = np.atleast_2d(np.asarray(x, np.float32))
    source, output = (buffer(program, bus) for bus in (program.plan.source, program.plan.output))
    changes = dict(sorted((changes or {}).items()))
    result = np.empty((program.out_channels, x.shape[1]), np.float32)
    sizes = itertools.cycle(splits)
    done = 0
    while done < x.shape[1]:
        for (name, parameter), value in changes.pop(done, {}).items():
            program.plan.controls[f"{name}.{parameter}"].slot.store(value)
        due = next(iter(changes), x.shape[1])
        count = min(next(sizes), program.block, due - done, x.shape[1] - done)
        source[:, :count] = x[:, done : done + count]
        run_program(program.address, count)
        result[:, done : done + count] = output[:, :count]
        done += count
    return result


@pytest.fixture(scope="session")
def play():
    return _play


def _cookbook(kind, hz, rate, db=0.0, q=0.5**0.5):
    """Second-order section after R. Bristow-Johnson's audio EQ cookbook."""
    w, a = 2 * np.pi * hz / rate, 10 ** (db / 40)
    cos, alpha = np.cos(w), np.sin(w) / (2 * q)
    root = 2 * np.sqrt(a) * alpha
    return np.array(
        {
            "low_cut": [(1 + cos) / 2, -(1 + cos), (1 + cos) / 2, 1 + alpha, -2 * cos, 1 - alpha],
            "high_cut": [(1 - cos) / 2, 1 - cos, (1 - cos) / 2, 1 + alpha, -2 * cos, 1 - alpha],
            "peak": [
                *(1 + alpha * a, -2 * cos, 1 - alpha * a),
                *(1 + alpha / a, -2 * cos, 1 - alpha / a),
            ],
            "low_shelf": [
                a * ((a + 1) - (a - 1) * cos + root),
                2 * a * ((a - 1) - (a + 1) * cos),
                a * ((a + 1) - (a - 1) * cos - root),
                (a + 1) + (a - 1) * cos + root,
                -2 * ((a - 1) + (a + 1) * cos),
                (a + 1) + (a - 1) * cos - root,
            ],
            "high_shelf": [
                a * ((a + 1) + (a - 1) * cos + root),
                -2 * a * ((a - 1) + (a + 1) * cos),
                a * ((a + 1) + (a - 1) * cos - root),
                (a + 1) - (a - 1) * cos + root,
                2 * ((a - 1) - (a + 1) * cos),
                (a + 1) - (a - 1) * cos - root,
            ],
        }[kind]
    )


@pytest.fixture(scope="session")
def cookbook():
    return _cookbook


def _write_separator(path, shares):
    """Write a separator each of whose stems is a constant share of the song, 512 samples late."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from export.exporter import export_model
    from export.spectral import OverlapAdd
    from export.streaming import StreamingModule

    class Shares(StreamingModule):
        def initial_state(self, batch=1):
            return {}

        def forward(self, x, state):
            batch, _, lines, bins = x.shape
            parts = torch.tensor([*shares.values()])[None, None, :, None, None]
            stems = x[:, :, None] * parts
            return stems.reshape(batch, 2, len(shares) * lines, bins), state

    net = OverlapAdd(Shares(), n_fft=1024, hop=512, channels=(2, 2 * len(shares))).eval()
    net.stems, net.task = tuple(shares), "separate"
    card = {"name": "test", "sample_rate": 44100, "license": "Apache-2.0", "provenance": {}}
    export_model(net, card, path)
    return path


@pytest.fixture(scope="session")
def write_separator():
    return _write_separator


@pytest.fixture(scope="session")
def separator(tmp_path_factory):
    """A model of 0.4 vocals, 0.3 drums, 0.2 bass and 0.1 of the rest of any song."""
    shares = {"vocals": 0.4, "drums": 0.3, "bass": 0.2, "other": 0.1}
    return _write_separator(tmp_path_factory.mktemp("separator") / "shares.onnx", shares)
