"""``rtaudio render``: a preset over a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rtaudio.cli.run import Block, Cabinet, Preset
from rtaudio.errors import plain
from rtaudio.view import terminal as show


def render(
    preset: Preset,
    source: Annotated[Path, typer.Argument(metavar="IN", help="The dry file, mono or stereo.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The wet file: .wav, .flac ...")],
    cabinet: Cabinet = None,
    block: Block = 512,
    json: show.Json = False,
) -> None:
    """Play a file through a preset into a file, as fast as the machine can."""
    show.first_start()
    from rtaudio.batch.render_file import render_file
    from rtaudio.preset.load import load_preset

    chain = load_preset(preset, cabinet=cabinet)
    with show.progress(not json) as bars:
        task = bars.add_task(f"{source.name} -> {target.name}", total=1.0)
        done = render_file(
            chain, source, target, block=block, progress=lambda p: bars.update(task, completed=p)
        )
    if done.clipped:
        remedy = "lower the level or end the chain with a limiter"
        show.remark(f"{target}: {done.clipped} samples clipped, {remedy}")
    for name, count in done.faults.items():
        show.remark(f"{target}: {name} was silenced and reset {count} times")
    if done.damage:
        show.remark(f"{done.damage}; the rest is in {target}")
    if json:
        show.print_json({"out": target, **done._asdict()})
    else:
        peak = show.decibels(done.peak)
        line = (
            f"{target}: {done.frames / done.rate_hz:.2f} s, {done.channels} channels at "
            f"{done.rate_hz} Hz, {done.subtype}, peak {peak:.1f} dBFS"
        )
        print(plain(line))
