"""The real callback, called by PortAudio's thread, on JACK's dummy driver."""

from __future__ import annotations

import json
import signal
import sys
import time

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.jack

PLAY = """
import json, sys, threading
import numpy as np
from rtaudio.effects.chain import Chain
from rtaudio.effects.gain import Gain
from rtaudio.live.host import Host

options = json.loads(sys.argv[1])
source = np.load(options["source"]) if options.get("source") else None
stop = threading.Event()
def burn():
    while not stop.is_set():
        sum(range(1000))
busy = [threading.Thread(target=burn, daemon=True) for _ in range(options.get("busy", 0))]
host = Host(Chain([Gain(gain_db=-6.0)]), "system", block=options.get("block", 64),
            source=source, record=options.get("record"),
            in_channels=options.get("in_channels"), out_channels=options.get("out_channels"))
with host:
    for thread in busy:
        thread.start()
    print("playing", flush=True)
    host.wait(options["seconds"])
    stats = host.stats()
stop.set()
print(json.dumps({"blocks": stats.blocks, "missed": stats.missed, "error": host.error,
                  "gap_us": stats.gap_us.p50, "device_ms": stats.device_latency_ms}))
"""

PYTHON_CALLBACK = """
import json, threading, time
import sounddevice as sd
counts = {"blocks": 0, "missed": 0}
def callback(indata, outdata, frames, when, status):
    counts["blocks"] += 1
    counts["missed"] += bool(status)
    outdata[:] = indata[:, :1] * 0.5
def burn():
    while True:
        sum(range(1000))
with sd.Stream(device="system", samplerate=48000, blocksize=64, channels=(1, 2), callback=callback):
    for _ in range(2):
        threading.Thread(target=burn, daemon=True).start()
    time.sleep(3)
    print(json.dumps(counts), flush=True)
    import os; os._exit(0)
"""


def answer(process, timeout=40):
    out, error = process.communicate(timeout=timeout)
    assert process.returncode == 0, error
    return json.loads(out.strip().splitlines()[-1])


@pytest.mark.parametrize("block", [64, 256])
def test_blocks_arrive_at_the_period_of_the_device(jack, block):
    server = jack(block)
    stats = answer(server.script(PLAY, json.dumps({"seconds": 2.0, "block": block})))
    assert stats["error"] is None
    assert stats["blocks"] == pytest.approx(2.0 * 48000 / block, rel=0.1)
    assert stats["gap_us"] == pytest.approx(1e6 * block / 48000, rel=0.05)


def test_sound_goes_through_the_device_bit_for_bit(jack, tmp_path):
    server = jack()
    tone = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 48000 * 8)).astype(np.float32)
    np.save(tmp_path / "tone.npy", tone)
    player = server.script(PLAY, json.dumps({"seconds": 6.0, "source": str(tmp_path / "tone.npy")}))
    assert player.stdout.readline() == "playing\n"
    first = {line for line in server.run("jack_lsp").stdout.split() if line.startswith("PortAudio")}
    record = tmp_path / "heard.wav"
    options = {"seconds": 3.0, "record": str(record), "in_channels": [1]}
    listener = server.script(PLAY, json.dumps(options))
    assert listener.stdout.readline() == "playing\n"
    ports = server.run("jack_lsp").stdout.split()
    own = next(p for p in ports if p.startswith("PortAudio") and p not in first and ":in_" in p)
    out = next(p for p in first if p.endswith(":out_0"))
    assert server.run("jack_connect", out, own).returncode == 0
    answer(listener)
    answer(player)
    heard = soundfile.read(record, dtype="float32")[0][:, 0]
    gain = np.float32(10 ** (-6 / 20))
    wanted = (tone[0] * gain) * gain
    # A busy machine may drop a block, which shifts what follows: each piece finds its own place.
    exact = 0
    for start in range(len(heard) - 48000, len(heard) - 24000, 2400):
        piece = heard[start : start + 2400]
        size = 1 << 19
        spectrum = np.fft.rfft(wanted, size) * np.conj(np.fft.rfft(piece, size))
        lag = int(np.argmax(np.fft.irfft(spectrum)))
        exact += np.allclose(piece, wanted[lag : lag + len(piece)], atol=1e-6)
    assert exact >= 7


def test_busy_python_threads_cost_no_more_than_a_python_callback_loses(jack):
    server = jack()
    ours = answer(server.script(PLAY, json.dumps({"seconds": 3.0, "busy": 2})))
    plain = answer(server.script(PYTHON_CALLBACK))
    assert ours["blocks"] > 0.9 * 3 * 750
    lost_by_python = plain["missed"] + max(0, 3 * 750 - plain["blocks"])
    assert ours["missed"] < 0.2 * lost_by_python


def test_a_device_that_vanishes_ends_the_run(jack):
    server = jack()
    process = server.script(PLAY, json.dumps({"seconds": 60.0}))
    assert process.stdout.readline() == "playing\n"
    time.sleep(0.5)
    server.vanish()
    began = time.monotonic()
    stats = answer(process, timeout=20)
    assert "stopped delivering" in stats["error"]
    assert time.monotonic() - began < 15


def test_another_rate_than_the_server_s_is_refused_with_the_right_one(jack):
    words = ("run", "bypass", "--device", "system", "--rate", "44100", "--seconds", "0")
    done = jack().run(sys.executable, "-m", "rtaudio", *words)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("; it runs at 48000 Hz")


@pytest.mark.parametrize(
    ("period", "wanted", "block"), [(64, 32, 64), (64, 96, 128), (64, 128, 128)]
)
def test_a_block_is_a_whole_number_of_periods(jack, period, wanted, block):
    """A period of 64 in blocks of 32 would be two calls at once: 0 and 1.3 ms apart."""
    words = ("run", "bypass", "--device", "system", "--block", str(wanted), "--seconds", "1.5")
    done = jack(period).run(sys.executable, "-m", "rtaudio", *words, "--json", timeout=200)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["block"] == block
    assert found["gap_us"]["p50"] == pytest.approx(1e6 * block / 48000, rel=0.1)
    assert found["blocks"] == pytest.approx(found["seconds"] * 48000 / block, rel=0.01)
    said = [line for line in done.stderr.splitlines() if "whole periods" in line]
    if block == wanted:
        assert said == []
    else:
        assert said == [
            f"the sound server calls in whole periods: blocks of {block} frames in place of "
            f"{wanted}; set a shorter period in the server for less latency"
        ]


SURVIVE = """
import json, sys
from rtaudio.effects.chain import Chain
from rtaudio.effects.gain import Gain
from rtaudio.live.host import Host

lines = []
host = Host(Chain([Gain(name="amp", gain_db=-6.0)]), "system", block=64, reconnect=lines.append)
with host:
    host.set("amp.gain_db", -12.0)
    print("playing", flush=True)
    while len(lines) < 2:
        host.wait(0.1)
    before = host.stats()
    host.wait(1.0)
    after = host.stats()
    print(json.dumps({"lines": lines, "error": host.error, "running": host.running,
                      "blocks": after.blocks - before.blocks, "gap_us": after.gap_us.max,
                      "gain": host.parameters()["amp.gain_db"].value}))
"""


def test_after_the_server_was_killed_and_came_back_the_sound_goes_on(jack):
    first = jack()
    process = first.script(SURVIVE)
    assert process.stdout.readline() == "playing\n"
    time.sleep(0.5)
    first.vanish()
    time.sleep(4.0)
    assert process.poll() is None
    jack()
    stats = answer(process, timeout=60)
    lost, back = stats["lines"]
    assert lost == "device 'system' stopped delivering audio; it plays on when it is back"
    assert back.startswith("device 'system' plays again after ")
    assert (stats["error"], stats["running"], stats["gain"]) == (None, True, -12.0)
    assert stats["blocks"] > 0.5 * 750
    assert stats["gap_us"] < 3e6


def test_run_says_a_line_each_and_ends_well(jack):
    first = jack()
    words = ("-m", "rtaudio", "run", "bypass", "--device", "system", "--seconds", "30", "--json")
    process = first.command(sys.executable, *words)
    for _ in range(200):
        if "PortAudio" in first.run("jack_lsp").stdout:
            break
        time.sleep(0.2)
    first.vanish()
    jack()
    said = [process.stderr.readline() for _ in range(2)]
    assert "stopped delivering audio; it plays on when it is back" in said[0]
    assert "plays again" in said[1]
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["blocks"] > 0
