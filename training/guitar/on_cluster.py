"""The trainings of a sweep on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from rtaudio import __version__
from rtaudio.batch.cluster import Cluster
from rtaudio.errors import ClusterError, explain
from rtaudio.view.words import counted
from training.guitar.config import GuitarConfig

__all__ = ["train_on_cluster"]


def train_on_cluster(
    address: str,
    train: Callable[[GuitarConfig], None],
    runs: Sequence[GuitarConfig],
    ended: Callable[[GuitarConfig], None],
) -> None:
    """Train runs, one per core; one whose worker dies goes on from its last checkpoint.

    Parameters
    ----------
    address
        Of the cluster, see `rtaudio.batch.cluster.Cluster`.
    train
        Trains one run, or goes on with it.
    runs
        The runs. Every machine must see their folders and data by the same paths.
    ended
        Called as they end.

    Raises
    ------
    ClusterError
        A machine cannot train: nothing has begun. Or a training failed; the others are complete.
    """
    if not runs:
        return
    faults = []
    with Cluster(address) as cluster:
        _check_machines(cluster, runs[0])
        with closing(cluster.run(train, ((run,) for run in runs))) as ends:
            for end in ends:
                (run,) = end.item
                ended(run)
                if end.error is not None:
                    faults.append(f"{run.run_folder}: {explain(end.error)[0]}")
    if faults:
        others = f" (and {counted(len(faults) - 1, 'other')})" if len(faults) > 1 else ""
        raise ClusterError(f"{faults[0]}{others}; start the same command again")


def _check_machines(cluster: Cluster, run: GuitarConfig) -> None:
    """Refuse machines that could not train, before it begins."""
    folder = run.run_folder.parent.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder, Path(run.data.root).absolute()]
    for machine, there in cluster.ask(_look, paths).items():
        if isinstance(there, Exception):
            raise ClusterError(
                f"machine {machine}: cannot train ({explain(there)[0]}); "
                "pip install 'rtaudio[train,ray]' there"
            )
        version, missing = there
        if version != __version__:
            raise ClusterError(
                f"machine {machine}: has rtaudio {version}, this one {__version__}; "
                "install the same there"
            )
        if missing:
            raise ClusterError(
                f"machine {machine}: does not see {missing[0]}; share it under the same path"
            )


def _look(paths: Sequence[Path]) -> tuple[str, list[Path]]:
    import torch  # noqa: F401 - what cannot be imported there is told before the work begins

    return __version__, [path for path in paths if not path.exists()]
