"""``rtaudio plugin``: write a preset as a VST3, LV2 and CLAP plugin."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rtaudio.cli.folder_run import Force
from rtaudio.cli.run import Cabinet, Preset, Slim
from rtaudio.view import terminal
from rtaudio.view.words import counted


class Cpu(StrEnum):
    """Processors that a plugin may be made for."""

    portable = "portable"
    native = "native"


def plugin(
    preset: Preset,
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder for NAME.vst3, NAME.lv2, NAME.clap.")
    ],
    cabinet: Cabinet = None,
    slim: Slim = None,
    cpu: Annotated[
        Cpu,
        typer.Option(
            help="portable: any processor of the last ten years; native: those like this machine's."
        ),
    ] = Cpu.portable,
    force: Force = False,
    json: terminal.Json = False,
) -> None:
    """Write a preset as plugins for other hosts: native code, without Python inside.

    A set list becomes one plugin whose factory presets are the presets of the list; they differ in
    live parameters only.
    """
    terminal.say_loading(preset)
    from export.plugin.make import make_plugins
    from rtaudio.control.set_list import SetList, find_playable
    from rtaudio.preset.load import describe_preset, is_model, load_preset

    path = find_playable(preset)
    songs = SetList(path)
    paths = songs.paths if songs.fixed else []
    first = songs.path
    chain = load_preset(first, cabinet=cabinet, slim=slim)
    description = "" if is_model(first) else describe_preset(first)
    others = {each.stem: load_preset(each, cabinet=cabinet, slim=slim) for each in paths}
    for line in songs.missing:
        terminal.remark(line)
    with terminal.progress(not json) as bars:
        task = bars.add_task(f"{path.stem}: compiling", total=1.0)
        made = make_plugins(
            chain,
            folder,
            name=path.stem,
            description=description,
            others=others,
            cpu=cpu.value,
            force=force,
            progress=lambda share: bars.update(task, completed=share),
        )
    if json:
        terminal.print_json(made)
        return
    for file in made.files:
        print(file)
    tail = "endless" if made.tail_seconds < 0 else f"{made.tail_seconds:.2f} s"
    latency = ", ".join(f"{n} at {rate / 1000:g} kHz" for rate, n in made.latency_samples.items())
    print(f"{counted(made.parameters, 'parameter')}, for {made.cpu}; latency in samples: {latency}")
    median, high = made.block_us
    print(f"tail {tail}; a block of 64 costs {median:.1f} us, p99 {high:.1f} us, of 1333 us here")
