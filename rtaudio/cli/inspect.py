"""``rtaudio inspect``: what a model file is, whether it runs right, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from rtaudio.cli import show

BLOCKS = (32, 64, 128, 256, 512, 1024)
REPEATS = 2000


def inspect(
    file: Annotated[Path, typer.Argument(help="A model file, NAME.onnx.")],
    json: show.Json = False,
) -> None:
    """Print a model's card, check it, prove it by its golden vector, and time it."""
    show.first_start()
    from rtaudio.models.loader import load_model

    model = load_model(file)
    card = model.file.card
    costs = _costs(model, json)
    figures = {
        "file": file,
        "card": card.model_dump(mode="json"),
        "states": {state.name: list(state.shape) for state in model.file.states},
        "golden_error": dict(model.golden_errors),
        "engine": model.engine,
        "cost_us": costs,
    }
    if json:
        show.print_json(figures)
        return
    rows = [
        ("name", card.name),
        ("description", card.description or "-"),
        ("kind", f"{card.kind}, {card.channels[0]} in, {card.channels[1]} out"),
        ("rate", f"{card.sample_rate} Hz"),
        ("hop", f"{card.hop} samples" if card.hop else "any block size"),
        ("latency", f"{card.latency} samples"),
        ("parameters", ", ".join(map(_parameter, card.parameters)) or "none"),
        ("states", ", ".join(f"{s.name} {list(s.shape)}" for s in model.file.states) or "none"),
        ("license", card.license),
        *_leaves("architecture", card.architecture),
        *_leaves("provenance", card.provenance),
        *_leaves("metrics", card.metrics),
        ("contract", f"version {card.contract}, kept"),
    ]
    show.table(str(file), ["card", ""], rows, words=True)
    show.table(
        "golden vector",
        ["engine", "largest error", ""],
        [
            (engine, f"{error:.1e}", "plays" if engine == model.engine else "")
            for engine, error in model.golden_errors.items()
        ],
    )
    show.table(
        "microseconds a block, and share of the block",
        ["frames", *(f"{engine} {part}" for engine in costs for part in ("p50", "p99", "share"))],
        [
            (block, *(cell for engine in costs for cell in _cells(costs[engine][str(block)])))
            for block in BLOCKS
        ],
    )


def _costs(model: Any, quiet: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Return engine -> block -> p50 and p99 in microseconds and the share of the block's time."""
    from rtaudio.measure.blocks import block_microseconds
    from rtaudio.measure.percentiles import Percentiles

    card = model.file.card
    costs: dict[str, dict[str, dict[str, float]]] = {}
    with show.progress(not quiet) as bars:
        task = bars.add_task("timing", total=len(model.golden_errors) * len(BLOCKS))
        for engine in model.golden_errors:
            costs[engine] = {}
            for block in BLOCKS:
                node = model.node(block, model.default_params(), engine=engine)
                times = Percentiles.of_samples(
                    block_microseconds(node, block, REPEATS, channels=card.channels)
                )
                share = 100.0 * times.p99 * card.sample_rate / (1e6 * block)
                costs[engine][str(block)] = {
                    "p50": times.p50, "p99": times.p99, "share_percent": share,
                }  # fmt: skip
                bars.advance(task)
    return costs


def _cells(cost: dict[str, float]) -> tuple[Any, ...]:
    return cost["p50"], cost["p99"], f"{cost['share_percent']:.1f} %"


def _parameter(parameter: Any) -> str:
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{parameter.name} {parameter.min:g} .. {parameter.max:g}{unit}"


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Return a row for each value in nested mappings."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    else:
        yield name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
