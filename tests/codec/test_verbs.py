"""The verbs of a call: two processes on this machine, and what they refuse."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from scipy.signal import fftconvolve

CALL = "from rtaudio.cli import main; import sys; main(sys.argv[1:])"


def started(*words):
    return subprocess.Popen(
        [sys.executable, "-c", CALL, "codec", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def figures(process):
    out, error = process.communicate(timeout=150)
    assert process.returncode == 0, error
    return json.loads(out)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    sound = np.repeat(np.random.default_rng(0).uniform(-0.4, 0.4, 500), 320)
    soundfile.write(path, sound, 16000, "FLOAT")
    return path


def test_one_process_sends_and_another_plays(calls_codec, speech, tmp_path):
    port, model = free_port(), calls_codec.encoder.path
    record = tmp_path / "heard.wav"
    common = ("--model", model, "--device", "clock", "--json")
    receiver = started("receive", "--port", port, "--out", record, "--seconds", 7, *common)
    sender = started(
        "send", "--to", f"127.0.0.1:{port}", "--in", speech, "--bitrate", 1.0, "--frames", 2,
        "--redundancy", 1, "--seconds", 6, *common,
    )  # fmt: skip
    sent, received = figures(sender)["sent"], figures(receiver)["received"]
    assert sent["packets"] > 50
    assert received["packets"] > 40
    assert received["frames"] > 50
    heard, rate_hz = soundfile.read(record)
    assert rate_hz == 16000
    assert np.abs(heard).max() > 0.2


def test_both_directions_go_through_one_port(calls_codec, speech):
    ports, model = (free_port(), free_port()), calls_codec.encoder.path
    both = [
        started(
            "talk", "--port", own, "--to", f"localhost:{other}", "--model", model, "--in", speech,
            "--device", "clock", "--bitrate", 1.0, "--no-pauses", "--seconds", 5, "--json",
        )
        for own, other in (ports, ports[::-1])
    ]  # fmt: skip
    for side in map(figures, both):
        assert side["sent"]["packets"] > 100
        assert side["received"]["packets"] > 50


def _found_in(heard, piece):
    """Return the largest correlation of a piece with what was heard, 0 .. 1, wherever it is."""
    products = fftconvolve(heard, piece[::-1], "valid")
    energy = np.concatenate([[0.0], np.cumsum(heard.astype(float) ** 2)])
    energies = (energy[piece.size :] - energy[: -piece.size]) * np.sum(piece**2)
    return np.max(products / np.sqrt(np.maximum(energies, 1e-9)))


def test_the_demo_plays_a_file_to_its_end_and_writes_what_was_heard(
    cli, calls_codec, speech, tmp_path
):
    answer = cli(
        "codec", "demo", speech, "--device", "clock", "--model", calls_codec.encoder.path,
        "--bitrate", 1.0, "--loss", 20, "--hear", "original", "--out", tmp_path / "o.wav", "--json",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert answer.err.splitlines() == [
        "Opus is left out: Opus plays frames of 20 ms at 48000 Hz, and the codec calls 320 samples "
        "at 16000 Hz"
    ]
    found = json.loads(answer.out)
    assert found["versions"] == ["original", "codec"]
    assert found["network"]["loss"] == 0.2
    assert found["received"]["receiver"]["jitter"]["lost"] > 20
    # Losses are those of the codec: the original is whole, wherever it is in what was heard.
    sound, _ = soundfile.read(speech, dtype="float32")
    heard, _ = soundfile.read(tmp_path / "o.wav", dtype="float32")
    # A busy machine may skip blocks of the clock: pieces are short, so that most have no gap.
    assert 0.7 * sound.size < heard.size < sound.size + 4 * 16000
    places = range(8000, sound.size - 8000, 1600)
    pieces = [_found_in(heard, sound[place : place + 1600]) for place in places]
    assert np.median(pieces) > 0.98, pieces  # less for what is alike, and not the same


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("demo", "no.wav"), "no.wav"),
        (("demo", "--loss", 95), "network.loss = 0.95 is out of range 0 .. 0.9"),
        (("demo", "--hear", "mp3"), "--hear mp3: is none of original, codec"),
        (("demo", "--bitrate", 900), "bitrate = 900 is out of range"),
        (("send", "--to", "nowhere"), "give host and port, such as"),
        (("send", "--to", "no.such.host.invalid:5004"), "no.such.host.invalid: no such host"),
        (("send", "--to", "localhost:70000"), "give host and port"),
        (("send", "--to", "localhost:0"), "give host and port"),
        (("send", "--to", "localhost:5004", "--bitrate", 900), "bitrate = 900 is out of range"),
        (
            ("send", "--to", "localhost:5004", "--model", "nothing"),
            "no codec 'nothing'; known: codec-music",
        ),
        (("send", "--to", "localhost:5004", "--in", "no.wav"), "no.wav"),
        (("receive", "--bind", "203.0.113.7"), "203.0.113.7:5004: cannot listen there"),
        (("receive", "--from", "no.such.host.invalid"), "no such host"),
    ],
)
def test_what_cannot_be_is_one_line(refused, calls_codec, words, text):
    if "--model" not in words:
        words = (*words, "--model", calls_codec.encoder.path)
    line = refused("codec", *words, "--device", "clock", "--seconds", 1)
    assert text in line


def test_a_port_in_use_is_one_line(refused, calls_codec):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        line = refused(
            "codec", "receive", "--port", port, "--device", "clock",
            "--model", calls_codec.encoder.path,
        )  # fmt: skip
        assert f"127.0.0.1:{port}: cannot listen there" in line


def test_the_keys_of_the_demo_change_version_bitrate_and_network(calls_codec, speech):
    from rtaudio.cli.codec_demo import _Demo
    from rtaudio.codec.network import Conditions
    from rtaudio.live.comparison import Comparison, Version
    from rtaudio.live.incoming import Incoming
    from rtaudio.live.outgoing import Outgoing
    from rtaudio.live.relay import Relay

    comparison = Comparison(calls_codec, opus=False)
    with Incoming(calls_codec, 0, device="clock", through=comparison.play) as incoming:
        relay = Relay(incoming.address, Conditions(delay_ms=20.0))
        outgoing = Outgoing(
            calls_codec, relay.address, device="clock", bitrate_kbps=0.6, on_frame=comparison.keep
        )
        with relay, outgoing:
            call = _Demo(calls_codec, outgoing, incoming, relay, comparison)
            assert "[calls]" in call.lines()[0]
            for key in (
                "1",
                "up",
                "right",
                "right",
                "left",
                "left",
                "left",
                "right",
                "+",
                "+",
                "-",
            ):
                call.press(key)
            assert comparison.heard == Version.ORIGINAL
            assert outgoing.bitrate_kbps == pytest.approx(0.8)
            assert relay.conditions.loss == pytest.approx(0.05)
            assert relay.conditions.jitter_ms == pytest.approx(10.0)
            lines = "\n".join(call.lines())
            for text in ("[original]", "loss 5 %", "jitter 10 ms", "mouth to ear", "concealed"):
                assert text in lines
            call.press("3")
            assert comparison.heard == Version.ORIGINAL, "there is no Opus at this rate"
            with_way = call.figures()["received"]["mouth_to_ear_ms"]
            assert with_way >= incoming.stats().mouth_to_ear_ms + 10.0
