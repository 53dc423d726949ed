"""``rtaudio demo``: play a guitar riff through an amp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.cli.run_report import print_run, run_figures
from rtaudio.errors import DeviceError
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.effects.base import Effect
    from rtaudio.live.host import Host

RATE_HZ = 48000
BLOCK = 64
PRESET = "crunch-stereo"


def demo(
    folder: Annotated[
        Path, typer.Option(help="Folder for the sound files and the picture.")
    ] = Path("demo"),
    json: terminal.Json = False,
) -> None:
    """Play a guitar riff through an amp, on the default device or in real time into a file."""
    terminal.say_loading(PRESET)
    import numpy as np

    from rtaudio.analysis.overview import Overview
    from rtaudio.audio.reader import read_audio
    from rtaudio.audio.riff import riff
    from rtaudio.audio.writer import write_audio
    from rtaudio.cli.run import play
    from rtaudio.preset.load import load_preset
    from rtaudio.view.sound import draw

    chain = load_preset(PRESET)
    dry = riff(RATE_HZ)[np.newaxis]
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.wav" for name in ("dry", "wet")}
    picture = folder / "demo.png"
    write_audio(files["dry"], dry, RATE_HZ)
    host = _start_host(chain, dry, files["wet"])
    stats = play(host, None, live=not json)
    wet, _ = read_audio(files["wet"])
    # The record begins with the first block: cut off the latency, so that dry and wet line up.
    wet = wet[:, stats.latency_samples :][:, : dry.shape[1]]
    write_audio(files["wet"], wet, RATE_HZ)
    before, after = (Overview(dry.shape[1], len(sound), RATE_HZ) for sound in (dry, wet))
    before.add(dry)
    after.add(wet)
    draw(picture, before, after, f"{PRESET}: {host.device_name}, {BLOCK} frames per block")
    if json:
        terminal.print_json({**run_figures(host, stats), **files, "picture": picture})
    else:
        print_run(host, stats)
        for what, path in (*files.items(), ("picture", picture)):
            print(f"{what:8} {path}")
    if host.error:
        raise DeviceError(host.error)


def _start_host(chain: Effect, dry: Any, record: Path) -> Host:
    """Start a host on the default device or, if that fails, on the virtual clock."""
    from rtaudio.live.host import Host

    for device in ("default", "clock"):
        try:
            host = Host(chain, device, RATE_HZ, BLOCK, source=dry, record=record)
            host.start()
        except DeviceError as error:
            reason = str(error).partition(";")[0]
            terminal.remark(f"{reason}: playing on the virtual clock, in real time, into {record}")
        else:
            terminal.remark(f"playing {PRESET} on {host.device_name}")
            return host
    raise AssertionError("the virtual clock always starts")
