"""The interface between the engine and one kind of training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from training.checkpoint import load_weights
from training.config import RunConfig

__all__ = ["Row", "Stateful", "Task"]

Row = dict[str, float]
"""One line of ``history.csv``: figures of an epoch by name."""


class Stateful(Protocol):
    """Anything whose state goes into a checkpoint: nets, optimisers, schedulers, losses."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain data."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Restore a state."""


class Task(ABC):
    """Data, nets, losses, optimisers and metrics of a training; `training.engine` does the rest.

    A task is made from its configuration and a device: it reads its data, makes its nets and moves
    them to the device. The engine has set the seed before. A task with a generator and a
    discriminator has both nets and both optimisers in ``parts``, and updates both in `step`.

    Attributes
    ----------
    config
        The configuration of the run.
    net
        The net to train, validate and export.
    arguments
        Arguments of the class of ``net``, as plain data.
    optimizer
        The optimiser of ``net``; its learning rate goes into the history.
    parts
        Everything with a state, by name: ``net``, ``optimizer``, schedulers, losses. For state of
        another kind, override `state_dict` and `load_state_dict`.
    epochs
        Number of epochs. After each one the engine validates and writes a checkpoint.
    steps
        Number of batches in all epochs; for the progress bar, so it may be an estimate.
    average
        Decay per step, 0 .. 1, of a running average of the weights; if set, the averaged net is
        validated and exported.
    patience_epochs
        Number of epochs without a better one after which the run ends; None: it never ends early.
    keep_best
        Number of best epochs whose nets are kept.

    Examples
    --------
    A whole task, of some thirty lines, is in ``tests/training/test_engine.py``.
    """

    config: RunConfig
    net: nn.Module
    arguments: dict[str, Any]
    optimizer: Optimizer
    parts: dict[str, Stateful]
    epochs: int
    steps: int
    average: float | None = None
    patience_epochs: int | None = None
    keep_best: int = 1

    @abstractmethod
    def describe(self) -> str:
        """Return net and data in a few words, for the first line of the log."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterable[Any]:
        """Return the batches of an epoch.

        They must depend on the seed and ``epoch``, or on state that `state_dict` returns.

        Parameters
        ----------
        epoch
            Counted from 0. A resumed run does not begin with 0.

        Notes
        -----
        A ``DataLoader`` without a generator of its own draws from torch's global random state
        when it starts. Give it one, or a resumed run differs from an unbroken one.
        """

    @abstractmethod
    def step(self, batch: Any, number: int) -> Mapping[str, Tensor]:
        """Learn from one batch: losses, gradients, one or more updates.

        Parameters
        ----------
        batch
            As `batches` gave it.
        number
            Number of the batch in the whole run, counted from 1.

        Returns
        -------
        Mapping
            Losses by name, detached: scalars, or of shape (updates,). The history shows their means
            over the epoch.
        """

    @abstractmethod
    def validate(self, net: nn.Module) -> Row:
        """Score a net; called once at the end of each epoch.

        Parameters
        ----------
        net
            ``self.net``, or the average of it, in evaluation mode.

        Returns
        -------
        Row
            Figures for the history; the first one is shown beside the progress bar.
        """

    @abstractmethod
    def rank(self, row: Row) -> tuple[float, ...]:
        """Return the key by which epochs are compared: the lowest is the best, NaN never is."""

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """Return ``sample_rate``, ``levels`` and ``provenance`` for the card of the net.

        Provenance is data and configuration, without paths of this machine.
        """

    @abstractmethod
    def metrics(self, row: Row) -> dict[str, Any]:
        """Return the figures of an epoch for the card of its net."""

    def score(self, net: nn.Module, row: Row) -> dict[str, Any]:
        """Score the best net at the end of the run, for ``metrics.json`` and the card.

        Parameters
        ----------
        net
            The best net, on the CPU, in evaluation mode.
        row
            The history of its epoch.

        Returns
        -------
        dict
            Plain data; by default that of `metrics`.
        """
        return self.metrics(row)

    def report(self, folder: Path, net: nn.Module, rows: Sequence[Row]) -> None:  # noqa: B027
        """Write further files of a finished run, as a report; by default none.

        Parameters
        ----------
        folder
            The run folder, with ``metrics.json`` and ``best.pt``.
        net
            As for `score`.
        rows
            The whole history.
        """

    def adopt(self, checkpoint: Path) -> None:
        """Start with the weights of a ``best.pt``.

        Raises
        ------
        ConfigError
            It is of another class or of other sizes.
        """
        load_weights(self.net, checkpoint)

    def state_dict(self) -> dict[str, Any]:
        """Return everything to go on from, without torch's global random state."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])

    @staticmethod
    @abstractmethod
    def verdict(metrics: Mapping[str, Any]) -> str:
        """Return in a few words how good a finished run is, from its ``metrics.json``."""

    @staticmethod
    def next_steps(config: RunConfig) -> list[str]:
        """Return hints for the user of a finished run, a line each; by default: export it."""
        return [f"export it: rtaudio export {config.run_folder / 'best.pt'} {config.name}.onnx"]
