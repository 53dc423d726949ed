"""The speed-up of a folder on a Ray cluster: ``python -m benchmarks.cluster``.

The same files are denoised on a local cluster of one worker and of two, in turn and several times,
so that a busy neighbour of the machine meets both. Starting Ray, its workers, and loading the model
into them is timed apart.

``--simulate 16 32`` shows how many workers the scheduler and the disk keep busy, on a machine that
has not as many cores: there a worker waits for as long as it would compute, and copies the file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtaudio.audio.writer import write_audio
from rtaudio.batch.cluster import Cluster
from rtaudio.batch.cluster_folder import work_through_cluster
from rtaudio.batch.folder import list_pairs
from rtaudio.cli.denoise import _make_effect, _render

RATE_HZ = 48_000


class Spent(NamedTuple):
    """Seconds until all workers are ready, of the folder, and of it without each worker's first."""

    start_s: float
    work_s: float
    steady_s: float


def make_folder(folder: Path, files: int, seconds: float) -> Path:
    """Fill a folder with files of noise."""
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(files):
        sound = 0.1 * noise.standard_normal((1, round(seconds * RATE_HZ)))
        write_audio(folder / f"{number:03}.wav", sound.astype(np.float32), RATE_HZ)
    return folder


def measure(work: Callable[..., Any], source: Path, warm: Path, workers: int) -> Spent:
    """Time one cluster, from its start."""

    def process(folder: Path, cluster: Cluster) -> list[float]:
        ends = []
        with tempfile.TemporaryDirectory(dir=source.parent) as target:
            pairs, _, _ = list_pairs(folder, Path(target) / "out")
            for outcome in work_through_cluster(work, pairs, cluster):
                assert not outcome.error, outcome
                ends.append(time.perf_counter())
        return ends

    begin = time.perf_counter()
    with Cluster("local", workers) as cluster:
        ready = process(warm, cluster)[-1]
        ends = process(source, cluster)
        return Spent(ready - begin, ends[-1] - ready, ends[-1] - ends[workers - 1])


def wait_and_copy(
    seconds: float, force: bool, source: Path, target: Path, progress: Callable[[float], None]
) -> str:
    """Take as long as a core would."""
    for tenth in range(10):
        time.sleep(seconds / 10)
        progress((1 + tenth) / 10)
    shutil.copyfile(source, target)
    return source.name


def compare(given: argparse.Namespace, folder: Path) -> None:
    """Print what one worker and several take."""
    work = partial(_render, partial(_make_effect, "denoise", None, 1.0))
    source = make_folder(folder / "in", given.files, given.seconds)
    warm = make_folder(folder / "warm", 2 * given.workers, 0.5)
    steady, whole = [], []
    for turn in range(given.rounds):
        one, all_ = (measure(work, source, warm, workers) for workers in (1, given.workers))
        steady.append(one.work_s / all_.work_s / given.workers)
        both = [spent.start_s + spent.work_s for spent in (one, all_)]
        whole.append(both[0] / both[1] / given.workers)
        print(
            f"round {turn + 1}, load {os.getloadavg()[0]:.1f}: 1 worker {one.work_s:.1f} s and "
            f"{one.start_s:.1f} s to start, {given.workers} workers {all_.work_s:.1f} s and "
            f"{all_.start_s:.1f} s: speed-up per worker {steady[-1]:.2f}, {whole[-1]:.2f} with "
            "the start",
            flush=True,
        )
    print(
        f"median of {given.rounds}: speed-up per worker {statistics.median(steady):.2f}, "
        f"{statistics.median(whole):.2f} with the start"
    )


def simulate(given: argparse.Namespace, folder: Path) -> None:
    """Print how busy many workers are kept."""
    work = partial(wait_and_copy, given.wait)
    for workers in given.simulate:
        source = make_folder(folder / f"in-{workers}", given.files * workers, given.seconds)
        warm = make_folder(folder / f"warm-{workers}", 2 * workers, 0.1)
        spent = measure(work, source, warm, workers)
        ideal = given.files * given.wait
        print(
            f"{workers} workers, {given.files} files of {given.seconds:g} s each, load "
            f"{os.getloadavg()[0]:.1f}: {spent.work_s:.1f} s and {spent.start_s:.1f} s to start: "
            f"speed-up per worker {ideal / spent.work_s:.2f}, after the first file of each "
            f"{(ideal - given.wait) / spent.steady_s:.2f}",
            flush=True,
        )


def main() -> None:
    """Print the seconds of each number of workers, and the speed-up per worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=12, help="with --simulate: of each worker")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each file")
    parser.add_argument("--workers", type=int, default=2, help="to compare with one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--simulate", type=int, nargs="+", help="numbers of workers that wait")
    parser.add_argument("--wait", type=float, default=2.5, help="seconds that such a file takes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (simulate if given.simulate else compare)(given, Path(folder))


if __name__ == "__main__":
    main()
