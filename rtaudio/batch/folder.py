"""Folders of files: list them, and process several at a time in parallel processes."""

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
from typing import Any, Generic, NamedTuple, TypeVar

from rtaudio.atomic import DiskFullError
from rtaudio.audio.writer import audio_name_like, is_audio_name
from rtaudio.errors import AudioFileError, explain

Done = TypeVar("Done")
"""What the processing of a file returns, such as `rtaudio.batch.render_file.Rendered`."""

Work = Callable[[Path, Path, Callable[[float], None]], Done]
"""``work(source, target, progress)`` processes one file. Other processes call it, so it must be
picklable."""


class Pair(NamedTuple):
    """A file, and the file to make of it."""

    source: Path
    target: Path


class Outcome(NamedTuple, Generic[Done]):
    """The result of a pair.

    Attributes
    ----------
    source, target
        The pair.
    done
        What the work returned; None if it failed.
    error
        Why nothing was written, in one line; otherwise empty.
    full
        Whether the reason is that no space is left.
    """

    source: Path
    target: Path
    done: Done | None
    error: str
    full: bool = False


class _StoppedError(Exception):
    """The user has stopped the work."""


def list_pairs(
    source: Path,
    target: Path,
    *,
    is_source: Callable[[Path], bool] = is_audio_name,
    kind: str = "sound files such as .wav or .flac",
    suffix: str | None = None,
) -> tuple[list[Pair], list[Path], list[str]]:
    """List the files of a folder and its subfolders, by default the sound files.

    Parameters
    ----------
    source
        The folder. Names that begin with a dot are skipped, and so is ``target`` inside it.
    target
        Folder of the new files, which will have the same subfolders.
    is_source
        Whether a file is to be processed, by its name.
    kind
        What such files are called.
    suffix
        Of the new files; None: that of the source, or .wav if such files are only read.

    Returns
    -------
    pairs : list of Pair
        The files, ordered by name.
    skipped : list of Path
        The other files.
    errors : list of str
        A line for each folder that cannot be read.

    Raises
    ------
    AudioFileError
        There are no such files, or a new file would replace one that is read or another new one.
    """
    if target.exists() and not target.is_dir():
        raise AudioFileError(f"{target}: is not a folder, but {source} is one")
    new_folder = target.resolve()
    if new_folder == source.resolve():
        raise AudioFileError(f"{target}: is the folder that is read; choose another name")
    found, skipped = [], []
    unreadable: list[OSError] = []
    for folder, subfolders, names in os.walk(source, onerror=unreadable.append):
        here = Path(folder)
        subfolders[:] = sorted(
            name for name in subfolders
            if not name.startswith(".") and (here / name).resolve() != new_folder
        )  # fmt: skip
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = here / name
            if is_source(path):
                new = target / path.relative_to(source)
                named = audio_name_like(new) if suffix is None else new.with_suffix(suffix)
                found.append(Pair(path, named))
            else:
                skipped.append(path)
    errors = [explain(error)[0] for error in unreadable]
    if not found:
        raise AudioFileError(errors[0] if errors else f"{source}: holds no {kind}")
    _check_targets(found)
    return found, skipped, errors


def _check_targets(found: Sequence[Pair]) -> None:
    """Refuse to replace a file that is read, and two new files of one name."""
    read = {pair.source.resolve() for pair in found}
    for pair in found:
        if pair.target.resolve() in read:
            raise AudioFileError(
                f"{pair.target}: is one of the files that are read; choose another folder"
            )
    first: dict[Path, Path] = {}
    for pair in found:
        if (other := first.setdefault(pair.target, pair.source)) is not pair.source:
            raise AudioFileError(
                f"{pair.source}: would become {pair.target.name}, as {other.name} would; rename one"
            )


def work_through(
    work: Work[Done], todo: Sequence[Pair], processes: int, progress: Callable[[float], None]
) -> Generator[Outcome[Done], None, None]:
    """Process all pairs, several at a time. A failure does not stop the others.

    Parameters
    ----------
    work
        Processes one file.
    todo
        The pairs. The folders of the targets are created.
    processes
        How many at a time; 1 works in this process.
    progress
        Called regularly with the share of the bytes that are done, 0 .. 1.

    Yields
    ------
    Outcome
        As the pairs end. If the caller closes the generator or is interrupted, the processes stop
        and no half-written file is left.

    Examples
    --------
    >>> pairs, _, _ = list_pairs(Path("in"), Path("out"))                       # doctest: +SKIP
    >>> for outcome in work_through(render, pairs, 4, print):                   # doctest: +SKIP
    ...     print(outcome.target, outcome.error)
    """
    total = max(1, sum(map(file_bytes, todo)))
    context = multiprocessing.get_context("spawn")
    done, stop = context.Value("d", 0.0), context.Event()
    if processes == 1:
        for pair in todo:
            at = done.value
            yield do_pair(work, pair, lambda share, at=at, pair=pair: progress(  # type: ignore[misc]
                (at + share * file_bytes(pair)) / total
            ))  # fmt: skip
            done.value = at + file_bytes(pair)
        return
    pool = ProcessPoolExecutor(processes, context, _start, (done, stop))
    try:
        former = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the processes inherit it
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
                    reason = "its process was killed, perhaps for lack of memory; try --jobs 1"
                    yield Outcome(*pair, None, f"{pair.source}: {reason}")
            progress(done.value / total)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def file_bytes(pair: Pair) -> int:
    """Return the size of the source; 0 if it cannot be seen."""
    try:
        return pair.source.stat().st_size
    except OSError:
        return 0


# In each process of the pool: bytes done by all processes, the request to stop, and a lock that is
# held while a file is being written.
_done: Any = None
_stop: Any = None
_busy = threading.Lock()


def _start(done: Any, stop: Any) -> None:
    """Prepare a process of the pool: it ignores Ctrl-C, which the parent turns into ``stop``."""
    global _done, _stop
    _done, _stop = done, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """If the parent has been killed, wait until the half-written file is removed, and exit."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _stop.set()
        with _busy:
            os._exit(1)


def _do_in_pool(work: Work[Done], pair: Pair) -> Outcome[Done]:
    told, size = 0.0, file_bytes(pair)

    def tell(share: float) -> None:
        nonlocal told
        if _stop.is_set():
            raise _StoppedError
        with _done.get_lock():
            _done.value += (share - told) * size
        told = share

    with _busy:
        outcome = do_pair(work, pair, tell)
    if told < 1.0 and not _stop.is_set():
        tell(1.0)
    return outcome


def do_pair(work: Work[Done], pair: Pair, progress: Callable[[float], None]) -> Outcome[Done]:
    """Process one pair; whatever fails becomes the outcome's error.

    Parameters
    ----------
    work
        Processes one file.
    pair
        The pair; the folder of its target is created.
    progress
        Called with the share that is done.
    """
    try:
        pair.target.parent.mkdir(parents=True, exist_ok=True)
        return Outcome(*pair, work(pair.source, pair.target, progress), "")
    except Exception as error:
        line, _ = explain(error)
        line = line if str(pair.source) in line else f"{pair.source}: {line}"
        return Outcome(*pair, None, line, isinstance(error, DiskFullError))
