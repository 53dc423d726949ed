"""``rtaudio capture`` over JACK, with the engine itself as the amp in the loop."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from rtaudio.audio.reader import read_audio
from rtaudio.audio.writer import write_audio
from rtaudio.capture.signal import capture_signal
from rtaudio.preset.load import load_preset
from rtaudio.shipped import shipped_presets

pytestmark = pytest.mark.jack

RATE, BLOCK = 48000, 1024
FOLDER = shipped_presets()["crunch"].parent
TRIES = 4

AMP = """
import sys
from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset

with Host(load_preset(sys.argv[1]), "system", block=int(sys.argv[2]),
          in_channels=[1], out_channels=[1]) as host:
    print("playing", flush=True)
    host.wait(300.0)
"""

CAPTURE = "from rtaudio.cli import main; import sys; main(sys.argv[1:])"


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Four seconds to connect the cables in, then blips, noise and some playing: 15 s."""
    signal = capture_signal(RATE)
    parts = [signal.audio[slice(*signal.sections[name])] for name in ("blips", "noise", "take")]
    rest = np.zeros(4 * RATE, np.float32)
    path = tmp_path_factory.mktemp("played") / "dry.wav"
    write_audio(path, np.concatenate([rest, parts[0], parts[1][-3 * RATE :], parts[2]]), RATE)
    return path


def ports(server):
    return {name for name in server.run("jack_lsp").stdout.split() if name.startswith("PortAudio")}


def in_the_loop(server, preset, words):
    """Run ``rtaudio capture`` with a preset, played by another process, between out and in."""
    amp = server.script(AMP, str(preset), str(BLOCK))
    try:
        assert amp.stdout.readline() == "playing\n", amp.stderr.read()
        amp_ports = ports(server)
        capture = server.script(CAPTURE, "capture", *map(str, words))
        cables = []
        while capture.poll() is None and len(cables) < 2:
            own = ports(server) - amp_ports
            cables = [(source, sink) for a, b in ((own, amp_ports), (amp_ports, own))
                      for source in a if ":out_0" in source
                      for sink in b if ":in_0" in sink]  # fmt: skip
        # a port takes no cable until its client is active
        while capture.poll() is None and cables:
            cables = [cable for cable in cables if server.run("jack_connect", *cable).returncode]
        out, error = capture.communicate(timeout=120)
        return capture.returncode, out, error
    finally:
        amp.kill()
        amp.communicate()


def until_no_block_is_lost(server, preset, words):
    """As above; where a busy machine loses a block, the command says so, and one plays again."""
    for _ in range(TRIES):
        status, out, error = in_the_loop(server, preset, words)
        if "the device lost" not in error:
            return status, out, error
        assert status == 2
    pytest.skip("this machine loses blocks")


def test_the_amp_is_captured_as_it_renders(jack, played, tmp_path):
    model, cabinet = FOLDER / "models/crunch.onnx", FOLDER / "cabinets/british-4x12.wav"
    preset = tmp_path / "amp.yaml"
    preset.write_text(f"chain: [model: {{file: {model}}}, cabinet: {{file: {cabinet}}}]")
    out = tmp_path / "captured"
    words = [out, "--device", "system", "--block", BLOCK, "--dry", played, "--level", -6, "--json",
             "--input-dbu", 12, "--knob", "gain=0.5"]  # fmt: skip
    status, text, error = until_no_block_is_lost(jack(BLOCK), preset, words)
    assert status == 0, error
    about = json.loads((out / "capture.json").read_text())
    assert json.loads(text)["latency_samples"] == about["latency_samples"]
    assert about["knobs"] == {"gain": 0.5}
    source = soundfile.read(played, dtype="float32")[0]
    gain_db = -6.0 - 20 * np.log10(np.abs(source).max())
    assert about["input_dbu"] == pytest.approx(12.0 + gain_db, abs=1e-6)
    dry, wet = (read_audio(out / name)[0][0] for name in ("dry.wav", "wet.wav"))
    np.testing.assert_array_equal(dry, source[: dry.size])

    # JACK hands a loop on after whole periods; behind distortion some samples are given
    early = -about["latency_samples"] % BLOCK
    assert early <= 3
    assert about["latency_samples"] <= 4 * BLOCK
    wanted = load_preset(preset)(np.float32(10 ** (gain_db / 20)) * source, RATE)
    after = slice(4 * RATE, wet.size - early)
    np.testing.assert_allclose(wet[early:][after], wanted[after], atol=2e-6)


def test_a_wire_is_not_taken_for_gear(jack, played, tmp_path):
    preset = tmp_path / "wire.yaml"
    preset.write_text("chain: [gain: {gain_db: -6}]")
    out = tmp_path / "captured"
    words = [out, "--device", "system", "--block", BLOCK, "--dry", played]
    status, _, error = until_no_block_is_lost(jack(BLOCK), preset, words)
    assert status == 2
    assert "only louder or softer; is the gear in the loop?" in error
    assert not out.exists()


def test_without_a_cable_it_ends_at_once(jack, played, tmp_path):
    server = jack(BLOCK)
    words = ["capture", tmp_path / "out", "--device", "system", "--block", BLOCK, "--dry", played]
    process = server.script(CAPTURE, *map(str, words))
    out, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert error.splitlines() == [
        "error: nothing comes back (input -120 dBFS); check cables, channels and levels; "
        "see: rtaudio devices"
    ]
    assert list(tmp_path.iterdir()) == []
