"""Denoise and master every file of a folder, on a Ray cluster: on this machine or on several.

Killed work is done again, and what is done is skipped when it is started again.

    python examples/scale_out.py recordings finished
    python examples/scale_out.py recordings finished --ray 192.168.1.10:6379
    python examples/scale_out.py                       # two short files, made here
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import rtaudio as rt
from rtaudio.audio.writer import write_audio
from rtaudio.batch.cluster import LOCAL, Cluster
from rtaudio.batch.cluster_folder import work_through_cluster
from rtaudio.batch.folder import list_pairs
from rtaudio.batch.master_file import Mastered, MasterSettings, master_file
from rtaudio.batch.render_file import render_file
from rtaudio.mastering.goal import goal_of_style


def finish(force: bool, source: Path, target: Path, progress: Callable[[float], None]) -> Mastered:
    """Denoise a file, and master the result; runs on any machine of the cluster."""
    settings = MasterSettings(goal_of_style("speech"), target_lufs=-16.0)
    with TemporaryDirectory() as folder:
        clean = Path(folder) / "clean.wav"
        render_file(rt.load_preset("denoise"), source, clean, keep_channels=True)
        progress(0.5)
        return master_file(settings, clean, target)


def main() -> None:
    """Work through a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, nargs="?", default=Path("recordings"))
    parser.add_argument("target", type=Path, nargs="?", default=Path("finished"))
    parser.add_argument("--ray", default=LOCAL, help="address of a cluster")
    given = parser.parse_args()
    if not given.source.exists():
        given.source.mkdir()
        for name in ("one.wav", "two.wav"):
            tone = 0.2 * np.sin(2 * np.pi * 440.0 * np.arange(48000) / 48000)
            write_audio(given.source / name, tone.astype(np.float32)[np.newaxis], 48000)
    pairs, _, _ = list_pairs(given.source, given.target)
    with Cluster(given.ray) as cluster:
        for outcome in work_through_cluster(finish, pairs, cluster):
            print(f"{outcome.target}: {outcome.error or 'done'}")


if __name__ == "__main__":
    main()
