"""A task whose card tells what its net started from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typing_extensions import override

from training.checkpoint import load_checkpoint
from training.task import Task

__all__ = ["LineageTask"]


class LineageTask(Task):
    """A task that remembers the checkpoint whose weights it adopted, in its own checkpoints too.

    Attributes
    ----------
    lineage
        Configuration and step of that checkpoint; None if the weights started at random.
    """

    lineage: dict[str, Any] | None = None

    @override
    def adopt(self, checkpoint: Path) -> None:
        super().adopt(checkpoint)
        _, card = load_checkpoint(checkpoint)
        self.descend_from(card)

    def descend_from(self, card: dict[str, Any]) -> None:
        """Remember the card of the adopted checkpoint: its run, or all runs of a mean."""
        made = card["provenance"]
        runs = {"mean_of": made["mean_of"]} if "mean_of" in made else made["config"]
        self.lineage = {"config": runs, "step": card["metrics"].get("step")}

    def told(self, sections: dict[str, Any]) -> dict[str, Any]:
        """Return sections of the configuration for the card, and the lineage as ``start``."""
        start = {"start": self.lineage} if self.lineage else {}
        return self.config.model_dump(mode="json", include=sections) | start

    @override
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lineage": self.lineage}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.lineage = state["lineage"]
