"""``rtaudio latency`` over JACK's dummy driver: delays that are known to the sample."""

from __future__ import annotations

import json
import time

import pytest

pytestmark = pytest.mark.jack

RATE, BLOCK = 48000, 512
DELAY_MS = 12.5
COMMAND = "from rtaudio.cli import main; import sys; main(sys.argv[1:])"


def measure(server, *cases):
    """Run ``rtaudio latency`` once for each case, side by side, each with a cable of its own."""
    words = ["latency", "--device", "system", "--block", BLOCK, "--seconds", 3, "--json"]
    runs = [server.script(COMMAND, *map(str, [*words, *case])) for case in cases]
    end = time.monotonic() + 60.0
    while time.monotonic() < end and any(run.poll() is None for run in runs):
        ports = server.run("jack_lsp").stdout.split()
        for port in ports:
            if port.startswith("PortAudio") and port.endswith(":out_0"):
                server.run("jack_connect", port, port.replace(":out_0", ":in_0"))
        time.sleep(0.05)
    return [(run, *run.communicate(timeout=60)) for run in runs]


def test_the_round_trip_is_known_to_the_sample(jack, tmp_path):
    preset = tmp_path / "late.yaml"
    preset.write_text(f"chain: [delay: {{time_ms: {DELAY_MS}, feedback: 0, mix: 1}}]")
    picture = tmp_path / "trip.png"
    alone, through = measure(jack(BLOCK), ["--picture", picture], ["--preset", preset])
    for run, _, error in (alone, through):
        assert run.returncode == 0, error
    wire, chain = json.loads(alone[1]), json.loads(through[1])
    assert picture.read_bytes().startswith(b"\x89PNG")
    # JACK hands a loop on after whole periods
    periods = round(wire["latency_samples"] / BLOCK)
    assert 1 <= periods <= 4
    assert wire["latency_samples"] == pytest.approx(periods * BLOCK, abs=0.02)
    added = chain["latency_samples"] - wire["latency_samples"]
    assert added == pytest.approx(DELAY_MS * RATE / 1000, abs=0.02)
    assert wire["block"] == BLOCK
    assert wire["reported_samples"] > 0
    for trip in (wire, chain):
        if not trip["lost_blocks"]:
            assert trip["jumps"] == []
            assert trip["jitter_samples"] < 0.02
