"""Output of the verbs: tables and progress bars for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.errors import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from rtaudio.runtime.kernel_cache import Progress

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
"""The option of every verb that prints figures."""

Table = tuple[str, list[str], list[Any]]
"""Title, column heads and rows."""

PERCENTILES = {"p50": "p50", "p99": "p99", "p99_9": "p99.9", "max": "max"}
"""The attributes of `rtaudio.analysis.percentiles.Percentiles`, and their column heads."""

_WINDOW_COLUMNS = 80
"""Width that every window has."""

_PIPE_COLUMNS = 120
"""Width of a table that is not printed on a terminal."""


def make_console(stderr: bool = False) -> Console:
    """Return a console. Results go to stdout, progress and remarks to stderr."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def remark(text: str) -> None:
    """Print a line that is not a result on stderr."""
    print(plain(text), file=sys.stderr)


def say_loading(what: str) -> None:
    """On a terminal, say at once what is loaded, and later which kernels must be compiled for it.

    Parameters
    ----------
    what
        A preset, a file, a library.
    """
    if not sys.stderr.isatty():
        return
    remark(f"loading {what} ...")
    from rtaudio.runtime.kernel_cache import watch

    watch(_say_compiling)


def _say_compiling(progress: Progress | None) -> None:
    """Show the kernel that is compiled; None: it is done, and the line is free again."""
    text = ""
    if progress:
        count = f"{progress.number} of at most {progress.most}"
        text = f"compiling, only this once: kernel {count}, {progress.name}"
    sys.stderr.write(f"\r\x1b[K{plain(text)[: _WINDOW_COLUMNS - 1]}")
    sys.stderr.flush()


def print_json(data: Any) -> None:
    """Print one JSON object on stdout.

    Floats keep three decimals, those below 0.1 three digits; NaN and infinity become ``null``.
    """
    print(json.dumps(_to_json(data)))


def _to_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _to_json(asdict(value))
    if hasattr(value, "_asdict"):
        return _to_json(value._asdict())
    if isinstance(value, dict):
        return {str(key): _to_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return round(value, 3) if abs(value) >= 0.1 else float(f"{value:.3g}")
    return str(value) if isinstance(value, Path) else value


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, text: bool = False
) -> None:
    """Print a table on stdout.

    Markup is escaped; control characters become spaces.

    Parameters
    ----------
    title
        The line above the table.
    columns
        Head of each column.
    rows
        Cells of each row; floats are shown with one decimal.
    text
        The cells are text: align all columns to the left. Otherwise only the first column is,
        and the others, which hold numbers, are aligned to the right.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    def shown(cell: object) -> str:
        words = f"{cell:.1f}" if isinstance(cell, float) else str(cell)
        return escape("\n".join(map(plain, words.split("\n"))))

    grid = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number and not text else "left")
    for row in rows:
        grid.add_row(*map(shown, row))
    out = make_console()
    if not out.is_terminal:
        out.width = _PIPE_COLUMNS
    out.print(f"[bold]{shown(title)}[/]")
    out.print(grid)


@contextmanager
def progress(enabled: bool = True) -> Iterator[Bars]:
    """Show progress bars on stderr while the block runs, if stderr is a terminal."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    screen = make_console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, disable=not (enabled and screen.is_terminal)) as bars:
        yield bars
