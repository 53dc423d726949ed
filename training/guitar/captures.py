"""The configuration for captures of your own, with defaults that suit most gear."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtaudio.capture.note import read_note
from training.config import NetConfig
from training.guitar.config import CaptureData, GuitarConfig, ScheduleConfig

__all__ = ["SIZES", "capture_config"]

SIZES: dict[str, dict[str, Any]] = {
    "light": {"type": "lstm", "hidden": 12},
    "medium": {"type": "lstm", "hidden": 24},
    "heavy": {"type": "lstm", "hidden": 40},
}
"""Nets by their cost to play."""

EPOCHS = 60
BATCH = 64
EXCERPT_SAMPLES = 24576
WARMUP_SAMPLES = 1024


def capture_config(
    folders: Sequence[Path], *, size: str = "medium", epochs: int | None = None
) -> GuitarConfig:
    """Return the configuration for folders that ``rtaudio capture`` wrote.

    Parameters
    ----------
    folders
        One makes a model of the gear as it was set; several, with knobs at different positions,
        make one model with these knobs.
    size
        A key of `SIZES`.
    epochs
        Number of epochs; None: 60.

    Raises
    ------
    CaptureError
        A folder that holds no capture.
    """
    notes = [read_note(folder) for folder in folders]
    # The number of excerpts that every random cut leaves.
    excerpts = sum(
        max(0, end - start - WARMUP_SAMPLES - EXCERPT_SAMPLES) // EXCERPT_SAMPLES
        for note in notes
        for start, end in note.train
    )
    names = [folder.resolve().name for folder in folders]
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    name = "".join(letters[0] for letters in alike)
    return GuitarConfig(
        name=re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "capture",
        description=f"Capture {', '.join(names)}.",
        license="private",
        data=CaptureData(
            license="private", captures=tuple(str(folder.resolve()) for folder in folders)
        ),
        net=NetConfig.model_validate(SIZES[size]),
        schedule=ScheduleConfig(
            epochs=epochs or EPOCHS,
            # So that a short capture, too, makes several updates per epoch.
            batch=max(1, min(BATCH, excerpts // 4)),
            learning_rate=0.008,
            excerpt_samples=EXCERPT_SAMPLES,
            truncate_samples=512,
            warmup_samples=WARMUP_SAMPLES,
        ),
    )
