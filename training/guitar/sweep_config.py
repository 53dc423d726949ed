"""The file of a sweep: many runs that differ in a few keys.

::

    name: guitar_study
    title: How to train a small net for an amp
    base: crunch.yaml                       # a configuration of `rtaudio train`
    seeds: [0, 1]                           # every row is trained from each
    set: {schedule.epochs: 10}              # for all rows, in place of the base's values
    parts:
      - title: Learning rate
        text: The answer, in words.
        vary:                               # every combination is a row
          schedule.learning_rate: [0.01, 0.004, 0.001]
          schedule.shape: [constant, cosine]
      - title: Amount of data
        rows:                               # or the rows themselves
          - {data.train: [one], schedule.epochs: 40}
          - {data.train: [one, two], schedule.epochs: 20}
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from training.config import Section

__all__ = ["Changes", "Part", "SweepConfig"]

Changes = dict[str, Any]
"""Values by dotted key of a configuration."""


class Part(Section):
    """One question: rows to compare with each other."""

    title: Annotated[str, Field(min_length=1)]
    text: str = ""
    vary: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    rows: tuple[Changes, ...] = ()

    @model_validator(mode="after")
    def _either(self) -> Part:
        if bool(self.vary) == bool(self.rows):
            raise ValueError("wanted either vary or rows")
        return self

    def changes(self) -> list[Changes]:
        """Return the changes of each row: dotted key -> value."""
        if self.rows:
            return list(self.rows)
        return [
            dict(zip(self.vary, values, strict=True))
            for values in itertools.product(*self.vary.values())
        ]


class SweepConfig(Section):
    """A whole sweep; it trains in ``folder``, or in ``runs/<name>`` if that is empty."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: str
    text: str = ""
    base: str
    folder: str = ""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    set: Changes = {}
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]

    @property
    def run_folder(self) -> Path:
        """The folder of all runs."""
        return Path(self.folder or f"runs/{self.name}")
