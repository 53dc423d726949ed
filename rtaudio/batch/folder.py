"""Folders of sound files: which ones there are, and several at a time in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

from rtaudio.audio.writer import is_audio_name
from rtaudio.batch.render_file import Rendered
from rtaudio.errors import AudioFileError, explain

Work = Callable[[Path, Path, Callable[[float], None]], Rendered]
"""``work(source, target, progress)`` makes one file of another; it must be importable."""


class Pair(NamedTuple):
    """A file and what is made of it."""

    source: Path
    target: Path


class Outcome(NamedTuple):
    """What became of a pair: what was written, or the line that says why nothing was."""

    source: Path
    target: Path
    done: Rendered | None
    error: str


class _StoppedError(Exception):
    """The user wants no more."""


def pairs(source: Path, target: Path) -> tuple[list[Pair], list[Path], list[str]]:
    """List the sound files of a folder and all below it, and what is none.

    Parameters
    ----------
    source, target
        Folders; the tree is kept. Names that begin with a dot are passed over, and so is
        ``target`` if it lies inside ``source``.

    Returns
    -------
    tuple
        The pairs in the order of their names, the files that are no sound by their suffix, and a
        line for each folder that cannot be read.

    Raises
    ------
    AudioFileError
        There is nothing to do, or a file that is read would be replaced.
    """
    if target.exists() and not target.is_dir():
        raise AudioFileError(f"{target}: is not a folder, but {source} is one")
    inside = target.resolve()
    if inside == source.resolve():
        raise AudioFileError(f"{target}: is the folder that is read; choose another name")
    found, others = [], []
    closed: list[OSError] = []
    for folder, below, names in os.walk(source, onerror=closed.append):
        here = Path(folder)
        below[:] = sorted(
            name for name in below
            if not name.startswith(".") and (here / name).resolve() != inside
        )  # fmt: skip
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = here / name
            if is_audio_name(path):
                found.append(Pair(path, target / path.relative_to(source)))
            else:
                others.append(path)
    errors = [explain(error)[0] for error in closed]
    if not found:
        raise AudioFileError(
            errors[0] if errors else f"{source}: holds no sound files such as .wav or .flac"
        )
    read = {pair.source.resolve() for pair in found}
    for pair in found:
        if pair.target.resolve() in read:
            raise AudioFileError(
                f"{pair.target}: is one of the files that are read; choose another folder"
            )
    return found, others, errors


def work_through(
    work: Work, todo: Sequence[Pair], processes: int, progress: Callable[[float], None]
) -> Generator[Outcome, None, None]:
    """Do all pairs, several at a time; what fails does not stop the others.

    Parameters
    ----------
    work
        What to do with each.
    todo
        The pairs. Folders of targets are created.
    processes
        How many at a time; with one they are done in this process.
    progress
        Called now and then with the share of the bytes that are done, 0 .. 1.

    Yields
    ------
    Outcome
        As they end. When the caller is interrupted, nothing half-written stays behind.
    """
    whole = max(1, sum(map(_bytes, todo)))
    context = multiprocessing.get_context("spawn")
    done, stop = context.Value("d", 0.0), context.Event()
    if processes == 1:
        for pair in todo:
            at = done.value
            yield _do(work, pair, lambda share, at=at, pair=pair: progress(  # type: ignore[misc]
                (at + share * _bytes(pair)) / whole
            ))  # fmt: skip
            done.value = at + _bytes(pair)
        return
    pool = ProcessPoolExecutor(processes, context, _start, (done, stop))
    try:
        former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as the processes inherit it
        try:
            left = {pool.submit(_do_in_pool, work, pair): pair for pair in todo}
        finally:
            signal.signal(signal.SIGINT, former)
        while left:
            for future in wait(left, 0.2, "FIRST_COMPLETED").done:
                pair = left.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    reason = "a process was killed, perhaps for want of memory; try --jobs 1"
                    yield Outcome(*pair, None, f"{pair.source}: {reason}")
            progress(done.value / whole)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _bytes(pair: Pair) -> int:
    try:
        return pair.source.stat().st_size
    except OSError:
        return 0


_done: Any = None
_stop: Any = None
_busy = threading.Lock()


def _start(done: Any, stop: Any) -> None:
    """Prepare a process: Ctrl-C is the parent's affair, which then sets ``stop``."""
    global _done, _stop
    _done, _stop = done, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """When the parent has been killed, remove what is half-written, and go."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _stop.set()
        with _busy:
            os._exit(1)


def _do_in_pool(work: Work, pair: Pair) -> Outcome:
    told, size = 0.0, _bytes(pair)

    def tell(share: float) -> None:
        nonlocal told
        if _stop.is_set():
            raise _StoppedError
        with _done.get_lock():
            _done.value += (share - told) * size
        told = share

    with _busy:
        outcome = _do(work, pair, tell)
    if told < 1.0 and not _stop.is_set():
        tell(1.0)
    return outcome


def _do(work: Work, pair: Pair, progress: Callable[[float], None]) -> Outcome:
    try:
        pair.target.parent.mkdir(parents=True, exist_ok=True)
        return Outcome(*pair, work(pair.source, pair.target, progress), "")
    except Exception as error:
        line, _ = explain(error)
        return Outcome(*pair, None, line if str(pair.source) in line else f"{pair.source}: {line}")
