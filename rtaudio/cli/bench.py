"""``rtaudio bench``: the cost of the engine and the models on this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rtaudio.view import terminal

RATE_HZ = 48000
BLOCK = 64
PLAYERS = ("ours", "namcore", "neuralaudio")
SINES_HZ = (1249, 2503, 4999)
"""The sines whose aliases are measured: prime, so that no alias falls on a harmonic."""

OVERSAMPLING: tuple[Literal[1, 2, 4], ...] = (1, 2, 4)


class What(StrEnum):
    """Measurements."""

    engine = "engine"
    models = "models"
    guitar = "guitar"
    aliasing = "aliasing"
    denoise = "denoise"
    codec = "codec"
    master = "master"
    separation = "separation"
    streams = "streams"


def bench(
    what: Annotated[
        What,
        typer.Argument(
            help="The engine; the models; guitar amps, with their errors; aliasing; denoisers; "
            "codecs; masters; separators; or streams per process."
        ),
    ] = What.engine,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="RTAUDIO_DATA",
            help="denoise, codec, master, separation: folder of recordings and of models.",
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="denoise, separation: one more model file or folder; codec: instead of the "
            "shipped ones; master: a net to measure, too; repeatable."
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="denoise, codec: every sixth recording; master: two songs; separation: 40 s; "
            "streams: one block size.",
        ),
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, help="denoise, codec: number of scoring processes.")
    ] = 1,
    picture: Annotated[
        Path | None, typer.Option(help="denoise: draw quality over cost into this file.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="denoise, codec: write a page to listen with into this HTML file."),
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Measure the time per block of 64 frames at 48 kHz: percentiles in microseconds.

    `denoise` measures the quality and the cost of all available denoisers on the same recordings,
    `codec` those of the codecs beside Opus, with their bitrates, and with packets lost. `master`
    masters the same songs by a target and by a reference, beside matchering if it is installed, and
    measures nets on them with hiss.
    `separation` measures separators on songs with known stems. `streams` counts the live chains
    that one process plays before the first miss, beside as many processes.
    """
    terminal.say_loading(f"the bench {what.value}")
    match what:
        case What.engine:
            title = "the whole callback"
            _print_times(what, title, _time_engine(json), json)
        case What.models:
            title = "shipped models, without the callback"
            _print_times(what, title, _time_models(json), json)
        case What.guitar:
            _bench_guitar(json)
        case What.aliasing:
            _bench_aliasing(json)
        case What.denoise:
            from rtaudio.cli.bench_denoise import bench_denoise

            bench_denoise(
                data, model or (), quick=quick, jobs=jobs, picture=picture, page=page, json=json
            )
        case What.codec:
            from rtaudio.cli.bench_codec import bench_codec

            bench_codec(data, model or (), quick=quick, jobs=jobs, page=page, json=json)
        case What.master:
            from rtaudio.cli.bench_master import bench_master

            bench_master(data, model or (), quick=quick, json=json)
        case What.separation:
            from rtaudio.cli.bench_separation import bench_separation

            bench_separation(data, model or (), quick=quick, json=json)
        case What.streams:
            from rtaudio.cli.bench_streams import bench_streams

            bench_streams(quick=quick, json=json)


def _print_times(what: What, title: str, times: dict[str, Any], json: bool) -> None:
    """Print percentiles by name."""
    from rtaudio.bench.machine import machine, machine_line

    if json:
        figures = {"machine": machine(), "block": BLOCK, "rate": RATE_HZ, what: times}
        terminal.print_json(figures)
        return
    print(machine_line())
    terminal.print_table(
        f"{title}: microseconds per {BLOCK} frames ({1e6 * BLOCK / RATE_HZ:.0f} us)",
        ["", *terminal.PERCENTILES.values()],
        [(name, *(getattr(t, p) for p in terminal.PERCENTILES)) for name, t in times.items()],
    )


def _time_engine(quiet: bool) -> dict[str, Any]:
    """Time the whole callback: the effects in stereo, the presets with a mono input."""
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.bench.callback import time_callback
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
    times = {}
    with terminal.progress(not quiet) as bars:
        for name, chain, inputs in bars.track(chains, description="measuring"):
            us = time_callback(chain, rate_hz=RATE_HZ, block=BLOCK, channels=(inputs, 2))
            times[name] = Percentiles.of_samples(us)
    return times


def _time_models(quiet: bool) -> dict[str, Any]:
    """Time every shipped model in every engine that can play it."""
    from rtaudio.analysis.percentiles import Percentiles
    from rtaudio.models.loader import load_model
    from rtaudio.runtime.timing import block_microseconds
    from rtaudio.shipped import shipped_models

    files = list(shipped_models().values())
    times = {}
    with terminal.progress(not quiet) as bars:
        for file in bars.track(files, description="measuring"):
            model = load_model(file)
            for engine in model.golden_errors:
                node = model.node(BLOCK, model.default_params(), engine=engine)
                us = block_microseconds(node, BLOCK, 20_000, channels=model.file.card.channels)
                times[f"{file.stem}, {engine}"] = Percentiles.of_samples(us)
    return times


def _bench_aliasing(json: bool) -> None:
    """Print how much aliasing the shipped models make, with and without oversampling."""
    from rtaudio.analysis.aliasing import aliasing_db
    from rtaudio.bench.guitar import list_amps
    from rtaudio.effects.model import Model

    files = [f for f in list_amps() if not Model(f).card.hop]
    models = [Model(file, oversample=factor) for file in files for factor in OVERSAMPLING]
    rows = []
    with terminal.progress(not json) as bars:
        for model in bars.track(models, description="measuring"):
            found = aliasing_db(model, model.card.rate_hz, sines_hz=SINES_HZ)
            rows.append((model.file.stem, model.oversample, *found.values()))
    if json:
        names = ("model", "oversample", *(f"{hz}_hz_db" for hz in SINES_HZ))
        terminal.print_json({"aliasing": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    terminal.print_table(
        "power of the aliases below 20 kHz relative to the harmonics, in dB; sines at -6 dBFS",
        ["", "oversample", *(f"{hz} Hz" for hz in SINES_HZ)],
        rows,
    )


def _bench_guitar(json: bool) -> None:
    """Print errors and costs of the shipped amps, and costs of whole chains and of nets by size."""
    from rtaudio.bench import guitar
    from rtaudio.bench.machine import machine, machine_line
    from rtaudio.bench.nets import NETS

    with terminal.progress(not json) as bars:
        files = bars.track(guitar.list_amps(), description="amps")
        amps = [guitar.measure_amp(file) for file in files]
        nets = [guitar.measure_net(net) for net in bars.track(NETS, description="nets")]
        names = bars.track(guitar.list_presets(), description="chains")
        chains = [row for name in names for row in guitar.measure_chain(name)]
    if json:
        figures = {"amps": amps, "nets": nets, "chains": chains}
        others = {"published": guitar.PUBLISHED, "peers": guitar.read_peers()}
        terminal.print_json({"machine": machine(), "rate": RATE_HZ, **figures, **others})
        return
    print(machine_line())
    for title, columns, rows in guitar_tables(amps, nets, chains):
        terminal.print_table(title, columns, rows)
    published = "error-to-signal ratios that others have published for models of real gear"
    terminal.print_table(published, ["", "ESR", ""], guitar.PUBLISHED)
    peers = guitar.read_peers()
    terminal.print_table(
        f"other players, measured once ({peers['date']}, {peers['machine']})",
        ["us per 64 frames", "rtaudio", "NAM Core", "NeuralAudio"],
        [(r["name"], *(f"{r[f'{who}_us']:.2f}" for who in PLAYERS)) for r in peers["rows"]],
    )


def guitar_tables(amps: Any, nets: Any, chains: Any) -> list[terminal.Table]:
    """Return the tables of ``bench guitar``.

    Parameters
    ----------
    amps, nets, chains
        Rows of `rtaudio.bench.guitar.measure_amp`, ``measure_net`` and ``measure_chain``.

    Returns
    -------
    list of tuple
        Title, column heads and rows of each.
    """
    engines = ["native", "onnx"]
    cost_columns = [f"{engine} {part}" for engine in engines for part in ("p50", "p99")]

    def costs(row: Any) -> list[Any]:
        return [row[e][p] if e in row else "-" for e in engines for p in ("p50", "p99")]

    def esr(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    amp_rows = [
        [r["name"], r["net"], r["weights"], esr(r["esr_mean"]), esr(r["esr_max"]), *costs(r)]
        for r in amps
    ]
    net_rows = [[r["name"], r["weights"], *costs(r)] for r in nets]
    loads: dict[str, list[str]] = {}
    for r in chains:
        loads.setdefault(r["name"], []).append(f"{100 * r['share']:.2f} %")
    blocks = sorted({r["block"] for r in chains})
    return [
        (
            "shipped amps: error on takes held out from training, microseconds per 64 frames",
            ["", "net", "weights", "ESR mean", "worst", *cost_columns],
            amp_rows,
        ),
        (
            "nets by size: microseconds per 64 frames",
            ["", "weights", *cost_columns],
            net_rows,
        ),
        (
            "whole chains: median load of one core",
            ["", *(f"{block} frames" for block in blocks)],
            [[name, *shares] for name, shares in loads.items()],
        ),
    ]
