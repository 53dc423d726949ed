"""``rtaudio denoise``: remove the noise of a file, or of a folder of files.

For an array one line of Python is enough: ``clean = rtaudio.load_preset("denoise")(x, rate_hz)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.atomic import may_write, new_file
from rtaudio.cli.file_run import report_file
from rtaudio.cli.folder_run import Force, Jobs, Ray, refuse_cluster, run_folder
from rtaudio.errors import UsageError, plain
from rtaudio.runtime.limits import MAX_CHANNELS
from rtaudio.view import terminal
from rtaudio.view.words import counted, speed_words, storage_name

if TYPE_CHECKING:
    from rtaudio.batch.render_file import Rendered
    from rtaudio.effects.chain import Chain


def denoise(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="A file with sound, or a folder of them."),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The new file (.wav, .m4a ...), or a folder.")
    ],
    preset: Annotated[
        str,
        typer.Option(
            "--preset", "--model", help="A shipped preset, a preset file, or any model that plays."
        ),
    ] = "denoise",
    limit_db: Annotated[
        float | None,
        typer.Option(min=0.0, help="Maximum reduction in dB (default: unlimited)."),
    ] = None,
    dereverberation: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=100.0, help="Percent of the late reverberation to take away; 0 keeps it."
        ),
    ] = None,
    mix: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="0 is the input, 1 the denoised sound.")
    ] = 1.0,
    force: Force = False,
    jobs: Jobs = None,
    ray: Ray = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the sound before and after into this file.")
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Remove the noise of a file, or of every file in a folder and its subfolders.

    The result is aligned with the input to the sample. It keeps length, sample rate, channels,
    tags such as title and artist, and the sample format if the new file type has it (without
    dither). From WAV to WAV all other chunks are kept, too. A WAV file of more than 4 GB becomes
    RF64. From video to video the video stays untouched.

    A damaged file is denoised as far as it can be read, and NaN becomes silence: a line on stderr
    says where, and the exit status is 2, as for a file that cannot be read at all. The other files
    of a folder are processed anyway.
    """
    terminal.say_loading(preset)
    from rtaudio.cli.run import ended_by_signals

    refuse_cluster(ray, source)
    if not source.is_dir():
        target = new_file(source, target, force)
    make_effect = partial(_make_effect, preset, limit_db, dereverberation, mix)
    make_effect()  # so that a bad preset is reported at once
    with ended_by_signals():
        if source.is_dir():
            if picture is not None:
                raise UsageError(f"--picture {picture}: is for one file; {source} is a folder")
            _denoise_folder(make_effect, preset, source, target, force, jobs, ray, json)
        else:
            _denoise_file(make_effect, source, target, force, picture, json)


@lru_cache(maxsize=1)
def _make_effect(
    preset: str, limit_db: float | None, dereverberation: float | None, mix: float
) -> Chain:
    """Return the denoiser; cached, so that each process makes it only once."""
    from rtaudio.effects.chain import Chain
    from rtaudio.effects.denoise import ROOM, Denoise
    from rtaudio.effects.model import Model
    from rtaudio.preset.load import find_preset, is_model, load_preset
    from rtaudio.runtime.decibels import from_db

    path = find_preset(preset)
    alone = path.is_dir() or is_model(path)
    chain = Chain([Model(path)], name=path.stem) if alone else load_preset(path)
    if dereverberation is not None:
        if alone:
            chain = Chain([Denoise(path)], name=path.stem)
        denoisers = [effect for effect in chain.effects if isinstance(effect, Denoise)]
        if not denoisers:
            raise UsageError(f"--dereverberation: {preset} has no denoise effect; remove it")
        for effect in denoisers:
            effect.set_live(ROOM, dereverberation)
    # A limited reduction is the same as a mix with the input, delayed alike: where all sound is
    # removed, the share 10^(-limit / 20) of the input is left.
    wet = 1.0 if limit_db is None else 1.0 - from_db(-limit_db)
    chain.mix *= mix * wet
    return chain


def _render(
    make_effect: Callable[[], Chain],
    force: bool,
    source: Path,
    target: Path,
    progress: Callable[[float], None],
    listen: Callable[[Any, Any], None] = lambda dry, wet: None,
) -> Rendered:
    """Denoise one file; runs in other processes, too."""
    from rtaudio.batch.render_file import render_file

    may_write(target, force)
    return render_file(
        make_effect(), source, target, max_channels=MAX_CHANNELS, keep_channels=True, salvage=True,
        progress=progress, listen=listen,
    )  # fmt: skip


# -- one file --------------------------------------------------------------------------------------


def _denoise_file(
    make_effect: Callable[[], Chain],
    source: Path,
    target: Path,
    force: bool,
    picture: Path | None,
    json: bool,
) -> None:
    from rtaudio.view.sound import check_picture, draw

    if picture is not None:
        check_picture(picture)
    views = _Views(source) if picture is not None else None
    with terminal.progress(not json) as bars:
        task = bars.add_task(plain(f"{source.name} -> {target.name}"), total=1.0)
        done = _render(
            make_effect,
            force,
            source,
            target,
            lambda share: bars.update(task, completed=share),
            *([views.add] if views else []),
        )
        if views and picture:
            bars.update(task, description=f"drawing {picture.name}")
            draw(picture, views.before, views.after, f"{source.name}: {make_effect().name}")
    report_file(
        target, done, json=json, line=_summary_line, remark_faults=_remark_faults,
        figures=lambda done: {**_figures(done), "picture": picture},
    )  # fmt: skip


class _Views:
    """The overviews of a file before and after."""

    def __init__(self, source: Path) -> None:
        from rtaudio.analysis.overview import Overview
        from rtaudio.audio.reader import open_audio

        with open_audio(source, MAX_CHANNELS) as file:
            size = (file.frames, file.channels, file.rate_hz)
        self.before, self.after = Overview(*size), Overview(*size)

    def add(self, dry: Any, wet: Any) -> None:
        self.before.add(dry)
        self.after.add(wet)


# -- folders ---------------------------------------------------------------------------------------


def _denoise_folder(
    make_effect: Callable[[], Chain],
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
        partial(_render, make_effect),
        list_pairs(source, target),
        target,
        kind="sound files",
        force=force,
        jobs=jobs,
        ray=ray,
        needs=lambda: [find_preset(preset), *needed_files(make_effect())],
        json=json,
        figures=_figures,
        remark_faults=_remark_faults,
    )


# -- reports ---------------------------------------------------------------------------------------


def _figures(done: Rendered) -> dict[str, Any]:
    from rtaudio.runtime.decibels import to_db

    duration_s = done.frames / done.rate_hz
    return {
        "audio_seconds": duration_s,
        **done._asdict(),
        "real_time_factor": done.seconds / duration_s,
        "in_peak_db": to_db(done.in_peak),
        "peak_db": to_db(done.peak),
    }


def _summary_line(target: Path, done: Rendered) -> str:
    from rtaudio.runtime.decibels import to_db

    duration_s = done.frames / done.rate_hz
    channels = {1: "mono", 2: "stereo"}.get(done.channels, f"{done.channels} channels")
    speed = duration_s / done.seconds
    return (
        f"{target}: {duration_s:.2f} s, {channels} at {done.rate_hz} Hz, "
        f"{storage_name(done.subtype)}, peak {to_db(done.in_peak):.1f} -> "
        f"{to_db(done.peak):.1f} dBFS, {speed_words(speed)}"
    )


def _remark_faults(target: Path, done: Rendered) -> None:
    if done.clipped:
        text = f"{counted(done.clipped, 'sample')} clipped; lower the level of the input"
        terminal.remark(f"{target}: {text}")
    for name, count in done.faults.items():
        terminal.remark(f"{target}: {name} was silenced and reset {counted(count, 'time')}")
