"""One rule: the rate is the one that is told, else that of the file to play, else the device's."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import soundfile

from rtaudio.audio.writer import write_audio
from rtaudio.effects.gain import Gain
from rtaudio.live.host import Host

TONE = 0.3 * np.sin(2 * np.pi * 441 * np.arange(22050) / 44100)


@pytest.fixture
def dry(tmp_path):
    write_audio(tmp_path / "dry.wav", TONE, 44100)
    return tmp_path / "dry.wav"


def test_the_file_decides(cli, dry, tmp_path):
    out = tmp_path / "wet.wav"
    answer = cli("run", "bypass", "--device", "clock", "--in", dry, "--out", out, "--json")
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["rate"] == 44100
    assert soundfile.info(out).samplerate == 44100


def test_a_rate_that_is_told_wins_and_the_file_keeps_its_pitch(cli, dry, tmp_path):
    out = tmp_path / "wet.wav"
    words = ("--device", "clock", "--in", dry, "--out", out, "--rate", 48000, "--json")
    answer = cli("run", "bypass", *words)
    assert json.loads(answer.out)["rate"] == 48000
    heard, rate = soundfile.read(out)
    middle = heard[4800:19200, 0] if heard.ndim == 2 else heard[4800:19200]
    bins = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert rate == 48000
    assert np.argmax(bins) * rate / len(middle) == pytest.approx(441, abs=4)


def test_a_clock_keeps_48_khz(cli):
    answer = cli("run", "bypass", "--device", "clock", "--seconds", 0.1, "--json")
    assert json.loads(answer.out)["rate"] == 48000
    with Host(Gain(), "clock", source=TONE) as host:
        assert host.rate_hz == 48000


def test_the_tuner_follows_the_file(cli, dry):
    answer = cli("tune", "--device", "clock", "--in", dry, "--json")
    assert json.loads(answer.out)["tuning"]["hz"] == pytest.approx(441, abs=0.5)


@pytest.mark.jack
def test_a_device_decides(jack):
    server = jack(rate=44100)
    words = ("run", "bypass", "--device", "system", "--seconds", "0.3", "--json")
    done = server.run(sys.executable, "-m", "rtaudio", *words, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rate"] == 44100
