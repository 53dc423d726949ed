"""Folders of files on a Ray cluster: what `rtaudio.batch.folder` does in processes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from rtaudio.atomic import leftovers
from rtaudio.batch.cluster import Cluster, import_ray
from rtaudio.batch.folder import Done, Outcome, Pair, do_pair, file_bytes
from rtaudio.batch.ledger import FOLDER, Ledger, digest_of, recipe_of
from rtaudio.errors import ClusterError
from rtaudio.view.words import counted

ForcedWork = Callable[[bool, Path, Path, Callable[[float], None]], Done]
"""``work(force, source, target, progress)`` processes one file; ``force`` may replace it."""

PACKAGE = "rtaudio"
"""Its version must be the same on all machines."""

_TELL_S = 0.5
"""Least time between two reports of a worker's progress."""


def work_through_cluster(
    work: ForcedWork[Done],
    todo: Sequence[Pair],
    cluster: Cluster,
    *,
    force: bool = False,
    needs: Sequence[Path] = (),
    progress: Callable[[float], None] = lambda share: None,
) -> Generator[Outcome[Done], None, None]:
    """Process all pairs on a cluster. A failure does not stop the others; a full disk does.

    Parameters
    ----------
    work
        Processes one file.
    todo
        The pairs. Every machine must see their folders by the same paths.
    cluster
        The cluster.
    force
        Whether existing files may be replaced.
    needs
        Presets and models that the work reads; every machine must have the same ones.
    progress
        Called regularly with the share of the bytes that are done, 0 .. 1.

    Yields
    ------
    Outcome
        As the pairs end. One with neither ``done`` nor ``error`` was done before: the target stands
        there as this work made it of this source.

    Raises
    ------
    ClusterError
        A machine has another version of this package, other models, or does not see the folders.
        Nothing has begun.
    """
    if not todo:
        return
    ray = import_ray()
    # The longest first: none is left to one worker at the end, while the others have nothing to do.
    todo = sorted(todo, key=file_bytes, reverse=True)
    board = _Progress([file_bytes(pair) for pair in todo], progress)
    _check_machines(cluster, todo, needs)
    recipe = recipe_of(version(PACKAGE), ray.cloudpickle.dumps(work), needs)
    full = False

    def items() -> Iterator[tuple[Any, ...]]:
        for number, pair in enumerate(todo):
            if full:
                return
            yield work, force, recipe, pair, number, board.actor

    begun = 0
    with closing(cluster.run(_process, items(), poll=board.poll)) as ended:
        for end in ended:
            begun += 1
            pair: Pair = end.item[3]
            if end.error is not None:
                reason = "its worker was killed each time, perhaps for lack of memory; try --jobs 1"
                yield Outcome(*pair, None, f"{pair.source}: {reason}")
                continue
            full = full or end.result.full
            yield end.result
    if begun < len(todo):
        rest = counted(len(todo) - begun, "file")
        first = todo[begun]
        remedy = "make room, and start the same command again"
        yield Outcome(*first, None, f"{first.target.parent}: no space is left; {rest} not begun; "
                      f"{remedy}")  # fmt: skip


class _Board:
    """Collects the progress of all workers."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self._shares = [0.0] * len(sizes)

    def tell(self, number: int, share: float) -> None:
        self._shares[number] = share

    def share(self) -> float:
        done = sum(size * share for size, share in zip(self._sizes, self._shares, strict=True))
        return done / max(1, sum(self._sizes))


class _Progress:
    """Asks the board again and again, and never waits for the answer: files to begin go first."""

    def __init__(self, sizes: list[int], progress: Callable[[float], None]) -> None:
        self.actor = import_ray().remote(num_cpus=0, max_restarts=-1)(_Board).remote(sizes)
        self._progress = progress
        self._asked = self.actor.share.remote()

    def poll(self) -> None:
        ray = import_ray()
        if ray.wait([self._asked], timeout=0.0)[0]:
            with suppress(Exception):  # a board that is being restarted
                self._progress(ray.get(self._asked))
            self._asked = self.actor.share.remote()


def _process(
    work: ForcedWork[Done], force: bool, recipe: str, pair: Pair, number: int, board: Any
) -> Outcome[Done]:
    """Process one pair, on any machine; a repeated call finishes what a killed one began."""
    pair.target.parent.mkdir(parents=True, exist_ok=True)
    told_s = 0.0

    def tell(share: float) -> None:
        nonlocal told_s
        if share >= 1.0 or time.monotonic() - told_s >= _TELL_S:
            board.tell.remote(number, share)
            told_s = time.monotonic()

    try:
        entry = Ledger(recipe, pair.source, pair.target)
        for file in leftovers(pair.target):
            file.unlink(missing_ok=True)
        if entry.done:
            tell(1.0)
            return Outcome(*pair, None, "")
        ours = entry.begun or force
        if ours or _is_free(pair.target):
            entry.begin()
        outcome = do_pair(partial(work, ours), pair, tell)
        if outcome.done is not None:
            entry.end()
        elif _is_free(pair.target):
            entry.forget()
    except OSError as error:
        return Outcome(*pair, None, f"{pair.target}: {error.strerror or error}", True)
    tell(1.0)
    return outcome


def _is_free(target: Path) -> bool:
    """Return whether nothing stands there."""
    return not any(target.iterdir()) if target.is_dir() else not target.exists()


class _Machine(NamedTuple):
    """What a machine has."""

    version: str
    digests: list[str]
    source: int
    sees_target: bool


def _look(needs: Sequence[Path], pair: Pair, mark: Path) -> _Machine:
    return _Machine(
        version(PACKAGE), [digest_of(path) for path in needs], file_bytes(pair), mark.exists()
    )


def _check_machines(cluster: Cluster, todo: Sequence[Pair], needs: Sequence[Path]) -> None:
    """Refuse machines that could not do the work, before it begins."""
    pair = todo[0]
    mark = pair.target.parent / FOLDER / f".{secrets.token_hex(8)}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    try:
        mark.touch()
        here = _look(needs, pair, mark)
        answers = cluster.ask(_look, list(needs), pair, mark)
    finally:
        mark.unlink(missing_ok=True)
    for machine, there in answers.items():
        fault = _fault(here, there, needs, pair)
        if fault:
            raise ClusterError(f"machine {machine}: {fault}")


def _fault(here: _Machine, there: _Machine | Exception, needs: Sequence[Path], pair: Pair) -> str:
    if isinstance(there, Exception):
        reason = str(there).strip().splitlines()[-1:] or [type(there).__name__]
        return f"cannot run rtaudio ({reason[0]}); install the same version there"
    if there.version != here.version:
        return f"has rtaudio {there.version}, this one {here.version}; install the same there"
    for path, one, other in zip(needs, here.digests, there.digests, strict=True):
        if one != other:
            state = "has another" if other else "does not have"
            return f"{state} {path}; put the same file there"
    if there.source != here.source:
        return f"does not see {pair.source}; share the folder under the same path"
    if not there.sees_target:
        return f"does not see {pair.target.parent}; share the folder under the same path"
    return ""
