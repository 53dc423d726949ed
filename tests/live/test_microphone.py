"""The virtual microphone on a private PulseAudio: made, spoken into, killed, back, removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from rtaudio.cli.microphone import SERVICE
from rtaudio.devices.microphone import VirtualMicrophone
from rtaudio.errors import DeviceError

NEEDED = ("pulseaudio", "pactl")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pulse_only = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


class PulseServer:
    """A PulseAudio of its own, with a silent microphone and a loudspeaker that nobody hears."""

    def __init__(self):
        self.start()

    def start(self):
        modules = (
            "module-native-protocol-unix", "module-null-source source_name=real",
            "module-null-sink sink_name=speaker",
        )  # fmt: skip
        self.process = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
             *(word for module in modules for word in ("-L", module))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(200):
            if "real" in self.sources():
                return
            time.sleep(0.1)
        pytest.skip("pulseaudio does not start here")

    @staticmethod
    def listed(kind):
        done = subprocess.run(["pactl", "list", "short", kind], capture_output=True, text=True)
        return done.stdout

    def sources(self):
        return [line.split("\t")[1] for line in self.listed("sources").splitlines()]

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def pulse(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PULSE_COOKIE", str(tmp_path / "cookie"))
    monkeypatch.setenv("PULSE_STATE_PATH", str(tmp_path))
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    tmp_path.chmod(0o700)
    server = PulseServer()
    yield server
    server.kill()


def until(seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pulse_only
def test_it_is_made_once_and_removed(pulse):
    microphone = VirtualMicrophone()
    assert microphone.make()
    assert not microphone.make()
    assert "rtaudio_mic" in pulse.sources()
    assert "rtaudio" in pulse.listed("sinks")
    assert microphone.remove()
    assert not microphone.remove()
    assert "rtaudio" not in "".join(pulse.sources())


@pulse_only
def test_half_of_one_is_made_anew(pulse):
    VirtualMicrophone().make()
    number = next(line for line in pulse.listed("modules").splitlines() if "remap" in line)
    subprocess.run(["pactl", "unload-module", number.split()[0]], check=True)
    assert VirtualMicrophone().make()
    assert pulse.sources().count("rtaudio_mic") == 1


@pulse_only
def test_without_a_server_one_line_says_so(pulse):
    pulse.kill()
    with pytest.raises(DeviceError, match=r"the sound server refuses: .*is it running"):
        VirtualMicrophone().make()


def test_without_pactl_one_line_says_so(refused, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs pactl; install it" in refused("microphone", "--seconds", "0")


@pulse_only
def test_it_survives_the_death_of_the_server_and_is_removed_at_the_end(pulse):
    names = subprocess.run(
        [sys.executable, "-c", "import sounddevice as sd; print(sd.query_devices())"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    if "pulse" not in names:
        pytest.skip("ALSA has no device 'pulse' (package libasound2-plugins)")
    words = ("microphone", "bypass", "--block", "2048", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "rtaudio", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def speaks():
        return len(pulse.listed("sink-inputs").splitlines()) == 1

    try:
        assert until(300, speaks)
        assert "rtaudio_mic" in pulse.sources()
        pulse.kill()
        time.sleep(3.0)
        assert process.poll() is None
        pulse.start()
        assert until(120, speaks)
        sink = pulse.listed("sink-inputs").split("\t")[1]
        assert f"{sink}\trtaudio\t" in pulse.listed("sinks")  # not the loudspeaker
        assert "rtaudio_mic" in pulse.sources()
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert said.count("stopped delivering audio; it plays on when it is back") == 1
    assert said.count("plays again after") == 1
    assert "the virtual microphone 'rtaudio' is there again" in said
    assert json.loads(out)["blocks"] > 10
    assert "rtaudio" not in "".join(pulse.sources())


@pytest.fixture
def systemctl(monkeypatch, tmp_path):
    """A program of this name that notes its words; there is no session of systemd in tests."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "systemctl.log"
    for name, work in (("systemctl", f'echo "$@" >> {log}'), ("pactl", "true")):
        (folder / name).write_text(f"#!/bin/sh\n{work}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return log


def test_a_service_is_installed_and_uninstalled(cli, refused, systemctl, tmp_path):
    unit = tmp_path / "config" / "systemd" / "user" / SERVICE
    preset = tmp_path / "my 100% voice.yaml"
    preset.write_text("chain:\n  - gain\n")
    answer = cli("microphone", preset, "--install", "--source", "alsa_input.usb")
    assert answer.status == 0, answer.err
    assert f"{unit}: runs now, and at every login" in answer.out
    text = unit.read_text()
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    assert start == (
        f"ExecStart={sys.executable} -m rtaudio microphone '{tmp_path}/my 100%% voice.yaml' "
        "--block 480 --json --source alsa_input.usb"
    )
    assert "WantedBy=default.target" in text
    assert "Restart=on-failure" in text
    assert systemctl.read_text().splitlines() == [
        "--user daemon-reload", f"--user enable --now {SERVICE}",
    ]  # fmt: skip
    assert cli("microphone", "--uninstall").status == 0
    assert not unit.exists()
    assert systemctl.read_text().splitlines()[2:] == [
        f"--user disable --now {SERVICE}", "--user daemon-reload",
    ]  # fmt: skip
    assert "choose one" in refused("microphone", "--install", "--uninstall")
    assert "did you mean" in refused("microphone", "denoize", "--install")
    assert not unit.exists()
