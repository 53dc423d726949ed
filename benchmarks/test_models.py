"""The cost of nets per block of 64 frames at 48 kHz: native kernel and ONNX Runtime node.

Run ``pytest benchmarks/test_models.py -o addopts= --benchmark-columns=median,max``. A round is
1,000 blocks in a compiled loop, so milliseconds per round are microseconds per block; the
percentiles of single blocks are in ``extra_info`` of ``--benchmark-json``.
"""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.bench.nets import NETS, make_model
from rtaudio.runtime.timing import block_microseconds

BLOCK = 64
BLOCKS = 1000


@pytest.mark.parametrize("engine", ["native", "onnx"])
@pytest.mark.parametrize("net", NETS)
def test_net(benchmark, net, engine):
    node = make_model(net).node(BLOCK, engine=engine)
    times = []

    def a_round():
        times.append(block_microseconds(node, BLOCK, BLOCKS, warm_up=0, channels=(1, 1)))

    benchmark.pedantic(a_round, rounds=10, warmup_rounds=1)
    p50, p99 = np.percentile(np.concatenate(times), [50.0, 99.0])
    benchmark.extra_info |= {"p50_us": round(p50, 2), "p99_us": round(p99, 2)}
