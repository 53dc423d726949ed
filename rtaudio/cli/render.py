"""``rtaudio render``: play a file through a preset into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtaudio.atomic import new_file
from rtaudio.cli.folder_run import Force
from rtaudio.cli.run import Block, Cabinet, Preset, Slim
from rtaudio.errors import plain
from rtaudio.view import terminal
from rtaudio.view.words import counted, storage_name


def render(
    preset: Preset,
    source: Annotated[Path, typer.Argument(metavar="IN", help="The dry file: .wav, .m4a ...")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The wet file, or a folder.")],
    cabinet: Cabinet = None,
    slim: Slim = None,
    block: Block = 512,
    force: Force = False,
    json: terminal.Json = False,
) -> None:
    """Play a file through a preset into a file, as fast as the machine can."""
    target = new_file(source, target, force)
    terminal.say_loading(preset)
    from rtaudio.batch.render_file import render_file
    from rtaudio.preset.load import load_preset
    from rtaudio.runtime.decibels import to_db

    chain = load_preset(preset, cabinet=cabinet, slim=slim)
    with terminal.progress(not json) as bars:
        task = bars.add_task(f"{source.name} -> {target.name}", total=1.0)
        done = render_file(
            chain, source, target, block=block, progress=lambda p: bars.update(task, completed=p)
        )
    if done.clipped:
        remedy = "lower the level or end the chain with a limiter"
        terminal.remark(f"{target}: {counted(done.clipped, 'sample')} clipped; {remedy}")
    for name, count in done.faults.items():
        terminal.remark(f"{target}: {name} was silenced and reset {counted(count, 'time')}")
    if done.damage:
        terminal.remark(f"{done.damage}; the rest is in {target}")
    if json:
        terminal.print_json({"out": target, **done._asdict()})
    else:
        line = (
            f"{target}: {done.frames / done.rate_hz:.2f} s, {counted(done.channels, 'channel')} at "
            f"{done.rate_hz} Hz, {storage_name(done.subtype)}, peak {to_db(done.peak):.1f} dBFS"
        )
        print(plain(line))
