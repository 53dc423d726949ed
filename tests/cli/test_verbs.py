"""The verbs: what they write, what they print, and how they stop."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

import rtaudio
from docs.generate import verbs
from rtaudio.audio.riff import riff
from rtaudio.audio.writer import write_audio
from rtaudio.batch.render_file import render_file
from rtaudio.cli import demo, doctor, render, run
from rtaudio.live.host import Host
from rtaudio.preset.load import load_preset
from rtaudio.shipped import shipped_models, shipped_presets

MODELS = shipped_models()["crunch"].parent
RUN_KEYS = {
    "blocks", "missed", "xruns", "callback_us", "gap_us", "latency_samples", "latency_parts",
    "faults",
}  # fmt: skip


def process(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "rtaudio", *map(str, words)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


# -- help and defaults -----------------------------------------------------------------------------


def test_every_verb_has_help_with_an_example(cli):
    answer = cli("--help")
    for verb in verbs():
        assert verb.split()[0] in answer.out
        text = cli(*verb.split(), "--help")
        assert text.status == 0
        assert f"Example: `rtaudio {verb}" in text.out
        assert text.err == ""


def test_version(cli):
    assert cli("--version").out.strip() == rtaudio.__version__


def test_defaults_of_the_command_line_are_those_of_the_library():
    host = inspect.signature(Host).parameters
    flags = inspect.signature(run.run).parameters
    for name in ("device", "rate_hz", "block"):
        assert flags[name].default == host[name].default
    of_file = inspect.signature(render_file).parameters["block"].default
    assert inspect.signature(render.render).parameters["block"].default == of_file
    assert host["rate_hz"].default is None  # the device's own
    assert host["block"].default == demo.BLOCK
    assert demo.PRESET == doctor.PRESET
    assert demo.PRESET in shipped_presets()


# -- render ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "subtype"),
    [
        ("mono.wav", "o.wav", "PCM_16"),
        ("stereo.flac", "o.wav", "PCM_24"),
        ("stereo.flac", "o.flac", "PCM_24"),
        ("float.wav", "o.wav", "FLOAT"),
        ("float.wav", "o.flac", "PCM_24"),
        ("mono.wav", "o.ogg", "VORBIS"),
        ("mono.wav", "O.WAV", "PCM_16"),
    ],
)
def test_render_keeps_rate_length_and_storage(cli, files, tmp_path, source, target, subtype):
    answer = cli("render", "bypass", files / source, tmp_path / target, "--json")
    assert answer.status == 0
    dry, wet = soundfile.info(files / source), soundfile.info(tmp_path / target)
    assert (wet.samplerate, wet.frames, wet.channels) == (dry.samplerate, dry.frames, dry.channels)
    assert wet.subtype == subtype
    assert json.loads(answer.out)["frames"] == dry.frames
    assert [path.name for path in tmp_path.iterdir()] == [target]


def test_render_says_when_samples_are_clipped(cli, files, tmp_path):
    answer = cli("render", files / "louder.yaml", files / "mono.wav", tmp_path / "o.wav")
    assert answer.status == 0
    assert "samples clipped" in answer.err
    answer = cli(
        "render", files / "louder.yaml", files / "float.wav", tmp_path / "o.wav", "--force"
    )
    assert answer.err == ""
    assert soundfile.read(tmp_path / "o.wav")[0].max() > 1.0


def test_an_interrupted_render_leaves_nothing(cli, files, tmp_path, monkeypatch):
    def interrupt(program, x):
        raise KeyboardInterrupt

    monkeypatch.setattr("rtaudio.batch.rendering.run", interrupt)
    answer = cli("render", "bypass", files / "mono.wav", tmp_path / "o.wav")
    assert answer.status == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("block", [1, 17, 512, 4096])
def test_a_rendered_file_is_the_rendered_array(tmp_path, block, monkeypatch):
    monkeypatch.setattr("rtaudio.batch.rendering._PIECE_SAMPLES", 1000)
    dry = riff(44100)[:20_000]
    write_audio(tmp_path / "dry.wav", dry, 44100)
    chain = load_preset("crunch-stereo")
    render_file(chain, tmp_path / "dry.wav", tmp_path / "wet.wav", block=block)
    wet, rate = soundfile.read(tmp_path / "wet.wav", dtype="float32")
    assert rate == 44100
    np.testing.assert_allclose(wet.T, chain(dry, 44100), atol=2e-6)


# -- run -------------------------------------------------------------------------------------------


def test_run_ends_with_one_object(cli):
    answer = cli("run", "bypass", "--device", "clock", "--seconds", "0.3", "--json")
    assert answer.status == 0
    figures = json.loads(answer.out)
    assert figures.keys() >= RUN_KEYS
    for times in (figures["callback_us"], figures["gap_us"]):
        assert times.keys() == {"p50", "p99", "p99_9", "max"}
    assert figures["blocks"] >= 100
    assert figures["latency_samples"] == 0


def test_run_plays_a_file_into_a_file(cli, files, tmp_path):
    answer = cli("run", "bypass", "--device", "clock", "--in", files / "mono.wav",
                 "--out", tmp_path / "o.wav", "--block", "100")  # fmt: skip
    assert answer.status == 0
    assert "callback" in answer.out
    wet, _ = soundfile.read(tmp_path / "o.wav", always_2d=True)
    assert wet.shape[0] >= 4800
    assert np.abs(wet).max() > 0.1


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_fades_out_and_reports(tmp_path, kind):
    out = tmp_path / "o.wav"
    child = process("run", "bypass", "--device", "clock", "--out", out, "--json")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        parts = list(tmp_path.iterdir())
        if parts and parts[0].stat().st_size > 8000:
            break
        time.sleep(0.05)
    child.send_signal(kind)
    stdout, stderr = child.communicate(timeout=30)
    assert child.returncode == 0, stderr
    assert json.loads(stdout)["blocks"] > 0
    assert stderr == ""
    assert list(tmp_path.iterdir()) == [out]
    assert soundfile.info(out).frames > 0


def test_torch_is_never_imported(files, tmp_path):
    code = (
        "import sys; from rtaudio.cli import main\n"
        "for words in (['render', 'crunch', sys.argv[1], sys.argv[2]],"
        " ['run', 'crunch', '--device', 'clock', '--seconds', '0.1']):\n"
        "    try: main(words)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    words = [sys.executable, "-c", code, files / "mono.wav", tmp_path / "o.wav"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- the other verbs -------------------------------------------------------------------------------


def test_devices_prints_a_list(cli):
    answer = cli("devices", "--json")
    assert answer.status == 0
    assert isinstance(json.loads(answer.out)["devices"], list)


def test_doctor_looks_at_everything(cli, monkeypatch):
    monkeypatch.setattr("rtaudio.cli.doctor.JITTER_SECONDS", 0.2)
    answer = cli("doctor", "--json")
    assert answer.status == 0
    findings = {finding["what"]: finding for finding in json.loads(answer.out)["findings"]}
    assert findings.keys() >= {"devices", "real-time priority", "CPU governor", "ONNX Runtime",
                               "kernel cache", "scheduling jitter", "block size"}  # fmt: skip
    for finding in findings.values():
        assert finding["state"] in ("green", "yellow", "red")
        assert finding["advice"] or finding["state"] != "red"


def test_inspect_prints_card_proof_and_cost(cli, monkeypatch):
    monkeypatch.setattr("rtaudio.cli.inspect.REPEATS", 20)
    answer = cli("inspect", MODELS / "crunch.onnx", "--json")
    assert answer.status == 0
    figures = json.loads(answer.out)
    assert figures["card"]["contract"] == 1
    assert max(figures["golden_error"].values()) < 1e-4
    assert figures["cost_us"]["onnx"].keys() == {"32", "64", "128", "256", "512", "1024"}
    answer = cli("inspect", MODELS / "crunch.onnx")
    assert "golden vector" in answer.out
    assert "provenance" in answer.out


def test_demo_leaves_sound_and_picture(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("rtaudio.audio.riff.riff", lambda rate_hz: riff(rate_hz)[: rate_hz // 2])
    answer = cli("demo", "--folder", tmp_path / "demo", "--json")
    assert answer.status == 0
    figures = json.loads(answer.out)
    assert figures.keys() >= RUN_KEYS
    dry, rate = soundfile.read(figures["dry"])
    wet, _ = soundfile.read(figures["wet"], always_2d=True)
    assert (len(wet), wet.shape[1], rate) == (len(dry), 2, 48000)
    assert np.abs(wet).max() > 0.05
    assert os.path.getsize(figures["picture"]) > 10_000


def test_the_riff_is_a_guitar_at_line_level():
    dry = riff(48000)
    assert dry.dtype == np.float32
    assert 12 * 48000 <= dry.size <= 15 * 48000
    assert np.abs(dry).max() < 1.0
    assert abs(20 * np.log10(np.sqrt(np.mean(np.square(dry)))) + 18) < 1
    np.testing.assert_array_equal(dry, riff(48000))


def test_bench_says_what_oversampling_removes(cli):
    rows = json.loads(cli("bench", "aliasing", "--json").out)["aliasing"]
    crunch = {row["oversample"]: row for row in rows if row["model"] == "crunch"}
    for sine in ("1249_hz_db", "2503_hz_db", "4999_hz_db"):
        assert crunch[1][sine] > crunch[2][sine] + 10 > crunch[4][sine] + 10


def test_settings_say_what_is_assumed_until_it_is_set(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("rtaudio.settings.settings_path", lambda: tmp_path / "settings.yaml")
    assert "assumed" in cli("settings").out
    assert "assumed" not in cli("settings", "--interface-dbu", "14").out


def test_only_a_terminal_can_unmute(refused):
    assert "only the keys of a terminal can unmute" in refused(
        "run", "bypass", "--device", "clock", "--seconds", "0", "--muted", "--json"
    )
