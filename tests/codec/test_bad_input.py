"""What is no speech does no harm: NaN, overload, silence, and codes that nobody encoded."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from rtaudio.codec.find import find_codec
from rtaudio.codec.frame_player import FramePlayer
from rtaudio.codec.jitter import Frame
from rtaudio.codec.model import FrameDecoder, FrameEncoder
from rtaudio.live.incoming import Incoming
from rtaudio.live.outgoing import Outgoing

HOP, RATE = 960, 48000
RECOVERY_FRAMES = 50


@pytest.fixture(scope="module")
def codec():
    return find_codec("codec-voice")


def noise(frames, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((frames, HOP))).astype(np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, 1e10, 100.0, 0.7])
def test_the_state_recovers_from_any_input(codec, value):
    """A second later the codes are those of an encoder that never heard it."""
    sound = noise(2 * RECOVERY_FRAMES)
    bad, good = FrameEncoder(codec), FrameEncoder(codec)
    for _ in range(3):
        bad.encode(np.full(HOP, value, np.float32), 12)
    decoders = FrameDecoder(codec), FrameDecoder(codec)
    heard = [
        np.concatenate([decoder.decode(encoder.encode(frame, 12)) for frame in sound])
        for encoder, decoder in zip((bad, good), decoders, strict=True)
    ]
    late = [y[RECOVERY_FRAMES * HOP :] for y in heard]
    assert np.isfinite(heard[0]).all()
    level_db = 20 * np.log10([np.std(y) for y in late])
    assert level_db[0] == pytest.approx(level_db[1], abs=0.5)


def test_random_codes_are_never_above_full_scale_and_leave_no_trace(codec):
    rng, player = np.random.default_rng(0), FramePlayer(codec)
    for number in range(100):
        codes = np.full(24, rng.integers(0, 1024)) if number % 2 else rng.integers(0, 1024, 24)
        heard = player.play(Frame(number, codes))
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 1.01
    encoder = FrameEncoder(codec)
    after = [
        player.play(Frame(100 + n, encoder.encode(frame, 12)[:, 0]))
        for n, frame in enumerate(noise(2 * RECOVERY_FRAMES))
    ]
    assert np.std(after[RECOVERY_FRAMES:]) == pytest.approx(0.1, rel=0.3)


def test_a_live_input_with_nan_is_silence_and_counted(calls_codec, monkeypatch):
    """The audio thread takes it for silence, so the encoder never sees it.

    A source in memory with NaN would be refused; here it stands for a device that makes some.
    """
    sound = np.repeat(np.random.default_rng(0).uniform(-0.4, 0.4, 100), 320).astype(np.float32)
    sound[4000:4010], sound[12000] = np.nan, np.inf
    monkeypatch.setattr("rtaudio.live.host.samples", lambda x, what: x[None])
    with Incoming(calls_codec, 0, device="clock", block=80) as incoming:
        heard = incoming.host.output()
        with Outgoing(
            calls_codec, incoming.address, device="clock", block=80, source=sound, pauses=False,
            bitrate_kbps=1.0,
        ) as outgoing:  # fmt: skip
            time.sleep(2.5)
            sent = outgoing.stats()
    assert 2 <= sent.host.faults["input"] <= 3
    assert sent.frames > 50
    assert np.isfinite(np.concatenate(list(heard), axis=1)).all()


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("silence", np.zeros(RATE)),
        ("dc", np.full(RATE, 0.7)),
        ("clipped", np.sign(np.sin(np.arange(RATE) / 20.0))),
        ("over", 50.0 * np.sin(np.arange(RATE) / 20.0)),
    ],
)
def test_files_that_are_no_speech_come_back_no_louder(cli, tmp_path, name, sound):
    soundfile.write(tmp_path / "in.wav", sound, RATE, "FLOAT")
    for words in (("encode", "in.wav", "x.rtc"), ("decode", "x.rtc", "out.wav")):
        answer = cli(words[0], tmp_path / words[1], tmp_path / words[2])
        assert answer.status == 0, answer.err
    heard, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert heard.shape == sound.shape
    assert np.abs(heard).max() <= 3.0 * np.abs(sound).max() + 1e-3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nan", "holds NaN or infinite samples"),
        ("inf", "holds NaN or infinite samples"),
        ("empty", "has no frames"),
        ("text", "not an audio file"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        ("encode", "FILE", "x.rtc"),
        ("codec", "demo", "FILE", "--device", "clock"),
        ("codec", "send", "--to", "localhost:5004", "--in", "FILE", "--device", "clock"),
    ],
)
def test_files_that_are_no_sound_are_one_line(refused, tmp_path, words, name, text):
    file = tmp_path / "bad.wav"
    sound = np.zeros(0 if name == "empty" else RATE)
    if name in ("nan", "inf"):
        sound[1000] = float(name)
    soundfile.write(file, sound, RATE, "FLOAT")
    if name == "text":
        file.write_text("no audio\n" * 20)
    line = refused(*(str(file) if word == "FILE" else word for word in words))
    assert str(file) in line
    assert text in line


def test_eight_channels_are_a_file_but_no_call(cli, refused, tmp_path):
    file = tmp_path / "eight.wav"
    soundfile.write(file, 0.1 * noise(50).reshape(-1, 1).repeat(8, 1), RATE, "FLOAT")
    assert cli("encode", file, tmp_path / "eight.rtc").status == 0
    assert "has 8 channels" in refused("codec", "demo", file, "--device", "clock")


def test_a_decoder_of_another_codec_is_one_line(refused, codec, calls_codec, tmp_path):
    shutil.copy(codec.encoder.path, tmp_path / "mixed.encoder.onnx")
    shutil.copy(calls_codec.decoder.path, tmp_path / "mixed.decoder.onnx")
    line = refused(
        "codec",
        "send",
        "--to",
        "localhost:5004",
        "--model",
        tmp_path / "mixed",
        "--device",
        "clock",
    )
    assert "does not belong to mixed.encoder.onnx" in line


def test_a_sender_of_another_codec_is_refused_and_counted(codec, calls_codec):
    with (
        Incoming(calls_codec, 0, device="clock", block=80) as incoming,
        Outgoing(codec, incoming.address, device="clock", pauses=False),
    ):
        time.sleep(1.5)
        stats = incoming.stats()
    assert stats.receiver.model >= 1
    assert stats.receiver.model + stats.receiver.malformed <= 80


def test_a_port_without_permission_is_one_line(calls_codec):
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed (package util-linux)")
    drop = [setpriv, "--bounding-set=-net_bind_service", "--inh-caps=-all"]
    probe = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(('127.0.0.1', 9))"
    tried = subprocess.run([*drop, sys.executable, "-c", probe], capture_output=True, text=True)
    if "PermissionError" not in tried.stderr:
        pytest.skip("every port may be opened here")
    words = ["codec", "receive", "--port", "9", "--device", "clock", "--model"]
    done = subprocess.run(
        [*drop, sys.executable, "-m", "rtaudio", *words, calls_codec.encoder.path],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("error: 127.0.0.1:9: cannot listen there: Permission denied")
