"""``rtaudio denoise``: files, or folders of them, without their noise.

An array takes one line of Python: ``clean = rtaudio.load_preset("denoise")(noisy, rate_hz)``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.errors import UsageError, plain
from rtaudio.runtime.limits import MAX_CHANNELS
from rtaudio.view import terminal as show

if TYPE_CHECKING:
    from rtaudio.batch.folder import Outcome
    from rtaudio.batch.render_file import Rendered
    from rtaudio.effects.chain import Chain


def denoise(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A sound file of any length, or a folder of them.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The new file: .wav, .flac ..., or folder.")
    ],
    preset: Annotated[
        str,
        typer.Option(
            "--preset", "--model", help="A shipped preset, a preset file, or a model of any kind."
        ),
    ] = "denoise",
    limit_db: Annotated[
        float | None,
        typer.Option(min=0.0, help="Take noise down by so many decibels at most; else all of it."),
    ] = None,
    mix: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="0 is the file as it was, 1 the new sound.")
    ] = 1.0,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that exist already.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="For folders: files at a time; else one per core."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the sound before and after into this file.")
    ] = None,
    json: show.Json = False,
) -> None:
    """Remove the noise of a file, or of every file in a folder and below it.

    The result is aligned with the input to the sample; it keeps its length, rate and channels, its
    storage where the new format has it (nothing is dithered), and title, artist and the like; from
    WAV to WAV all chunks, too. A WAV file of more than 4 GB becomes one in RF64.

    Of a damaged file everything before the damage is denoised, and NaN becomes silence: a line on
    stderr says where, and the exit status is 2, as for a file that cannot be denoised at all. The
    other files of a folder do not suffer.
    """
    show.first_start()
    from rtaudio.cli.run import ended_by_signals

    effect = partial(_chain, preset, limit_db, mix)
    effect()  # a preset that cannot be played is told at once
    with ended_by_signals():
        if source.is_dir():
            if picture is not None:
                raise UsageError(f"--picture {picture}: is for one file; {source} is a folder")
            _folder(effect, source, target, force, jobs, json)
        else:
            _file(effect, source, target, force, picture, json)


@lru_cache(maxsize=1)
def _chain(preset: str, limit_db: float | None, mix: float) -> Chain:
    """Return what denoises; cached, since each process needs it once."""
    from rtaudio.effects.chain import Chain
    from rtaudio.effects.model import Model
    from rtaudio.models.loader import MODEL_SUFFIXES
    from rtaudio.preset.load import load_preset
    from rtaudio.shipped import shipped_presets

    path = Path(preset)
    model = preset not in shipped_presets() and (
        path.suffix.lower() in MODEL_SUFFIXES or path.is_dir()
    )
    chain = Chain([Model(path)], name=path.stem) if model else load_preset(preset)
    # At most so many decibels less is the same as a share of the input, at the same time.
    wet = 1.0 if limit_db is None else 1.0 - 10.0 ** (-limit_db / 20.0)
    chain.mix *= mix * wet
    return chain


def _one(
    effect: Callable[[], Chain],
    force: bool,
    source: Path,
    target: Path,
    progress: Callable[[float], None],
    listen: Callable[[Any, Any], None] = lambda dry, wet: None,
) -> Rendered:
    from rtaudio.batch.render_file import render_file

    if target.is_dir():
        raise IsADirectoryError(f"{target}: is a folder; name the new file in it")
    if target.exists() and not force and not (source.exists() and source.samefile(target)):
        raise FileExistsError(f"{target}: exists; choose another name, or replace it: --force")
    return render_file(
        effect(), source, target, max_channels=MAX_CHANNELS, keep_channels=True, salvage=True,
        progress=progress, listen=listen,
    )  # fmt: skip


def _file(
    effect: Callable[[], Chain], source: Path, target: Path, force: bool, picture: Path | None,
    json: bool,
) -> None:  # fmt: skip
    from rtaudio.view.sound import check_picture, draw

    if picture is not None:
        check_picture(picture)
    views = _Views(source) if picture is not None else None
    with show.progress(not json) as bars:
        task = bars.add_task(plain(f"{source.name} -> {target.name}"), total=1.0)
        done = _one(
            effect, force, source, target, lambda share: bars.update(task, completed=share),
            *([views.add] if views else []),
        )  # fmt: skip
        if views and picture:
            bars.update(task, description=f"drawing {picture.name}")
            draw(picture, views.before, views.after, f"{source.name}: {effect().name}")
    if json:
        figures = {**_figures(done), "out": target, "picture": picture}
        show.print_json(figures)
    else:
        print(plain(_line(target, done)))
    _remarks(target, done)
    if done.damage:
        show.remark(f"error: {done.damage}; the rest is in {target}")
        raise typer.Exit(2)


class _Views:
    """The overviews of a file before and after, once it is known what is in it."""

    def __init__(self, source: Path) -> None:
        from rtaudio.analysis.overview import Overview
        from rtaudio.audio.reader import opened

        with opened(source, MAX_CHANNELS) as file:
            size = (file.frames, file.channels, file.rate_hz)
        self.before, self.after = Overview(*size), Overview(*size)

    def add(self, dry: Any, wet: Any) -> None:
        self.before.add(dry)
        self.after.add(wet)


def _folder(
    effect: Callable[[], Chain], source: Path, target: Path, force: bool, jobs: int | None,
    json: bool,
) -> None:  # fmt: skip
    from rtaudio.batch.folder import pairs, work_through

    todo, others, closed = pairs(source, target)
    kept = [] if force else [pair.target for pair in todo if pair.target.exists()]
    there = set(kept)
    todo = [pair for pair in todo if pair.target not in there]
    processes = min(jobs or _cores(), max(1, len(todo)))
    outcomes: list[Outcome] = []
    with show.progress(not json) as bars:
        task = bars.add_task("", total=1.0)

        def tell(share: float) -> None:
            text = f"{len(outcomes)} of {len(todo)} files"
            bars.update(task, completed=share, description=text)

        tell(0.0)
        with closing(work_through(partial(_one, effect, force), todo, processes, tell)) as ended:
            for outcome in ended:
                outcomes.append(outcome)
    outcomes.sort(key=lambda outcome: outcome.source)
    done = [(outcome, outcome.done) for outcome in outcomes if outcome.done]
    errors = closed + [outcome.error for outcome in outcomes if outcome.error]
    errors += [f"{one.damage}; the rest is in {outcome.target}" for outcome, one in done
               if one.damage]  # fmt: skip
    if kept:
        errors.append(f"{kept[0]}: exists{_and_others(len(kept))}; replace it, or them: --force")
    if json:
        show.print_json({
            "files": [{"in": o.source, "out": o.target, **_figures(one)} for o, one in done],
            "errors": errors,
            "skipped": others,
        })  # fmt: skip
    else:
        seconds = sum(one.frames / one.rate_hz for _, one in done)
        print(plain(f"{target}: {len(done)} files, {seconds:.2f} s"))
    for outcome, one in done:
        _remarks(outcome.target, one)
    if others:
        names = ", ".join(path.name for path in others[:5])
        show.remark(f"skipped, not sound by their names: {names}{_and_others(len(others), 5)}")
    for error in errors:
        show.remark(f"error: {error}")
    if errors:
        raise typer.Exit(2)


def _cores() -> int:
    count = getattr(os, "sched_getaffinity", None)
    return len(count(0)) if count else os.cpu_count() or 1


def _and_others(number: int, shown: int = 1) -> str:
    return f" and {number - shown} others" if number > shown else ""


def _figures(done: Rendered) -> dict[str, Any]:
    duration = done.frames / done.rate_hz
    return {
        "audio_seconds": duration,
        **done._asdict(),
        "real_time_factor": done.seconds / duration,
        "in_peak_db": show.decibels(done.in_peak),
        "peak_db": show.decibels(done.peak),
    }


def _line(target: Path, done: Rendered) -> str:
    duration = done.frames / done.rate_hz
    channels = {1: "mono", 2: "stereo"}.get(done.channels, f"{done.channels} channels")
    speed = duration / done.seconds
    return (
        f"{target}: {duration:.2f} s, {channels} at {done.rate_hz} Hz, "
        f"{done.subtype}, peak {show.decibels(done.in_peak):.1f} -> "
        f"{show.decibels(done.peak):.1f} dBFS, {speed:.{0 if speed >= 10 else 1}f} x real time"
    )


def _remarks(target: Path, done: Rendered) -> None:
    if done.clipped:
        show.remark(f"{target}: {done.clipped} samples clipped; lower the level of the input")
    for name, count in done.faults.items():
        show.remark(f"{target}: {name} was silenced and reset {count} times")
