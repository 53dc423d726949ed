"""``rtaudio microphone``: a microphone for calls, with the noise taken out."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.cli.run import Block
from rtaudio.errors import DeviceError, UsageError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.live.host import Host

SERVICE = "rtaudio-microphone.service"
_DEVICE = "pulse"
"""ALSA's door to PulseAudio and PipeWire."""


def microphone(
    preset: Annotated[
        str, typer.Argument(help="A denoiser: a shipped preset, a preset file, or a model.")
    ] = "denoise",
    source: Annotated[
        str | None,
        typer.Option(help="The real microphone, by the sound server's name (default: its own)."),
    ] = None,
    block: Block = 480,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Duration (default: until Ctrl-C).")
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Start it at every login, and now (systemd).")
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Stop that, and remove the microphone.")
    ] = False,
    json: terminal.Json = False,
) -> None:
    """Offer a virtual microphone `rtaudio`, into which a denoised real one speaks (Linux).

    Choose `rtaudio` as the microphone in the call. It works with PipeWire and PulseAudio, comes
    back after a restart of the sound server, a suspend or an unplugged device, and goes when this
    ends. `pactl list short sources` shows the names for `--source`.
    """
    if install and uninstall:
        raise UsageError("--install and --uninstall: choose one")
    if uninstall:
        _uninstall()
        return
    if install:
        _install(preset, source, block)
        return
    _speak(preset, source, block, seconds, json)


def _speak(preset: str, source: str | None, block: int, seconds: float | None, json: bool) -> None:
    """Make the microphone, play into it until the end, and remove it."""
    from rtaudio.cli.run import play
    from rtaudio.cli.run_report import print_run, run_figures
    from rtaudio.devices.microphone import SINK, Keeper, VirtualMicrophone

    virtual = VirtualMicrophone()
    # libpulse reads these when the device is opened.
    os.environ["PULSE_SINK"] = SINK
    if source is not None:
        os.environ["PULSE_SOURCE"] = source
    with Keeper(virtual, terminal.remark):
        terminal.say_loading("the microphone")
        host = _host(preset, block)
        terminal.remark("the microphone 'rtaudio' is there; choose it in the call")
        stats = play(host, seconds, live=not json)
    if json:
        terminal.print_json(run_figures(host, stats))
    else:
        print_run(host, stats)


def _host(preset: str, block: int) -> Host:
    from rtaudio.devices.portaudio import list_devices
    from rtaudio.live.host import Host
    from rtaudio.preset.load import load_preset

    chain = load_preset(preset)
    if not any(device.name == _DEVICE for device in list_devices()):
        raise DeviceError(
            f"the device {_DEVICE!r} is missing; install it (Debian: apt install "
            "libasound2-plugins)"
        )
    return Host(chain, _DEVICE, 48_000, block, out_channels=[1], reconnect=terminal.remark)


# -- at every login --------------------------------------------------------------------------------


def _service_path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "systemd" / "user" / SERVICE


def _install(preset: str, source: str | None, block: int) -> None:
    """Write the user service, and start it."""
    from rtaudio.atomic import replacing
    from rtaudio.preset.load import load_preset

    load_preset(preset)  # so that a bad one is reported now, not at the next login
    given = Path(preset)
    words = [
        sys.executable, "-m", "rtaudio", "microphone",
        str(given.resolve()) if given.exists() else preset, "--block", str(block), "--json",
    ]  # fmt: skip
    words += [] if source is None else ["--source", source]
    path = _service_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(
            "[Unit]\n"
            "Description=rtaudio, a microphone without noise\n"
            "After=pipewire-pulse.service pulseaudio.service\n\n"
            "[Service]\n"
            f"ExecStart={' '.join(map(_unit_word, words))}\n"
            "KillSignal=SIGINT\n"
            "Restart=on-failure\n"
            "RestartSec=5\n\n"
            "[Install]\n"
            "WantedBy=default.target\n",
            "utf-8",
        )
    for command in (["daemon-reload"], ["enable", "--now", SERVICE]):
        _systemctl(*command)
    print(f"{path}: runs now, and at every login; to undo it: rtaudio microphone --uninstall")


def _unit_word(word: str) -> str:
    """Return a word as systemd reads it: neither variables nor specifiers are expanded."""
    quoted = shlex.quote(word).replace("%", "%%").replace("$", "$$")
    return quoted.replace("\\", "\\\\")


def _uninstall() -> None:
    """Stop and remove the service, and a microphone that a killed process left."""
    from rtaudio.devices.microphone import VirtualMicrophone

    path = _service_path()
    installed = path.exists()
    if installed:
        _systemctl("disable", "--now", SERVICE)
        path.unlink()
        _systemctl("daemon-reload")
    left = False
    try:
        left = VirtualMicrophone().remove()
    except DeviceError as error:
        if not installed:
            raise
        terminal.remark(str(error))
    if not installed and not left:
        terminal.remark("there was neither a service nor a microphone")
    else:
        print(f"removed: {path if installed else 'the microphone rtaudio'}")


def _systemctl(*words: str) -> None:
    command = ["systemctl", "--user", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError(
            "systemctl is missing; start `rtaudio microphone` at login yourself"
        ) from (None)
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise UsageError(f"{' '.join(command)}: {said}")
