"""Mouth to ear, measured with one clock: sender and receiver are two processes on JACK."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.jack

RATE, BLOCK = 48000, 128
TOLERANCE_MS = 10.0
"""Blocks of the sound cards, and the encoder's time, are not known to the receiver."""

STEADY = 14
"""Readings of 7 s: the delay is told beyond that of the fastest packet of 5 s, and blocks that the
sender's card misses move all later ones."""

MOST_LOST = TOLERANCE_MS / (500.0 * STEADY) / 2
"""Share of the time that a sound server may lose on a machine on which the delay can settle: half
of what moves the sound by the tolerance while it has to be steady."""

SIDE = """
import json, sys
from rtaudio.codec.find import find_codec
from rtaudio.live.incoming import Incoming
from rtaudio.live.outgoing import Outgoing

codec, port, frames = find_codec("codec-voice"), int(sys.argv[1]), int(sys.argv[2])
if frames:
    side = Outgoing(codec, ("127.0.0.1", port), device="system", block=128, in_channels=[1],
                    bitrate_kbps=12.0, pauses=False, frames_per_packet=frames)
else:
    side = Incoming(codec, port, device="system", block=128, out_channels=[1])
with side:
    print("playing", flush=True)
    for line in sys.stdin:
        stats = side.stats()
        found = {"blocks": stats.host.blocks}
        if not frames:
            found["ms"] = stats.mouth_to_ear_ms - stats.host.device_latency_ms[1]
        print(json.dumps(found), flush=True)
"""

PROBE = """
import sys
import soundfile
from rtaudio.effects.chain import Chain
from rtaudio.live.host import Host

sound = soundfile.read(sys.argv[1], dtype="float32")[0]
with (
    Host(Chain([]), "system", block=128, source=sound, out_channels=[1]) as player,
    Host(Chain([]), "system", block=128, in_channels=[1, 2], out_channels=[], record=sys.argv[2]),
):
    print("playing", flush=True)
    sys.stdin.readline()
"""


def voice(seconds):
    """Bursts of noise in the band of speech, with a rhythm that never repeats."""
    rng = np.random.default_rng(0)
    count = round(seconds * RATE)
    hz = np.fft.rfftfreq(count, 1 / RATE)
    band = np.fft.rfft(rng.standard_normal(count)) * ((hz > 200) & (hz < 3000)) / (200 + hz)
    sound = np.fft.irfft(band, count)
    loud = np.repeat(rng.uniform(0.05, 1.0, count // 4800), 4800)
    sound = sound[: loud.size] * np.convolve(loud, np.hanning(960) / 480, "same")
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


class Client:
    """A process that plays on the server, and its ports."""

    def __init__(self, server, code, *arguments):
        self._server = server
        before = set(self.ports())
        self.process = server.script(code, *map(str, arguments))
        assert self.process.stdout.readline() == "playing\n", self.process.communicate()[1]
        self.own = sorted(set(self.ports()) - before)

    def ports(self):
        """Return the ports of all programs."""
        names = self._server.run("jack_lsp").stdout.split()
        return [name for name in names if name.startswith("PortAudio")]

    def port(self, kind):
        """Return the first of its ports of a kind."""
        return next(name for name in self.own if f":{kind}" in name)

    def ask(self):
        """Return the figures that it tells."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        """Let it end."""
        _, error = self.process.communicate("\n", timeout=30)
        assert self.process.returncode == 0, error


def measured_ms(record):
    """Return how much later the second channel is than the first, second by second."""
    sound, _ = soundfile.read(record)
    found = []
    for start in range(0, len(sound) - 3 * RATE, RATE):
        one, other = sound[start : start + 2 * RATE, 0], sound[start : start + 3 * RATE, 1]
        size = 1 << 19
        product = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(one, size)))[:RATE]
        found.append(1000.0 * int(np.argmax(product)) / RATE)
    return found


@pytest.mark.parametrize("frames", [1, 3])
def test_the_reported_delay_is_the_one_that_is_heard(jack, tmp_path, frames, free_udp_port):
    server = jack(BLOCK)
    soundfile.write(tmp_path / "voice.wav", voice(90.0), RATE, "FLOAT")
    receiver = Client(server, SIDE, free_udp_port, 0)
    sender = Client(server, SIDE, free_udp_port, frames)
    probe = Client(server, PROBE, tmp_path / "voice.wav", tmp_path / "both.wav")
    for source, target in (
        (probe.port("out"), sender.port("in")),
        (probe.port("out"), probe.port("in_0")),
        (receiver.port("out"), probe.port("in_1")),
    ):
        assert server.run("jack_connect", source, target).returncode == 0
    start_s, told = time.monotonic(), []
    before = [side.ask()["blocks"] for side in (sender, receiver)]
    while len(told) < STEADY or np.ptp(told[-STEADY:]) > TOLERANCE_MS:
        if len(told) == 120:
            seconds = time.monotonic() - start_s
            blocks = [side.ask()["blocks"] for side in (sender, receiver)]
            share = min(np.subtract(blocks, before)) * BLOCK / RATE / seconds
            if share < 1.0 - MOST_LOST:
                pytest.skip(
                    f"the sound server ran {100 * share:.2f} % of the time: no steady clock"
                )
            pytest.fail(f"the delay never settles: {told} ms")
        time.sleep(0.5)
        told.append(receiver.ask()["ms"])
    probe.end()
    sender.end()
    receiver.end()
    heard = measured_ms(tmp_path / "both.wav")[-4:]
    assert np.median(told[-8:]) == pytest.approx(np.median(heard), abs=TOLERANCE_MS)
