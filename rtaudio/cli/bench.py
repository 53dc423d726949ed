"""``rtaudio bench``: what the engine and the models cost on this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from rtaudio.view import terminal as show

RATE_HZ = 48000
BLOCK = 64
PLAYERS = ("ours", "namcore", "neuralaudio")


class What(StrEnum):
    """What can be measured."""

    engine = "engine"
    models = "models"
    guitar = "guitar"
    aliasing = "aliasing"
    denoise = "denoise"


def bench(
    what: Annotated[
        What, typer.Argument(help="The engine, models, amps with errors, aliases, or denoisers.")
    ] = What.engine,
    data: Annotated[
        Path | None,
        typer.Option(envvar="RTAUDIO_DATA", help="denoise: folder of recordings and other models."),
    ] = None,
    model: Annotated[
        list[Path] | None, typer.Option(help="denoise: one more model, file or folder; repeatable.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="denoise: a sixth of all.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="denoise: processes that score.")] = 1,
    picture: Annotated[
        Path | None, typer.Option(help="denoise: draw quality over cost into this file.")
    ] = None,
    json: show.Json = False,
) -> None:
    """Measure blocks of 64 frames at 48 kHz: percentiles in microseconds.

    What `denoise` measures: quality on the same recordings, and costs, of all denoisers there are.
    """
    show.first_start()
    if what is What.denoise:
        from rtaudio.cli.bench_denoise import denoise

        denoise(json=json, data=data, models=model or (), quick=quick, jobs=jobs, picture=picture)
        return
    from rtaudio.bench.machine import machine, machine_line

    if what is What.guitar:
        _guitar(json)
        return
    if what is What.aliasing:
        _aliasing(json)
        return
    rows = _engine(json) if what is What.engine else _models(json)
    if json:
        figures = {"machine": machine(), "block": BLOCK, "rate": RATE_HZ, what: dict(rows)}
        show.print_json(figures)
        return
    print(machine_line())
    title = "the whole callback" if what is What.engine else "shipped models, without the callback"
    show.table(
        f"{title}: microseconds per {BLOCK} frames ({1e6 * BLOCK / RATE_HZ:.0f} us)",
        ["", *show.PERCENTILES.values()],
        [(name, *(getattr(times, p) for p in show.PERCENTILES)) for name, times in rows],
    )


def _aliasing(json: bool) -> None:
    """Print what the shipped models fold back of sines at -6 dBFS, plain and oversampled."""
    from rtaudio.analysis.aliasing import aliasing_db
    from rtaudio.bench.guitar import amps
    from rtaudio.effects.model import Model

    sines_hz = (1249, 2503, 4999)
    files = [f for f in amps() if not Model(f).card.hop]
    models = [Model(file, oversample=factor) for file in files for factor in (1, 2, 4)]
    rows = []
    with show.progress(not json) as bars:
        for model in bars.track(models, description="measuring"):
            found = aliasing_db(model, model.card.rate_hz, sines_hz=sines_hz)
            rows.append((model.file.stem, model.oversample, *found.values()))
    if json:
        names = ("model", "oversample", *(f"{hz}_hz_db" for hz in sines_hz))
        show.print_json({"aliasing": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    show.table(
        "Power of aliases below 20 kHz over that of harmonics, in dB: sines at -6 dBFS",
        ["", "oversample", *(f"{hz} Hz" for hz in sines_hz)],
        rows,
    )


def _guitar(json: bool) -> None:
    """Print the errors and costs of the shipped amps, of whole chains, and of nets by size."""
    from rtaudio.bench import guitar
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.bench.nets import NETS

    with show.progress(not json) as bars:
        amps = [guitar.amp_row(file) for file in bars.track(guitar.amps(), description="amps")]
        nets = [guitar.net_row(net) for net in bars.track(NETS, description="nets")]
        names = bars.track(guitar.presets(), description="chains")
        chains = [row for name in names for row in guitar.chain_rows(name)]
    if json:
        figures = {"amps": amps, "nets": nets, "chains": chains}
        others = {"published": guitar.PUBLISHED, "peers": guitar.peers()}
        show.print_json({"machine": machine(), "rate": RATE_HZ, **figures, **others})
        return
    print(machine_line())
    for title, columns, rows in guitar_tables(amps, nets, chains):
        show.table(title, columns, rows)
    published = "Error-to-signal ratios others have published of their own captures"
    show.table(published, ["", "ESR", ""], guitar.PUBLISHED)
    beside = guitar.peers()
    show.table(
        f"Beside other players, measured once ({beside['date']}, {beside['machine']})",
        ["us per 64 frames", "rtaudio", "NAM Core", "NeuralAudio"],
        [(r["name"], *(f"{r[f'{who}_us']:.2f}" for who in PLAYERS)) for r in beside["rows"]],
    )


def guitar_tables(amps: Any, nets: Any, chains: Any) -> list[tuple[str, list[str], list[Any]]]:
    """Return the tables of `bench guitar`: title, columns and rows of each."""
    engines = ["native", "onnx"]

    def costs(row: Any) -> list[Any]:
        return [row[e][p] if e in row else "-" for e in engines for p in ("p50", "p99")]

    cost_columns = [f"{engine} {part}" for engine in engines for part in ("p50", "p99")]
    return [
        (
            "Shipped amps: error on held-out takes, and microseconds per 64 frames",
            ["", "net", "weights", "ESR mean", "worst", *cost_columns],
            [
                (
                    *(r[key] for key in ("name", "net", "weights")),
                    *(_esr(r[key]) for key in ("esr_mean", "esr_max")),
                    *costs(r),
                )
                for r in amps
            ],
        ),
        (
            "Nets by size: microseconds per 64 frames",
            ["", "weights", *cost_columns],
            [[r["name"], r["weights"], *costs(r)] for r in nets],
        ),
        (
            "Whole chains: median load of one core",
            ["", *(f"{block} frames" for block in sorted({r["block"] for r in chains}))],
            [
                [name, *(f"{100 * r['share']:.2f} %" for r in chains if r["name"] == name)]
                for name in dict.fromkeys(r["name"] for r in chains)
            ],
        ),
    ]


def _esr(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _engine(quiet: bool) -> list[tuple[str, Any]]:
    """Time the whole body of the callback: the effects in stereo, the presets from mono."""
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.bench.callback import body_microseconds
    from rtaudio.effects.base import Effect
    from rtaudio.effects.chain import Chain
    from rtaudio.effects.registry import effect_class, effect_kinds
    from rtaudio.preset.load import load_preset
    from rtaudio.shipped import shipped_presets

    chains: list[tuple[str, Effect, int]] = [("empty chain", Chain(), 2)]
    for kind in effect_kinds():
        fields = effect_class(kind).model_fields
        if not {"file", "effects", "branches"} & fields.keys():
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
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.models.loader import load_model
    from rtaudio.runtime.timing import block_microseconds
    from rtaudio.shipped import shipped_models

    files = list(shipped_models().values())
    rows = []
    with show.progress(not quiet) as bars:
        for file in bars.track(files, description="measuring"):
            model = load_model(file)
            for engine in model.golden_errors:
                node = model.node(BLOCK, model.default_params(), engine=engine)
                times = block_microseconds(node, BLOCK, 20_000, channels=model.file.card.channels)
                rows.append((f"{file.stem}, {engine}", Percentiles.of_samples(times)))
    return rows
