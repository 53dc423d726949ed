"""One net from several of the same sizes: the mean of their weights.

::

    python -m training.average runs/together.pt runs/denoise/best.pt runs/denoise-2/best.pt

Runs that began with the same weights err in different ways; their mean errs less, for the cost of
one net. Wortsman et al.: Model soups, ICML 2022.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rtaudio.errors import RtaudioError
from training.checkpoint import CheckpointError, load_checkpoint, read_plain, save_checkpoint

__all__ = ["average"]


def average(out: Path, checkpoints: Sequence[Path]) -> None:
    """Write the mean of checkpoints; the card is that of the first, and names the runs of all.

    Parameters
    ----------
    out
        The file to write.
    checkpoints
        At least two; each a ``best.pt``.

    Raises
    ------
    CheckpointError
        As `training.checkpoint.load_checkpoint`; or nets of other classes or sizes.
    FileNotFoundError
        No such file.

    Examples
    --------
    >>> runs = [Path("runs/denoise/best.pt"), Path("runs/denoise-2/best.pt")]
    >>> average(Path("runs/together.pt"), runs)                                 # doctest: +SKIP
    """
    nets, cards = zip(*map(load_checkpoint, checkpoints), strict=True)
    made = [(found["net"], found["arguments"]) for found in map(read_plain, checkpoints)]
    for path, other in zip(checkpoints, made, strict=True):
        if other != made[0]:
            raise CheckpointError(
                f"{path}: another net than {checkpoints[0]}; only equal ones have a mean"
            )
    net, weights = nets[0], [each.state_dict() for each in nets]
    net.load_state_dict(
        {
            name: sum(each[name] for each in weights) / len(weights)
            if value.is_floating_point()
            else value
            for name, value in weights[0].items()
        }
    )
    card = dict(cards[0])
    # What was measured while the first one learnt is not true of the mean, but their number is.
    card["metrics"] = {k: v for k, v in card.get("metrics", {}).items() if k == "weights"}
    runs = [each.get("provenance", {}).get("config", {}) for each in cards]
    card["provenance"] = {**card.get("provenance", {}), "mean_of": runs}
    save_checkpoint(out, net, made[0][1], card)


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training.average", description="Write the mean of checkpoints."
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    options = parser.parse_args()
    average(options.out, options.checkpoints)


if __name__ == "__main__":
    try:
        _main()
    except (RtaudioError, FileNotFoundError) as error:
        sys.exit(f"{error}")
