"""What `rtaudio train` does."""

from __future__ import annotations

import json
from pathlib import Path

from training.config import load_config
from training.run import train_run

__all__ = ["train"]


def train(config: Path, resume: bool = False) -> None:
    """Train a model and score it on takes it has never heard; ``resume`` goes on with a run.

    Raises
    ------
    ValueError
        A configuration, capture or run folder that cannot be used; one line that says why.
    FileNotFoundError
        No such configuration.
    """
    checked = load_config(config)
    metrics = train_run(checked, resume=resume)
    print(json.dumps(metrics, indent=2))
    print(f"look and listen: {checked.run_folder / 'report.html'}")
    print(f"export it: rtaudio export {checked.run_folder / 'best.pt'} {checked.name}.onnx")
