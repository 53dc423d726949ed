"""``rtaudio inspect``: what a model file is, whether it runs right, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rtaudio.view import terminal as show

BLOCKS = (32, 64, 128, 256, 512, 1024)
REPEATS = 2000
MANY = 8
LONGEST = 500
DATE = ("year", "month", "day", "hour", "minute", "second")


def inspect(
    file: Annotated[Path, typer.Argument(help="A model: .onnx, .nam, .aidax, .json, or a folder.")],
    slim: Annotated[
        float, typer.Option(help="Size to take of a .nam file that holds several, 0 to 1.")
    ] = 1.0,
    json: show.Json = False,
) -> None:
    """Print what a model is, check it, prove it by its golden vector, and time it."""
    show.first_start()
    from rtaudio.models.loader import load_model
    from rtaudio.models.net.summary import summary

    model = load_model(file, slim=slim)
    card = model.file.card
    costs = _costs(model, json)
    figures = {
        "file": file,
        "card": card.model_dump(mode="json", by_alias=True),
        "states": {state.name: list(state.shape) for state in model.file.states},
        "golden_error": dict(model.golden_errors),
        "engine": model.engine,
        "capture": _capture(model.foreign),
        "net": None if model.net is None else summary(model.net),
        "cost_us": costs,
    }
    if json:
        show.print_json(figures)
        return
    rows = [
        ("name", card.name),
        ("description", card.description or "-"),
        ("kind", f"{card.kind}, {card.channels[0]} in, {card.channels[1]} out"),
        *([("task", card.task)] if card.task else []),
        ("rate", f"{card.rate_hz} Hz"),
        ("hop", f"{card.hop} samples" if card.hop else "any block size"),
        (
            "latency",
            f"{card.latency_samples} samples, {1e3 * card.latency_samples / card.rate_hz:.1f} ms",
        ),
        ("pre-warm", f"{card.prewarm_samples} samples"),
        ("parameters", ", ".join(map(_parameter, card.parameters)) or "none"),
        ("states", _states(model.file.states)),
        ("levels", ", ".join(f"{key} {value:g}" for key, value in card.levels.items()) or "none"),
        ("license", card.license),
        *_leaves("architecture", card.architecture),
        *_leaves("provenance", card.provenance),
        *_leaves("metrics", card.metrics),
    ]
    if model.foreign is None:
        rows.append(("contract", f"version {card.contract}, kept"))
    else:
        steps = ", ".join(f"{step:g}" for step in model.foreign.slim_steps)
        rows += [
            ("sizes", f"slim {slim:g}; changes at {steps}" if steps else "one"),
            *_leaves("metadata", model.foreign.metadata),
            *(("warning", text) for text in model.foreign.warnings),
        ]
    show.table(str(file), ["card", ""], [(key, text[:LONGEST]) for key, text in rows], words=True)
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
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.runtime.timing import block_microseconds

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
                share = 100.0 * times.p99 * card.rate_hz / (1e6 * block)
                costs[engine][str(block)] = {
                    "p50": times.p50, "p99": times.p99, "share_percent": share,
                }  # fmt: skip
                bars.advance(task)
    return costs


def _states(states: Sequence[Any]) -> str:
    if len(states) > MANY:
        numbers = sum(math.prod(state.shape) for state in states)
        return f"{len(states)} with {numbers:,} numbers"
    return ", ".join(f"{state.name} {list(state.shape)}" for state in states) or "none"


def _capture(capture: Any) -> dict[str, Any] | None:
    """Return what the file of another program said about itself."""
    if capture is None:
        return None
    names = ("format", "version", "metadata", "slim_steps", "warnings")
    return {name: getattr(capture, name) for name in names}


def _cells(cost: dict[str, float]) -> tuple[Any, ...]:
    return cost["p50"], cost["p99"], f"{cost['share_percent']:.1f} %"


def _parameter(parameter: Any) -> str:
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{parameter.name} {parameter.min:g} .. {parameter.max:g}{unit}"


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Return a row for each value in nested mappings."""
    if isinstance(value, dict):
        if set(value) == set(DATE) and all(isinstance(part, int) for part in value.values()):
            yield name, "{}-{:0>2}-{:0>2} {:0>2}:{:0>2}:{:0>2}".format(*map(value.get, DATE))
            return
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for place, inner in enumerate(value):
            yield from _leaves(f"{name}.{place}", inner)
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value))
    elif value is not None:
        yield name, str(value)
