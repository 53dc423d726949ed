"""How these tests play a program: block by block, with parameters changed between blocks."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest

from rtaudio.runtime.program import run_program


def buffer(bus, stride):
    floats = (ctypes.c_float * (bus.channels * stride)).from_address(bus.address)
    return np.frombuffer(floats, np.float32).reshape(bus.channels, stride)


def _play(program, x, splits=(64,), changes=None):
    """Run planar audio through a program in blocks of the sizes ``splits``, over and over.

    ``changes`` maps a frame to {(effect, parameter): value}; a block ends where a change is due.
    """
    x = np.atleast_2d(np.asarray(x, np.float32))
    source = buffer(program.source, program.stride)
    output = buffer(program.output, program.stride)
    changes = dict(sorted((changes or {}).items()))
    result = np.empty((program.out_channels, x.shape[1]), np.float32)
    sizes = itertools.cycle(splits)
    done = 0
    while done < x.shape[1]:
        for (name, parameter), value in changes.pop(done, {}).items():
            _, index, slots = program.slots[name]
            slots[index[parameter]] = value
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
