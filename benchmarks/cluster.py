"""The speed-up of a folder on a Ray cluster: ``python -m benchmarks.cluster``.

The same files are denoised on a local cluster of one worker and of two. Each worker first
processes a file, so that starting it and loading the model are not in the figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from rtaudio.audio.writer import write_audio
from rtaudio.batch.cluster import Cluster
from rtaudio.batch.cluster_folder import work_through_cluster
from rtaudio.batch.folder import list_pairs
from rtaudio.cli.denoise import _make_effect, _render

RATE_HZ = 48_000


def measure(source: Path, target: Path, workers: int) -> float:
    """Return the seconds that the folder takes."""
    work = partial(_render, partial(_make_effect, "denoise", None, 1.0))
    pairs, _, _ = list_pairs(source, target / "timed")
    warm, _, _ = list_pairs(source, target / "warm")
    with Cluster("local", workers) as cluster:
        list(work_through_cluster(work, warm[: 2 * workers], cluster))
        begin = time.perf_counter()
        errors = [o.error for o in work_through_cluster(work, pairs, cluster) if o.error]
        seconds = time.perf_counter() - begin
    assert not errors, errors
    return seconds


def main() -> None:
    """Print the seconds of each number of workers, and the speed-up per worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each file")
    parser.add_argument("--workers", type=int, default=2, help="most workers")
    given = parser.parse_args()
    noise = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "in"
        source.mkdir()
        for number in range(given.files):
            sound = 0.1 * noise.standard_normal((1, round(given.seconds * RATE_HZ)))
            write_audio(source / f"{number:03}.wav", sound.astype(np.float32), RATE_HZ)
        spent = {}
        for workers in range(1, given.workers + 1):
            spent[workers] = measure(source, Path(name) / f"out-{workers}", workers)
            speed_up = spent[1] / spent[workers] / workers
            print(f"{workers} workers: {spent[workers]:.1f} s, speed-up per worker {speed_up:.2f}")


if __name__ == "__main__":
    main()
