"""``rtaudio inspect``: a preset or a model file, its correctness and its cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtaudio.view import terminal

if TYPE_CHECKING:
    from rtaudio.models.loader import LoadedModel

BLOCKS = (32, 64, 128, 256, 512, 1024)
REPEATS = 2000
MAX_STATES = 8
"""More states than this are counted, not listed."""

PRESET_SUFFIXES = (".yaml", ".yml")

LONGEST_TEXT = 500
"""Characters of a cell; longer texts are cut."""

DATE = ("year", "month", "day", "hour", "minute", "second")
"""Keys of a date in the metadata of a .nam file."""


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            help="A preset, a model or a codec: its name, or its file (.yaml, .onnx, .nam, .aidax, "
            ".json), or a folder."
        ),
    ],
    slim: Annotated[
        float, typer.Option(help="Size to take from a .nam file of several sizes, 0 to 1.")
    ] = 1.0,
    json: terminal.Json = False,
) -> None:
    """Print what a preset or a model is, and time it; a model is checked, too.

    A preset is shown effect by effect. A model has to reproduce its golden vector.
    """
    terminal.say_loading(file.name)
    from rtaudio.models.net.summary import summary

    file = _find(file)
    if file.suffix.lower() in PRESET_SUFFIXES:
        from rtaudio.cli.inspect_preset import inspect_preset

        inspect_preset(file, json)
        return
    model = _read(file, slim)
    costs = _measure_costs(model, json)
    if json:
        terminal.print_json({
            "file": file,
            "card": model.file.card.model_dump(mode="json", by_alias=True),
            "states": {state.name: list(state.shape) for state in model.file.states},
            "golden_error": dict(model.golden_errors),
            "engine": model.engine,
            "capture": _third_party(model.foreign),
            "net": None if model.net is None else summary(model.net),
            "cost_us": costs,
        })  # fmt: skip
        return
    rows = [(key, text[:LONGEST_TEXT]) for key, text in _card_rows(model, slim)]
    terminal.print_table(str(file), ["card", ""], rows, text=True)
    terminal.print_table(
        "golden vector",
        ["engine", "largest error", ""],
        [
            (engine, f"{error:.1e}", "plays" if engine == model.engine else "")
            for engine, error in model.golden_errors.items()
        ],
    )
    terminal.print_table(
        "microseconds per block, and share of the block's duration",
        ["frames", *(f"{engine} {part}" for engine in costs for part in ("p50", "p99", "share"))],
        [
            (block, *(cell for engine in costs for cell in _cells(costs[engine][str(block)])))
            for block in BLOCKS
        ],
    )


def _find(file: Path) -> Path:
    """Return the file that a word means."""
    from rtaudio.catalogue import find_file
    from rtaudio.models.loader import MODEL_SUFFIXES

    if file.suffix.lower() in MODEL_SUFFIXES and not file.exists():
        raise FileNotFoundError(f"{file}: no such model file")
    return find_file(file, "preset", "model", "codec")


def _read(file: Path, slim: float) -> LoadedModel:
    """Read a model, or the round trip of a codec as one."""
    from rtaudio.codec.model import DECODER, ENCODER, read_codec
    from rtaudio.codec.round_trip import round_trip
    from rtaudio.models.loader import LoadedModel, load_model
    from rtaudio.shipped import shipped_codecs

    if file.name.endswith((ENCODER, DECODER)) or file in shipped_codecs().values():
        return LoadedModel(round_trip(read_codec(file)))
    return load_model(file, slim=slim)


def _card_rows(model: LoadedModel, slim: float) -> Iterator[tuple[str, str]]:
    """Yield the entries of the card that apply."""
    card = model.file.card
    yield "name", card.name
    if card.description:
        yield "description", card.description
    yield "kind", f"{card.kind}, {card.channels[0]} in, {card.channels[1]} out"
    if card.task:
        yield "task", card.task
    assumed = model.foreign is not None and model.foreign.rate_assumed
    note = ", assumed: the file states none, and a preset may, with rate_hz" if assumed else ""
    yield "rate", f"{card.rate_hz} Hz{note}"
    yield "hop", f"{card.hop} samples" if card.hop else "any block size"
    latency_ms = 1e3 * card.latency_samples / card.rate_hz
    yield "latency", f"{card.latency_samples} samples, {latency_ms:.1f} ms"
    if card.prewarm_samples:
        yield "pre-warm", f"{card.prewarm_samples} samples"
    yield "parameters", ", ".join(map(_parameter, card.parameters)) or "none"
    yield "states", _states(model.file.states)
    if card.levels:
        yield "levels", ", ".join(f"{key} {value:g}" for key, value in card.levels.items())
    yield "license", card.license
    yield from _leaves("architecture", card.architecture)
    yield from _leaves("provenance", card.provenance)
    yield from _leaves("metrics", card.metrics)
    if model.foreign is None:
        yield "contract", f"version {card.contract}, fulfilled"
        return
    if model.foreign.slim_steps:
        steps = ", ".join(f"{step:g}" for step in model.foreign.slim_steps)
        yield "sizes", f"slim {slim:g}; changes at {steps}"
    yield from _leaves("metadata", model.foreign.metadata)
    for text in model.foreign.warnings:
        yield "warning", text


def _measure_costs(model: LoadedModel, quiet: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Return engine -> block -> p50 and p99 in microseconds, and p99 in percent of the block."""
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.runtime.timing import block_microseconds

    card = model.file.card
    costs: dict[str, dict[str, dict[str, float]]] = {}
    with terminal.progress(not quiet) as bars:
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
    if len(states) > MAX_STATES:
        numbers = sum(math.prod(state.shape) for state in states)
        return f"{len(states)} with {numbers:,} numbers"
    return ", ".join(f"{state.name} {list(state.shape)}" for state in states) or "none"


def _third_party(source: Any) -> dict[str, Any] | None:
    """Return the metadata of a third-party model file."""
    if source is None:
        return None
    names = ("format", "version", "metadata", "slim_steps", "rate_assumed", "warnings")
    return {name: getattr(source, name) for name in names}


def _cells(cost: dict[str, float]) -> tuple[Any, ...]:
    return cost["p50"], cost["p99"], f"{cost['share_percent']:.1f} %"


def _parameter(parameter: Any) -> str:
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{parameter.name} {parameter.min:g} .. {parameter.max:g}{unit}"


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield a row for each value in nested mappings and lists."""
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
