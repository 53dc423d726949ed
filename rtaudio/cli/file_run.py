"""A verb on one file: its progress, its report, and the exit status of a damaged file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rtaudio.cli.folder_run import Done
from rtaudio.errors import plain
from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.batch.folder import Work


def run_file(work: Work[Done], source: Path, target: Path, json: bool) -> Done:
    """Process a file under a progress bar, which JSON output goes without."""
    with terminal.progress(not json) as bars:
        task = bars.add_task(plain(f"{source.name} -> {target.name}"), total=1.0)
        return work(source, target, lambda share: bars.update(task, completed=share))


def report_file(
    target: Path,
    done: Done,
    *,
    json: bool,
    figures: Callable[[Done], dict[str, Any]],
    line: Callable[[Path, Done], str],
    remark_faults: Callable[[Path, Done], None] = lambda target, done: None,
) -> None:
    """Print what was done, as JSON or a line, and its faults; end with status 2 after damage.

    ``figures`` gives the JSON, ``line`` the line, and ``remark_faults`` the remarks.
    """
    if json:
        terminal.print_json({**figures(done), "out": target})
    else:
        print(plain(line(target, done)))
    remark_faults(target, done)
    if done.damage:
        terminal.remark(f"error: {done.damage}; the rest is in {target}")
        raise typer.Exit(2)
