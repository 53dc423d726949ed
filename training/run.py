"""Helpers of the runs that have a loop of their own."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.engine import _code_version as code_version
from training.engine import pick_device
from training.run_folder import LOG, SAID

__all__ = ["SAID", "code_version", "logging_to", "pick_device"]


@contextmanager
def logging_to(path: Path, show: bool) -> Iterator[None]:
    """Write what the run says to a file too, and to the console if wanted."""
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    handlers[0].setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    if show:
        handlers.append(logging.StreamHandler())
        # One line for each epoch is for the file; the screen has its progress bar.
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
