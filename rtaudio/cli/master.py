"""``rtaudio master``: make a song, a folder of songs or an album loud, balanced and safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.atomic import may_write, new_file
from rtaudio.cli.folder_run import Force, Ray, refuse_cluster, run_folder
from rtaudio.errors import UsageError, plain
from rtaudio.view import terminal
from rtaudio.view.words import counted, speed_words, storage_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtaudio.batch.master_file import Mastered, MasterSettings
    from rtaudio.mastering.goal import Goal


class Only(StrEnum):
    """Parts of a master."""

    eq = "eq"
    width = "width"
    dynamics = "dynamics"
    loudness = "loudness"


def master(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A song, mono or stereo, or a folder of them.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The new file (.wav, .flac ...), or a folder.")
    ],
    loudness: Annotated[
        str | None,
        typer.Option(
            "--target",
            help="Integrated loudness in LUFS, -40 .. -5, or spotify, youtube, amazon, tidal, "
            "deezer, apple, podcast, ebu, atsc (default: that of the references, or of a learnt "
            "style, else spotify).",
        ),
    ] = None,
    ceiling: Annotated[
        float | None,
        typer.Option(
            min=-20.0, max=0.0, help="Largest true peak in dBTP (default: that of the target)."
        ),
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(help="A song to sound like; repeatable, then their average."),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option(
            help="Without references: balanced, electronic, hip-hop, acoustic, pink, speech, or "
            "one of yours that `rtaudio style` has learnt, or its file (default: balanced)."
        ),
    ] = None,
    intensity: Annotated[
        float,
        typer.Option(
            min=0.0, max=100.0, help="How far spectrum, dynamics and width go, in percent."
        ),
    ] = 100.0,
    assistant: Annotated[
        bool,
        typer.Option(
            "--assistant",
            help="Let the assistant hear the loudest minute and propose the effects, with reasons.",
        ),
    ] = False,
    only: Annotated[
        list[Only] | None,
        typer.Option(help="Change only this; repeatable. Without loudness it stays as it is."),
    ] = None,
    preview: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=600.0,
            help="Write only the loudest seconds, so many: before, then after, equally loud.",
        ),
    ] = None,
    album: Annotated[
        bool, typer.Option("--album", help="Folders: keep the differences between the songs.")
    ] = False,
    force: Force = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Folders: songs at a time (default: one per core)."),
    ] = None,
    ray: Ray = None,
    save_preset: Annotated[
        Path | None, typer.Option(help="Save the chain as a preset (.yaml), to play or change.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the song before and after into this file.")
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Master a song, or every song in a folder: loud, balanced, and without peaks above a ceiling.

    The loudness is within 0.5 LU of the target and no true peak is above the ceiling, measured on
    the new file; where that would crush a song, a line on stderr says so. Length, sample rate,
    channels and tags are kept, and the sample format if the new file type has it; with 16 bits it
    is dithered.
    """
    terminal.say_loading("the effects")
    from rtaudio.cli.run import ended_by_signals
    from rtaudio.view.sound import check_picture

    folder = source.is_dir()
    refuse_cluster(ray, source)
    _check_words(folder, source, album, preview, save_preset, picture)
    if assistant:
        _check_assistant(album, bool(reference), style, intensity, bool(only))
    if not folder:
        target = new_file(source, target, force)
    if picture is not None:
        check_picture(picture)
    if save_preset is not None:
        may_write(save_preset, force)
    with ended_by_signals():
        settings = _settings(loudness, ceiling, reference or [], style, intensity, only or [])
        settings = replace(settings, assistant=assistant)
        if folder:
            _master_folder(settings, source, target, album, force, jobs, ray, json)
        else:
            _master_song(settings, source, target, preview, save_preset, picture, json)


def _check_words(
    folder: bool, source: Path, album: bool, preview: float | None,
    save_preset: Path | None, picture: Path | None,
) -> None:  # fmt: skip
    """Refuse options that do not fit together."""
    if album and not folder:
        raise UsageError(f"--album: is for a folder; {source} is none")
    given = {"--preview": preview, "--save-preset": save_preset, "--picture": picture}
    for option, value in given.items():
        if folder and value is not None:
            raise UsageError(f"{option} {value}: is for one song; {source} is a folder")
    if preview is not None and picture is not None:
        raise UsageError("--picture: shows a whole song; leave out --preview")


def _check_assistant(
    album: bool, references: bool, style: str | None, intensity: float, only: bool
) -> None:
    """Refuse options that the assistant would not follow."""
    given = {
        "--album": album,
        "--reference": references,
        "--style": style is not None,
        "--intensity": intensity != 100.0,
        "--only": only,
    }
    for option, present in given.items():
        if present:
            raise UsageError(f"--assistant: decides without {option}; leave one out")


def _settings(
    loudness: str | None, ceiling: float | None, references: Sequence[Path], style: str | None,
    intensity: float, only: Sequence[Only],
) -> MasterSettings:  # fmt: skip
    from rtaudio.batch.master_file import MasterSettings
    from rtaudio.mastering.design import STAGES
    from rtaudio.mastering.destinations import LEAST_LUFS, MOST_LUFS, find_destination

    if references and style is not None:
        raise UsageError(f"--style {style}: is for songs without a reference; leave one out")
    word = loudness if loudness is not None else "spotify"
    destination = find_destination(word)  # before the references are measured
    goal = _goal(references, style or "balanced")
    lufs = destination.lufs
    if loudness is None and goal.lufs is not None:
        lufs = max(LEAST_LUFS, min(MOST_LUFS, goal.lufs))
    return MasterSettings(
        goal,
        lufs,
        destination.ceiling_db if ceiling is None else ceiling,
        intensity / 100.0,
        tuple(stage for stage in STAGES if not only or stage in only),
    )


def _goal(references: Sequence[Path], style: str) -> Goal:
    from rtaudio.batch.measure_profile import measure_profile
    from rtaudio.mastering.find_goal import find_goal
    from rtaudio.mastering.goal import goal_of_references

    if not references:
        return find_goal(style)
    profiles = [measure_profile(path) for path in references]
    return goal_of_references(profiles, [path.name for path in references])


# -- one song --------------------------------------------------------------------------------------


def _master_song(
    settings: MasterSettings, source: Path, target: Path, preview: float | None,
    save_preset: Path | None, picture: Path | None, json: bool,
) -> None:  # fmt: skip
    from rtaudio.analysis.overview import Overview
    from rtaudio.audio.reader import open_audio
    from rtaudio.batch.master_file import master_file
    from rtaudio.batch.master_preview import master_preview

    views: list[Overview] = []
    if picture is not None:
        with open_audio(source) as file:
            size = (file.frames, file.channels, file.rate_hz)
        views = [Overview(*size), Overview(*size)]
    with terminal.progress(not json) as bars:
        task = bars.add_task(plain(f"{source.name} -> {target.name}"), total=1.0)

        def show(share: float) -> None:
            bars.update(task, completed=share)

        if preview is not None:
            done = master_preview(settings, source, target, preview, progress=show)
        else:
            hear = views[0].add if views else _ignore
            done = master_file(settings, source, target, progress=show, listen=hear)
        if picture is not None:
            bars.update(task, description=f"drawing {picture.name}")
            _draw(picture, settings, source, target, done, views)
    if save_preset is not None:
        _save(save_preset, source, done)
    if json:
        figures = {"preview_seconds": preview, "picture": picture, "preset": save_preset}
        terminal.print_json({"out": target, **_figures(settings, done), **figures})
    else:
        _print_song(settings, source, target, done)
    _remark_faults(target, done)


def _ignore(piece: Any) -> None:
    pass


def _draw(
    picture: Path, settings: MasterSettings, source: Path, target: Path, done: Mastered, views: Any
) -> None:
    from rtaudio.batch.measure_profile import measure_profile
    from rtaudio.view.master import Sound, draw_master

    measure_profile(target, listen=views[1].add)
    before, after = (
        Sound(
            path.name, view, profile.loudness, profile.levels_db,
            profile.seconds, profile.short_term_lufs,
        )
        for path, view, profile in zip(
            (source, target), views, (done.before, done.after), strict=True
        )
    )  # fmt: skip
    goal = settings.goal
    name = f"{goal.name}, to compare" if settings.assistant else goal.name
    draw_master(picture, before, after, goal.levels_db, name, done.target_lufs)


def _save(path: Path, source: Path, done: Mastered) -> None:
    from rtaudio.preset.save import save_preset

    chain = done.chain
    chain.name = plain(path.stem)
    save_preset(chain, path, f"The master of {plain(source.name)}.")


# -- folders ---------------------------------------------------------------------------------------


def _master_folder(
    settings: MasterSettings, source: Path, target: Path, album: bool, force: bool,
    jobs: int | None, ray: str | None, json: bool,
) -> None:  # fmt: skip
    from rtaudio.batch.album import album_settings
    from rtaudio.batch.folder import list_pairs

    found = list_pairs(source, target)
    by_source: Mapping[Path, MasterSettings] = {}
    if album:
        with terminal.progress(not json) as bars:
            task = bars.add_task("measuring the album", total=1.0)
            by_source, note = album_settings(
                settings,
                [pair.source for pair in found[0]],
                progress=lambda share: bars.update(task, completed=share),
            )
        if note:
            terminal.remark(note)
    run_folder(
        partial(_master, settings, by_source),
        found,
        target,
        kind="sound files",
        force=force,
        jobs=jobs,
        ray=ray,
        json=json,
        figures=partial(_figures, settings),
        remark_faults=_remark_faults,
        show=partial(_print_songs, settings),
    )


def _master(
    settings: MasterSettings, by_source: Mapping[Path, MasterSettings], force: bool,
    source: Path, target: Path, progress: Callable[[float], None],
) -> Mastered:  # fmt: skip
    """Master one song; runs in other processes, too."""
    from rtaudio.batch.master_file import master_file

    may_write(target, force)
    return master_file(by_source.get(source, settings), source, target, progress=progress)


# -- reports ---------------------------------------------------------------------------------------


def _figures(settings: MasterSettings, done: Mastered) -> dict[str, Any]:
    from rtaudio.analysis.spectral_balance import distance_db

    def of(profile: Any) -> dict[str, Any]:
        loudness = profile.loudness
        return {
            "integrated_lufs": loudness.integrated_lufs,
            "range_lu": loudness.range_lu,
            "true_peak_dbtp": loudness.true_peak_dbtp,
            "crest_db": loudness.crest_db,
            "correlation": loudness.correlation,
            "spectrum_db": distance_db(profile.levels_db, settings.goal.levels_db),
        }

    return {
        "audio_seconds": done.before.duration_s,
        "channels": done.channels,
        "rate_hz": done.rate_hz,
        "subtype": done.subtype,
        "goal": None if settings.assistant else settings.goal.name,
        "goal_source": None if settings.assistant else settings.goal.source,
        "target_lufs": done.target_lufs,
        "ceiling_dbtp": done.ceiling_db,
        "before": of(done.before),
        "after": of(done.after),
        "limited_db": done.limited_db,
        "clipped_before": done.before.clipped,
        "chain": [repr(effect) for effect in done.chain],
        "reasons": done.reasons,
        "metadata": done.metadata,
        "note": done.note,
        "seconds": done.seconds,
    }


def _head(settings: MasterSettings) -> str:
    """Return what the spectra are compared with; the assistant does not follow it."""
    return f"{'beside' if settings.assistant else 'towards'} {settings.goal.name}"


def _print_song(settings: MasterSettings, source: Path, target: Path, done: Mastered) -> None:
    from rtaudio.view.master import HEADS, master_row

    wanted_db = settings.goal.levels_db
    rows = [
        (path, *master_row(profile.loudness, profile.levels_db, wanted_db))
        for path, profile in ((source, done.before), (target, done.after))
    ]
    rows.append(("target", f"{done.target_lufs:.1f}", "", f"{done.ceiling_db:.1f}", "", "0.0"))
    terminal.print_table(_head(settings), ["", *HEADS], rows)
    if settings.assistant:
        for reason in done.reasons or ("nothing to correct",):
            print(f"assistant: {reason}")
    else:
        print(plain(f"spectrum: {settings.goal.source}"))
    for effect in done.chain:
        print(plain(f"  {effect!r}"))
    channels = {1: "mono", 2: "stereo"}[done.channels]
    speed = speed_words(done.before.duration_s / done.seconds)
    print(
        plain(
            f"{target}: {done.before.duration_s:.2f} s, {channels} at {done.rate_hz} Hz, "
            f"{storage_name(done.subtype)}, {speed}"
        )
    )


def _print_songs(settings: MasterSettings, done: Sequence[tuple[Path, Mastered]]) -> None:
    from rtaudio.view.master import HEADS, master_row

    rows = [
        (
            path.name,
            f"{o.before.loudness.integrated_lufs:.1f}",
            f"{o.target_lufs:.1f}",
            *master_row(o.after.loudness, o.after.levels_db, settings.goal.levels_db),
        )
        for path, o in done
    ]
    terminal.print_table(_head(settings), ["", "LUFS before", "target", *HEADS], rows)


def _remark_faults(target: Path, done: Mastered) -> None:
    if done.before.clipped:
        cut = counted(done.before.clipped, "sample")
        terminal.remark(f"{target}: {cut} of the source were cut off at full scale, and stay so")
    if done.note:
        terminal.remark(f"{target}: {done.note}")
