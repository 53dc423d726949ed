"""``rtaudio bench``: what the engine and the models cost on this machine."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from rtaudio.cli import show

RATE_HZ = 48000
BLOCK = 64
LSTM_SIZES = (8, 16, 24, 32, 40, 64, 96)


class What(StrEnum):
    """What can be measured."""

    engine = "engine"
    models = "models"


def bench(
    what: Annotated[What, typer.Argument(help="The engine, or models.")] = What.engine,
    json: show.Json = False,
) -> None:
    """Measure blocks of 64 frames at 48 kHz: percentiles in microseconds."""
    show.first_start()
    from rtaudio.cli.machine import machine, machine_line

    rows = _engine(json) if what is What.engine else _models(json)
    sizes = _lstm(json) if what is What.models else []
    if json:
        figures = {"machine": machine(), "block": BLOCK, "rate": RATE_HZ, what: dict(rows)}
        show.print_json({**figures, "lstm": sizes} if sizes else figures)
        return
    print(machine_line())
    title = "the whole callback" if what is What.engine else "shipped models, without the callback"
    show.table(
        f"{title}: microseconds per {BLOCK} frames ({1e6 * BLOCK / RATE_HZ:.0f} us)",
        ["", *show.PERCENTILES.values()],
        [(name, *(getattr(times, p) for p in show.PERCENTILES)) for name, times in rows],
    )
    if sizes:
        engines = [key for key in sizes[0] if key != "size"]
        show.table(
            f"LSTM by its units: microseconds per {BLOCK} frames",
            ["units", *(f"{engine} {part}" for engine in engines for part in ("p50", "p99"))],
            [
                (row["size"], *(row[engine][part] for engine in engines for part in ("p50", "p99")))
                for row in sizes
            ],
        )


def _engine(quiet: bool) -> list[tuple[str, Any]]:
    """Time the whole body of the callback: the effects in stereo, the presets from mono."""
    from rtaudio.effects.base import Effect
    from rtaudio.measure.body import body_microseconds
    from rtaudio.measure.percentiles import Percentiles
    from rtaudio.preset import load_preset, shipped_presets
    from rtaudio.registry import CONTAINERS, effect_class, effect_kinds

    chains: list[tuple[str, Effect, int]] = [("empty chain", CONTAINERS["chain"](), 2)]
    for kind in effect_kinds():
        if kind not in CONTAINERS and "file" not in effect_class(kind).model_fields:
            chains.append((kind, effect_class(kind)(), 2))
    chains += [(f"preset {name}", load_preset(name), 1) for name in shipped_presets()]
    rows = []
    with show.progress(not quiet) as bars:
        for name, chain, inputs in bars.track(chains, description="measuring"):
            times = body_microseconds(chain, rate_hz=RATE_HZ, block=BLOCK, channels=(inputs, 2))
            rows.append((name, Percentiles.of_samples(times)))
    return rows


def _models(quiet: bool) -> list[tuple[str, Any]]:
    """Time the node of every engine of every shipped model."""
    from rtaudio.measure.blocks import block_microseconds
    from rtaudio.measure.percentiles import Percentiles
    from rtaudio.models.loader import load_model
    from rtaudio.preset import shipped_presets

    folder = shipped_presets()["bypass"].parent / "models"
    files = sorted(folder.glob("*.onnx"))
    rows = []
    with show.progress(not quiet) as bars:
        for file in bars.track(files, description="measuring"):
            model = load_model(file)
            for engine in model.golden_errors:
                node = model.node(BLOCK, model.default_params(), engine=engine)
                times = block_microseconds(node, BLOCK, 20_000, channels=model.file.card.channels)
                rows.append((f"{file.stem}, {engine}", Percentiles.of_samples(times)))
    return rows


def _lstm(quiet: bool) -> list[dict[str, Any]]:
    """Time LSTMs of several sizes in both engines."""
    from rtaudio.measure.blocks import lstm_table

    with show.progress(not quiet) as bars:
        return [
            row
            for size in bars.track(LSTM_SIZES, description="measuring LSTMs")
            for row in lstm_table([size], BLOCK)
        ]
