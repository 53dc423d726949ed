"""Streams per machine: the count stands on blocks that were played, and weights are shared."""

from __future__ import annotations

import sys

import pytest

from rtaudio.bench import streams
from rtaudio.bench.streams import count_streams, start_processes


@pytest.mark.parametrize("limit", [0, 5])
def test_the_search_ends_at_the_last_number_that_holds(monkeypatch, limit):
    tried = []

    def missed(crowd, seconds):
        tried.append(len(crowd.hosts))
        return int(len(crowd.hosts) > limit)

    monkeypatch.setattr(streams._Crowd, "missed", missed)
    monkeypatch.setattr(streams, "_MEMORY_STREAMS", 1)
    found = count_streams("bypass", 1024, most=6)
    assert found.streams == limit
    assert max(tried) <= 8


def test_streams_play_and_take_memory():
    found = count_streams("crunch-light", 1024, seconds=0.2, most=2)
    assert found.start_s > 0.0
    if sys.platform == "linux":
        assert 0 <= found.stream_bytes < 20e6


def test_a_process_of_its_own_takes_more():
    found = start_processes("bypass", 1024, 1, seconds=0.2)
    assert found.processes == 1
    if sys.platform == "linux":
        assert found.process_bytes > 20e6
