"""What the verbs print: tables and progress for people, one JSON object for programs."""

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
    from rich.progress import Progress


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
"""The option of every verb that prints figures."""

PERCENTILES = {"p50": "p50", "p99": "p99", "p99_9": "p99.9", "max": "max"}


def console(stderr: bool = False) -> Console:
    """Return a console; progress and remarks go to stderr, results to stdout."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def remark(text: str) -> None:
    """Say something that is not a result, on stderr."""
    print(plain(text), file=sys.stderr)


def first_start() -> None:
    """On a terminal, say why the very first start takes longer."""
    if sys.stderr.isatty():
        from rtaudio.runtime.jit import cache_folder

        if not any(cache_folder().rglob("*.nbc")):
            remark("compiling the audio kernels, which happens once and takes some seconds ...")


def print_json(data: Any) -> None:
    """Print one JSON object on stdout."""
    print(json.dumps(_plain(data)))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return round(value, 3) if abs(value) >= 0.1 else float(f"{value:.3g}")
    return str(value) if isinstance(value, Path) else value


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], words: bool = False
) -> None:
    """Print a table on stdout; columns but the first are aligned to the right, unless ``words``.

    Notes
    -----
    Brackets and control codes in names of files and devices and in what files say are no orders to
    the terminal: the ones stay, the others become spaces.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    def shown(cell: object) -> str:
        text = f"{cell:.1f}" if isinstance(cell, float) else str(cell)
        return escape("\n".join(map(plain, text.split("\n"))))

    grid = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number and not words else "left")
    for row in rows:
        grid.add_row(*map(shown, row))
    out = console()
    if not out.is_terminal:
        out.width = 120
    out.print(f"[bold]{shown(title)}[/]")
    out.print(grid)


@contextmanager
def progress(enabled: bool = True) -> Iterator[Progress]:
    """Show progress bars on stderr while the block runs, if stderr is a terminal."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    screen = console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, disable=not (enabled and screen.is_terminal)) as bars:
        yield bars


def decibels(peak: float) -> float:
    """Return a magnitude in dBFS, -120 at the least."""
    return max(-120.0, 20.0 * math.log10(max(peak, 1e-6)))
