"""The last sentence of a run: all was fine, or which knob helps."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from rtaudio.analysis.percentiles import Percentiles
from rtaudio.cli.run_report import print_run, verdict

HOST = SimpleNamespace(device_name="virtual clock", rate_hz=48000, block=64)
TIMES = Percentiles(*[1.0] * len(Percentiles.__annotations__))
FINE = {"blocks": 750, "missed": 0, "load": 0.1, "realtime": True, "faults": {"amp": 0},
        "clipped": (0,), "xruns": {"output_underflow": 0}, "seconds": 1.0, "callback_us": TIMES,
        "gap_us": TIMES, "latency_samples": 0, "latency_parts": {"amp": 0},
        "device_latency_ms": (0.0, 0.0),
        "loudness": SimpleNamespace(integrated_lufs=-math.inf)}  # fmt: skip


def stats(**changed):
    return SimpleNamespace(**(FINE | changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "all was fine: no block was missed"),
        ({"blocks": 0}, "nothing was played"),
        ({"missed": 1}, "1 block of 750 missed: a larger --block than 64"),
        ({"missed": 3, "load": 0.9}, "3 blocks of 750 missed: the chain is too heavy"),
        ({"missed": 3, "realtime": False}, "no real-time priority; see what to do: rtaudio doctor"),
        ({"realtime": False}, "no block was missed, but without real-time priority"),
        ({"faults": {"amp": 1}}, "amp made no usable sound, and was silenced and reset 1 time"),
        ({"faults": {"song: late": 2}}, "song was too late 2 times; the gaps were faded"),
        ({"faults": {"input": 1}}, "the input held no usable sound 1 time"),
        ({"clipped": (1, 1)}, "the input clipped in 2 samples; turn it down"),
    ],
)
def test_the_ending_says_whether_all_was_fine_or_what_helps(changed, said):
    (line,) = verdict(HOST, stats(**changed))
    assert said in line


def test_every_fault_has_its_sentence():
    assert len(verdict(HOST, stats(missed=1, faults={"a": 1, "b": 2}, clipped=(5,)))) == 4


def test_a_table_of_zeros_is_hidden(capsys):
    print_run(HOST, stats())
    out, err = capsys.readouterr()
    assert "latency" not in out
    assert err == "all was fine: no block was missed, and nothing clipped\n"
    print_run(HOST, stats(latency_samples=72, latency_parts={"limiter": 72, "amp": 0}))
    table = capsys.readouterr().out.partition("latency")[2]
    assert "limiter" in table
    assert " amp " not in table
