"""A verb over a folder: all files, several at a time, whatever fails; and one report."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from rtaudio.errors import UsageError, plain
from rtaudio.view import terminal
from rtaudio.view.words import counted

if TYPE_CHECKING:
    from rtaudio.batch.cluster_folder import ForcedWork
    from rtaudio.batch.folder import Outcome, Pair, Work


class Processed(Protocol):
    """What the processing of a file returns."""

    @property
    def frames(self) -> int:
        """Length of the sound."""

    @property
    def rate_hz(self) -> int:
        """Its sample rate in Hz."""

    @property
    def damage(self) -> str:
        """Where the source is damaged; empty if it is whole."""


Done = TypeVar("Done", bound=Processed)

Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1, max=256, help="Folders: files processed at a time (default: one per core)."
    ),
]

Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Folders: work on a Ray cluster; without an address, on one that starts here.",
    ),
]

LEFT_ASIDE = 3
"""Exit status if all went well, but files were left aside that are not of the verb's kind."""


def run_folder(
    work: ForcedWork[Done],
    found: tuple[list[Pair], list[Path], list[str]],
    target: Path,
    *,
    kind: str,
    force: bool,
    jobs: int | None,
    json: bool,
    figures: Callable[[Done], dict[str, Any]],
    remark_faults: Callable[[Path, Done], None],
    ray: str | None = None,
    needs: Callable[[], Sequence[Path]] = tuple,
    total: Callable[[Sequence[Done]], str] = lambda done: "",
    show: Callable[[Sequence[tuple[Path, Done]]], None] = lambda done: None,
) -> None:
    """Process the pairs that `rtaudio.batch.folder.list_pairs` found, and report.

    ``kind`` is what the sources are called, ``figures`` gives the JSON of one file,
    ``remark_faults`` its remarks, and ``total`` the end of the line about all of them. ``show``
    prints what stands above that line, from the new files and what was returned. ``needs`` gives
    the presets and models that the work reads, which the machines of a cluster must have.
    """
    pairs, skipped, errors = found
    existing = set()
    if ray is None and not force:
        existing = {pair.target for pair in pairs if pair.target.exists()}
    todo = [pair for pair in pairs if pair.target not in existing]
    if ray is None:
        processes = min(jobs or _count_cores(), max(1, len(todo)))
        outcomes = _watched(partial(_in_processes, partial(work, force), todo, processes),
                            len(todo), json)  # fmt: skip
    else:
        outcomes = _watched(partial(_on_cluster, work, todo, ray, jobs, force, needs()),
                            len(todo), json)  # fmt: skip
    before = sum(not (outcome.done or outcome.error) for outcome in outcomes)
    done = [(outcome, outcome.done) for outcome in outcomes if outcome.done]
    errors += [outcome.error for outcome in outcomes if outcome.error]
    errors += [f"{o.damage}; the rest is in {outcome.target}" for outcome, o in done if o.damage]
    if existing:
        first, others = min(existing), _and_others(len(existing))
        exist, them = ("exist", "them") if others else ("exists", "it")
        remedy = f"choose another folder, or replace {them}: --force"
        errors.append(f"{first}{others}: {exist}; {remedy}")
    if json:
        files = [{"in": pair.source, "out": pair.target, **figures(o)} for pair, o in done]
        so_far = {} if ray is None else {"done_before": before}
        terminal.print_json({"files": files, "errors": errors, "skipped": skipped, **so_far})
    else:
        if done:
            show([(outcome.target, o) for outcome, o in done])
        seconds = sum(o.frames / o.rate_hz for _, o in done)
        end = total([o for _, o in done]) if done else ""
        earlier = f"; {counted(before, 'file')} done before" if before else ""
        print(plain(f"{target}: {counted(len(done), 'file')}, {seconds:.2f} s{end}{earlier}"))
    for outcome, o in done:
        remark_faults(outcome.target, o)
    for error in errors:
        terminal.remark(f"error: {error}")
    if skipped:
        those = counted(len(skipped), "file")
        terminal.remark(f"{those} left aside, by the suffix not {kind}:")
        for path in skipped:
            terminal.remark(f"  {path}")
    if errors:
        raise typer.Exit(2)
    if skipped:
        raise typer.Exit(LEFT_ASIDE)


def _in_processes(
    work: Work[Done], todo: list[Pair], processes: int, progress: Callable[[float], None]
) -> Generator[Outcome[Done], None, None]:
    from rtaudio.batch.folder import work_through

    return work_through(work, todo, processes, progress)


def _on_cluster(
    work: ForcedWork[Done], todo: list[Pair], address: str, jobs: int | None, force: bool,
    needs: Sequence[Path], progress: Callable[[float], None],
) -> Generator[Outcome[Done], None, None]:  # fmt: skip
    from rtaudio.batch.cluster import Cluster
    from rtaudio.batch.cluster_folder import work_through_cluster

    with (
        Cluster(address, jobs) as cluster,
        closing(
            work_through_cluster(work, todo, cluster, force=force, needs=needs, progress=progress)
        ) as ended,
    ):
        yield from ended


def _watched(
    start: Callable[[Callable[[float], None]], Generator[Outcome[Done], None, None]],
    files: int,
    quiet: bool,
) -> list[Outcome[Done]]:
    """Process all pairs with a progress bar; return the outcomes in the order of the names."""
    outcomes: list[Outcome[Done]] = []
    with terminal.progress(not quiet) as bars:
        task = bars.add_task("", total=1.0)

        def show(share: float) -> None:
            text = f"{len(outcomes)} of {counted(files, 'file')}"
            bars.update(task, completed=share, description=text)

        show(0.0)
        # An interrupt closes the generator, which ends the processes.
        with closing(start(show)) as ended:
            for outcome in ended:
                outcomes.append(outcome)
    return sorted(outcomes, key=lambda outcome: outcome.source)


def refuse_cluster(ray: str | None, source: Path) -> None:
    """Refuse ``--ray`` for one file.

    Parameters
    ----------
    ray
        The option.
    source
        What is read.

    Raises
    ------
    UsageError
        It is no folder.
    """
    if ray is not None and not source.is_dir():
        raise UsageError(f"--ray {ray}: is for folders; {source} is none")


def _count_cores() -> int:
    """Return the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _and_others(number: int, shown: int = 1) -> str:
    """Return the end of a list of which only the first names are shown."""
    rest = number - shown
    return f" and {counted(rest, 'other')}" if rest > 0 else ""
