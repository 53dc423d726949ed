"""``rtaudio render``: play a file, or a folder of files, through a preset."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rtaudio.atomic import may_write, new_file
from rtaudio.cli.folder_run import Force, Jobs, Ray, refuse_cluster, run_folder
from rtaudio.cli.run import Block, Cabinet, Preset, Slim
from rtaudio.errors import plain
from rtaudio.view import terminal
from rtaudio.view.words import counted, storage_name

if TYPE_CHECKING:
    from rtaudio.batch.cluster_folder import ForcedWork
    from rtaudio.batch.render_file import Rendered
    from rtaudio.effects.chain import Chain


def render(
    preset: Preset,
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="The dry file (.wav, .m4a ...), or a folder of them."),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The wet file, or a folder.")],
    cabinet: Cabinet = None,
    slim: Slim = None,
    block: Block = 512,
    force: Force = False,
    jobs: Jobs = None,
    ray: Ray = None,
    json: terminal.Json = False,
) -> None:
    """Play a file, or every one in a folder, through a preset, as fast as the machine can."""
    refuse_cluster(ray, source)
    if not source.is_dir():
        target = new_file(source, target, force)
    terminal.say_loading(preset)
    from rtaudio.cli.run import ended_by_signals

    make_chain = partial(_make_chain, preset, cabinet, slim)
    make_chain()  # so that a bad preset is reported at once
    work = partial(_render, make_chain, block)
    with ended_by_signals():
        if source.is_dir():
            _render_folder(work, make_chain, preset, source, target, force, jobs, ray, json)
            return
        with terminal.progress(not json) as bars:
            task = bars.add_task(plain(f"{source.name} -> {target.name}"), total=1.0)
            done = work(force, source, target, lambda p: bars.update(task, completed=p))
    _remark_faults(target, done)
    if done.damage:
        terminal.remark(f"{done.damage}; the rest is in {target}")
    if json:
        terminal.print_json({"out": target, **done._asdict()})
    else:
        print(plain(_summary_line(target, done)))


@lru_cache(maxsize=1)
def _make_chain(preset: str, cabinet: str | None, slim: float | None) -> Chain:
    """Return the chain; cached, so that each process makes it only once."""
    from rtaudio.preset.load import load_preset

    return load_preset(preset, cabinet=cabinet, slim=slim)


def _render(
    make_chain: Callable[[], Chain],
    block: int,
    force: bool,
    source: Path,
    target: Path,
    progress: Callable[[float], None],
) -> Rendered:
    """Render one file; runs in other processes, too."""
    from rtaudio.batch.render_file import render_file

    may_write(target, force)
    return render_file(make_chain(), source, target, block=block, progress=progress)


def _render_folder(
    work: ForcedWork[Rendered],
    make_chain: Callable[[], Chain],
    preset: str,
    source: Path,
    target: Path,
    force: bool,
    jobs: int | None,
    ray: str | None,
    json: bool,
) -> None:
    from rtaudio.batch.folder import list_pairs
    from rtaudio.batch.needs import needed_files
    from rtaudio.preset.load import find_preset

    run_folder(
        work,
        list_pairs(source, target),
        target,
        kind="sound files",
        force=force,
        jobs=jobs,
        ray=ray,
        needs=lambda: [find_preset(preset), *needed_files(make_chain())],
        json=json,
        figures=lambda done: done._asdict(),
        remark_faults=_remark_faults,
    )


def _summary_line(target: Path, done: Rendered) -> str:
    from rtaudio.runtime.decibels import to_db

    return (
        f"{target}: {done.frames / done.rate_hz:.2f} s, {counted(done.channels, 'channel')} at "
        f"{done.rate_hz} Hz, {storage_name(done.subtype)}, peak {to_db(done.peak):.1f} dBFS"
    )


def _remark_faults(target: Path, done: Rendered) -> None:
    if done.clipped:
        remedy = "lower the level or end the chain with a limiter"
        terminal.remark(f"{target}: {counted(done.clipped, 'sample')} clipped; {remedy}")
    for name, count in done.faults.items():
        terminal.remark(f"{target}: {name} was silenced and reset {counted(count, 'time')}")
