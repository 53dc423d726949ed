"""The folder of a run: its files, the check before it goes on, and its log."""

from __future__ import annotations

import csv
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from rtaudio.atomic import replacing
from training.checkpoint import CheckpointError, read_plain
from training.config import ConfigError, RunConfig
from training.task import Row

__all__ = ["LOG", "SAID", "RunFolder"]

LOG = logging.getLogger("training")
SAID = logging.INFO + 1
"""Level of the lines that a terminal shows too."""

FREE = ("threads", "workers")
"""Keys of a configuration that may change when a run goes on."""

_STATE = {"task", "average", "rows", "random"}


class RunFolder:
    """The files of one run. Each is written whole or not at all, and none holds code.

    ::

        config.json    the configuration
        train.log      the log
        history.csv    one row per epoch
        best.pt        the best net, ready for export
        epoch-*.pt     the nets of the best epochs, if the task keeps several
        last.pt        everything to go on from
        metrics.json   scores of the best net and time spent, once the run has finished

    A task may add a report.

    Parameters
    ----------
    config
        The configuration of the run, which names the folder.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.path = config.run_folder

    def open(self, resume: bool) -> dict[str, Any] | None:
        """Check that the run may start here, or go on; nothing is written.

        Returns
        -------
        dict or None
            The state that `write_state` wrote last; None if the first epoch is not over yet.

        Raises
        ------
        ConfigError
            The folder holds a run already (without ``resume``); or no run, a damaged one, or one
            of another configuration (with it).
        """
        last = self.path / "last.pt"
        if (self.path / "last.ckpt").exists():
            raise ConfigError(
                f"{self.path} holds a run of an older version, which cannot be resumed; start anew "
                "with --out"
            )
        if not resume:
            if last.exists() or (self.path / "metrics.json").exists():
                raise ConfigError(
                    f"{self.path} holds a run already; go on with --resume, or start anew with "
                    "--out"
                )
            return None
        if not (self.path / "config.json").is_file():
            raise ConfigError(f"{last}: no checkpoint to resume from; start without --resume")
        self._check_same()
        if not last.exists():
            return None
        try:
            state = read_plain(last)
        except CheckpointError:
            state = None
        if not isinstance(state, dict) or set(state) != _STATE:
            raise self._damaged("last.pt")
        return state

    def _check_same(self) -> None:
        """Compare the stored configuration with the given one."""
        try:
            content = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
            task = content.get("task", self.config.task)
            before = None if task != self.config.task else type(self.config)(**content)
        except (OSError, ValueError, AttributeError, TypeError):
            raise self._damaged("config.json") from None
        if before is None:
            raise ConfigError(
                f"{self.path}: holds a run of the task {task!r}, not {self.config.task!r}; "
                "choose another folder with --out"
            )
        old, new = (config.model_dump(exclude=set(FREE)) for config in (before, self.config))
        changed = [key for key, value in new.items() if value != old[key]]
        if changed:
            raise ConfigError(
                f"{self.path}: the run was started with another {changed[0]!r}; "
                "undo the change, or start anew in another folder"
            )

    def _damaged(self, name: str) -> ConfigError:
        return ConfigError(
            f"{self.path}: {name} is damaged, or of another version; remove the folder and start "
            "anew"
        )

    def begin(self) -> None:
        """Create the folder and write the configuration."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._write("config.json", self.config.model_dump_json(indent=2))

    def write_history(self, rows: Sequence[Row]) -> None:
        """Write ``history.csv``; all rows have the same keys."""
        with (
            replacing(self.path / "history.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def write_state(self, state: dict[str, Any]) -> None:
        """Write ``last.pt``: tensors and plain data, which `open` returns."""
        assert set(state) == _STATE
        with replacing(self.path / "last.pt") as temporary:
            torch.save(state, temporary)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write ``metrics.json``."""
        self._write("metrics.json", json.dumps(metrics, indent=2) + "\n")

    def _write(self, name: str, text: str) -> None:
        with replacing(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    @contextmanager
    def logging(self, show: bool) -> Iterator[None]:
        """Write the log to ``train.log``, and to stderr if ``show``."""
        handlers: list[logging.Handler] = [
            logging.FileHandler(self.path / "train.log", encoding="utf-8")
        ]
        handlers[0].setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        if show:
            handlers.append(logging.StreamHandler())
            # A terminal has the progress bar; a line per epoch is for files.
            handlers[1].setLevel(SAID if sys.stderr.isatty() else logging.INFO)
        LOG.setLevel(logging.INFO)
        for handler in handlers:
            LOG.addHandler(handler)
        try:
            yield
        finally:
            for handler in handlers:
                LOG.removeHandler(handler)
                handler.close()
