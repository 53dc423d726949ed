"""The benchmark of a long call, for twenty seconds: two processes, drift, losses and jitter."""

from __future__ import annotations

import re

import pytest

from benchmarks import call

pytestmark = pytest.mark.jack
SECONDS = 20.0


def test_a_call_over_a_bad_network_neither_grows_nor_stalls_nor_bursts():
    sent, received = call.measure(SECONDS, call.BAD)
    assert call.faults(sent, received) == []
    assert sent["frames"] == pytest.approx(50 * SECONDS, rel=0.1)
    lost = 1 - received["packets"] / sent["packets"]
    assert 0.01 < lost < 0.12
    assert 0.01 < received["concealed"] / received["frames"] < 0.2
    assert received["silence_ms"] < 500.0
    figures = dict(call.tables(sent, received))
    [middle, slow, slowest] = map(int, re.findall(r"\d+", figures["mouth to ear p50, p99, max"]))
    assert 50 < middle <= slow <= slowest < 400


def test_a_fault_is_found():
    rows = [
        {"memory_mb": 100.0 + n, "buffer_ms": 40.0 if n < 35 else 400.0, "peak": 0.9}
        for n in range(60)
    ]
    sent = {"rows": rows, "peak": 0.5, "packets": 100}
    received = {"rows": rows, "packets": 40}
    found = " ".join(call.faults(sent, received))
    for text in ("louder", "memory of the sender", "memory of the receiver", "only 40", "buffer"):
        assert text in found
