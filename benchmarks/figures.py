"""The published figures: ``python -m benchmarks.figures`` measures and writes them.

Each section of ``docs/benchmarks.md`` is measured by a function of this module and kept as data,
with date, machine and load, in ``docs/benchmarks.json``. The pages and the table of the README are
written from the data, between ``<!-- NAME -->`` and ``<!-- /NAME -->``::

    python -m benchmarks.figures                    measure all sections, about 15 minutes
    python -m benchmarks.figures callback models    measure these
    python -m benchmarks.figures call               a call for ten minutes
    python -m benchmarks.figures denoisers scenes word-starts codecs masters --data FOLDER   an hour
    python -m benchmarks.figures assistant --data MUSIC    where the songs of its training lie
    python -m benchmarks.figures --write            measure nothing, write the pages anew

Close other programs first; the load of the machine is written beside the figures.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import call, live
from rtaudio.atomic import replacing
from rtaudio.bench.denoise import find_systems
from rtaudio.bench.machine import machine_line
from rtaudio.cli.bench_codec import codec_tables
from rtaudio.cli.bench_denoise import denoise_tables
from rtaudio.cli.bench_master import master_tables, net_table
from rtaudio.cli.bench_separation import separation_tables
from rtaudio.shipped import shipped_models

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "benchmarks.json"
PAGES = (
    ROOT / "docs" / "benchmarks.md",
    ROOT / "docs" / "how-to" / "loudness.md",
    ROOT / "README.md",
)
PERCENTILES = {"p50": "p50", "p99": "p99", "p99_9": "p99.9", "max": "max"}
LIVE_SECONDS = 60.0
DENOISE_SECONDS = 30.0
CALL_SECONDS = 600.0

ASSISTANT = "python -m benchmarks.assistant training/configs/mastering_crnn.yaml"
PLAYERS = {"rtaudio": "error", "NAM Core": "NAM Core", "NeuralAudio": "NeuralAudio"}
"""The players of the table of kernels, and the columns of their errors."""

Table = dict[str, Any]
"""``text`` in front of it, ``head``, and ``rows`` of text."""


def rtaudio(*words: str) -> Any:
    """Run a verb in a process of its own and return its JSON object."""
    done = subprocess.run(
        [sys.executable, "-m", "rtaudio", *words, "--json"],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def table(text: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table as data; a float is shown with one digit after the point."""
    shown = [[f"{c:.1f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    return {"text": text, "head": list(head), "rows": shown}


def percentiles(times: dict[str, float]) -> list[float]:
    """Return the four figures of a duration."""
    return [float(times[name]) for name in PERCENTILES]


# Measurements: each returns the tables of its section, or of several.


def measure_live() -> dict[str, list[Table]]:
    """Dropouts beside busy Python threads."""
    rows = [
        (name, row["blocks"], row["missed"], *percentiles(row["callback_us"]))
        for name, row in live.measure("crunch", LIVE_SECONDS).items()
    ]
    head = ["", "blocks", "missed", *(f"{name} µs" for name in PERCENTILES.values())]
    return {"live": [table("", head, rows)]}


def measure_call() -> dict[str, list[Table]]:
    """A call for ten minutes, over a bad network, with clocks that drift."""
    sent, received = call.measure(CALL_SECONDS, call.BAD)
    if wrong := call.faults(sent, received):
        raise SystemExit(f"call: {wrong[0]}")
    return {"call": [table("", ["", ""], call.tables(sent, received))]}


def measure_callback() -> dict[str, list[Table]]:
    """The whole callback, for every effect and every preset."""
    engine = rtaudio("bench", "engine")["engine"]
    rows = [(name, *percentiles(times)) for name, times in engine.items()]
    return {"callback": [table("", ["", *PERCENTILES.values()], rows)]}


def measure_models() -> dict[str, list[Table]]:
    """The shipped models alone, with the error of each engine on the golden vector."""
    from rtaudio.models.loader import load_model

    errors = {name: load_model(file).golden_errors for name, file in shipped_models().items()}
    rows = []
    for name, times in rtaudio("bench", "models")["models"].items():
        model, _, engine = name.partition(", ")
        rows.append((model, engine, *percentiles(times), f"{errors[model][engine]:.0e}"))
    head = ["", "engine", *PERCENTILES.values(), "largest error"]
    return {"models": [table("", head, rows)]}


def measure_guitar() -> dict[str, list[Table]]:
    """The shipped amps, other players, nets by size, and the load of whole chains."""
    measured = rtaudio("bench", "guitar")
    amps = [
        (
            *(row[key] for key in ("name", "net", "weights")),
            *(f"{row[key]:.4f}" for key in ("esr_mean", "esr_max")),
            *(row[engine][part] for engine in ("native", "onnx") for part in ("p50", "p99")),
        )
        for row in measured["amps"]
    ]
    head = ["", "net", "weights", "ESR mean", "worst take", "native p50", "p99", "ONNX p50", "p99"]
    peers = measured["peers"]
    players = ("ours", "namcore", "neuralaudio")
    kernels = [
        (
            row["name"],
            *(f"{row[f'{player}_us']:.2f}" for player in players),
            *(f"{row[f'{player}_error']:.0e}" for player in players),
        )
        for row in peers["rows"]
    ]
    kernel_head = ["net", "rtaudio µs", "NAM Core µs", "NeuralAudio µs",
                   "error", "NAM Core", "NeuralAudio"]  # fmt: skip
    costs = [f"{engine} {part}" for engine in ("native", "ONNX") for part in ("p50", "p99")]
    nets = [
        (row["name"], row["weights"],
         *(row[engine][part] for engine in ("native", "onnx") for part in ("p50", "p99")))
        for row in measured["nets"]
    ]  # fmt: skip
    shares: dict[str, list[str]] = {}
    for row in measured["chains"]:
        shares.setdefault(row["name"], []).append(f"{100 * row['share']:.2f} %")
    blocks = sorted({row["block"] for row in measured["chains"]})
    chain_head = ["", *(f"{block} frames" for block in blocks)]
    about = f"{peers['date']}, {peers['machine']}; {'; '.join(peers['peers'].values())}."
    return {
        "amps": [
            table("", head, amps),
            table(
                "What others have published of their models of real gear, which is harder to "
                "copy than a simulated one:",
                ["", "ESR", ""], measured["published"],
            ),
        ],
        "kernels": [table(about, kernel_head, kernels)],
        "nets": [table("", ["", "weights", *costs], nets)],
        "chains": [table("", chain_head, [(name, *row) for name, row in shares.items()])],
    }  # fmt: skip


def measure_start() -> dict[str, list[Table]]:
    """How long the shortest live run takes, and its resident memory."""
    words = ["run", "crunch", "--device", "clock", "--seconds", "0", "--json"]
    begin = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "rtaudio", *words], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    seconds, megabytes = time.perf_counter() - begin, usage.ru_maxrss / 1024
    rows = [(f"{seconds:.1f} s", f"{megabytes:.0f} MB")]
    return {"start": [table("", ["time from command to end", "memory"], rows)]}


def measure_denoisers_live() -> dict[str, list[Table]]:
    """The same net in a tight loop and in the callback of a live run."""
    from rtaudio.models.loader import load_model
    from rtaudio.runtime.timing import block_microseconds

    rows = []
    for name in ("denoise", "denoise-low-latency"):
        model = load_model(shipped_models()[name])
        hop = model.file.card.hop
        node = model.node(hop, model.default_params())
        loop = np.percentile(block_microseconds(node, hop, 1000), [50, 99, 99.9, 100])
        rows.append((name, "in a tight loop", *map(float, loop), ""))
        ran = rtaudio(
            "run", name, "--device", "clock", "--block", str(hop),
            "--seconds", str(DENOISE_SECONDS),
        )  # fmt: skip
        load = f"{100 * ran['load']:.1f} %"
        rows.append((name, "live", *percentiles(ran["callback_us"]), load))
    head = ["", "", *PERCENTILES.values(), "load of one core"]
    text = (
        "The audio thread has real-time priority, the tight loop has not: on a busy machine only "
        "its median means something."
    )
    return {"denoisers-live": [table(text, head, rows)]}


def measure_denoisers(data: Path) -> dict[str, list[Table]]:
    """All denoisers on the recordings of a folder: quality and cost."""
    jobs = str(os.cpu_count() or 1)
    measured = rtaudio("bench", "denoise", "--data", str(data), "--jobs", jobs)
    return {
        "denoisers": [
            table(f"**{title}**", head, rows)
            for title, head, rows in denoise_tables(measured["denoise"])
        ]
    }


def measure_scenes(data: Path) -> dict[str, list[Table]]:
    """What becomes of rooms, other people and music."""
    from benchmarks import denoise_scenes

    systems, _ = find_systems(data)
    rows = denoise_scenes.measure(systems, denoise_scenes.clips(data))
    return {
        "scenes": [
            table(f"**{title}**", head, lines) for title, head, lines in denoise_scenes.tables(rows)
        ]
    }


def measure_word_starts(data: Path) -> dict[str, list[Table]]:
    """What the pause gate takes from the starts of words, and from pauses."""
    from benchmarks import word_starts

    nets = {name: shipped_models()[name] for name in word_starts.NETS}
    rows = [word_starts.row(name, word_starts.measure(net, data)) for name, net in nets.items()]
    return {"word-starts": [table("", word_starts.HEAD, rows)]}


def measure_separators(data: Path, models: Sequence[Path] = ()) -> dict[str, list[Table]]:
    """The shipped separator, and nets, on songs that no training has heard; an ideal mask."""
    words = [word for model in models for word in ("--model", str(model))]
    measured = rtaudio("bench", "separation", "--data", str(data), *words)
    tables = separation_tables(measured["separation"], measured["costs"])
    columns = ["", "SDR dB", "latency", ""]
    others = [(name, f"{sdr_db:.2f}", *rest) for name, sdr_db, *rest in measured["published"]]
    published = ("SDR that others have published, on other data", columns, others)
    return {
        "separators": [
            table(f"**{title}**", head, rows) for title, head, rows in [*tables, published]
        ]
    }


def measure_codecs(data: Path) -> dict[str, list[Table]]:
    """The shipped codecs and Opus on every sixth recording: quality, bitrate and cost."""
    measured = rtaudio("bench", "codec", "--quick", "--data", str(data))
    return {
        "codecs": [
            table(f"**{title}**", head, rows)
            for title, head, rows in codec_tables(measured["codec"], measured["costs"])
        ]
    }


def measure_masters(data: Path, models: Sequence[Path] = ()) -> dict[str, list[Table]]:
    """All songs of a folder, by target, by reference and by matchering; nets; all costs."""
    words = [word for model in models for word in ("--model", str(model))]
    measured = rtaudio("bench", "master", "--data", str(data), *words)
    tables = master_tables(measured["songs"], measured["costs"])
    if models:
        tables.insert(1, net_table(measured["nets"], measured["published_snr_db"]))
    return {"masters": [table(f"**{title}**", head, rows) for title, head, rows in tables]}


def measure_assistant(data: Path) -> dict[str, list[Table]]:
    """The assistant on held-out songs that were degraded by known settings."""
    done = subprocess.run(
        [sys.executable, "-m", *ASSISTANT.split()[2:]],
        stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "RTAUDIO_DATA": str(data.absolute())},
    )  # fmt: skip
    found = json.loads(done.stdout)
    rings = found.pop("resonances")
    names = {"nothing": "untouched", "true settings": "the true settings, undone"}
    rows = [
        (
            names.get(name, name),
            f"{row['balance_db']:.2f}",
            f"{row['width_db']:.2f}",
            f"{100 * row['nearer']:.0f} %" if "nearer" in row else "",
        )
        for name, row in found.items()
    ]
    text = (
        f"{found['nothing']['passages']} passages of 30 s. Resonances of 6 to 12 dB that it finds: "
        f"{100 * rings['found']:.0f} %; finished passages in which it hears a false one: "
        f"{100 * rings['false']:.0f} %."
    )
    head = ["", "balance dB", "width dB", "nearer than untouched"]
    return {"assistant": [table(text, head, rows)]}


def make_picture() -> dict[str, list[Table]]:
    """The picture of the demo, as small as it can be read."""
    import tempfile

    from PIL import Image

    target = ROOT / "docs" / "assets" / "demo.png"
    with tempfile.TemporaryDirectory() as folder:
        rtaudio("demo", "--folder", folder)
        with Image.open(Path(folder) / "demo.png") as picture:
            small = picture.convert("RGB").resize((900, 675), Image.Resampling.LANCZOS)
            colours = small.quantize(128, dither=Image.Dither.NONE)
            with replacing(target) as temporary:
                colours.save(temporary, format="png", optimize=True)
    return {}


COMMANDS: dict[str, tuple[str, Callable[..., dict[str, list[Table]]]]] = {
    "live": ("python -m benchmarks.live", measure_live),
    "call": ("python -m benchmarks.call", measure_call),
    "callback": ("rtaudio bench engine", measure_callback),
    "models": ("rtaudio bench models", measure_models),
    "guitar": ("rtaudio bench guitar", measure_guitar),
    "denoisers-live": ("rtaudio run denoise --device clock --block 480", measure_denoisers_live),
    "start": ("rtaudio run crunch --device clock --seconds 0", measure_start),
    "picture": ("rtaudio demo", make_picture),
    "denoisers": ("rtaudio bench denoise", measure_denoisers),
    "scenes": ("python -m benchmarks.denoise_scenes", measure_scenes),
    "word-starts": ("python -m benchmarks.word_starts", measure_word_starts),
    "separators": ("rtaudio bench separation", measure_separators),
    "codecs": ("rtaudio bench codec --quick", measure_codecs),
    "masters": ("rtaudio bench master", measure_masters),
    "assistant": (ASSISTANT, measure_assistant),
}
"""Names for the command line: the command that a reader can give, and the measurement."""

ON_RECORDINGS = (
    "denoisers",
    "scenes",
    "word-starts",
    "separators",
    "codecs",
    "masters",
    "assistant",
)
"""Those that need a folder of recordings."""

WITH_NETS = ("masters", "separators")
"""Those that measure nets beside the shipped ones, if any are given."""


# The pages.


def markdown(found: Table) -> str:
    """Return a table in Markdown; columns of numbers are aligned to the right."""
    columns = zip(*found["rows"], strict=True)
    rules = ["---:" if any(c[:1].isdigit() for c in column) else "---" for column in columns]
    lines = [found["head"], ["---", *rules[1:]], *found["rows"]]
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{found['text']}\n\n{grid}" if found["text"] else grid


def section(found: dict[str, Any]) -> str:
    """Return the text of a section: where it was measured, and its tables."""
    load = f", load average {found['load']}" if found["load"] else ""
    line = f"*{found['date']}, `{found['command']}`. {found['machine']}{load}.*"
    return "\n\n".join([line, *map(markdown, found["tables"])])


def highlights(data: dict[str, Any]) -> str:
    """Return the few figures that the README shows."""

    def cell(name: str, row: str, column: str, number: int = 0, part: str = "") -> str:
        found = data[name]["tables"][number]
        line = next(r for r in found["rows"] if r[0] == row and part in ("", r[1]))
        return str(line[found["head"].index(column)])

    busy, python = "compiled, 2 busy threads", "Python callback, 2 busy threads"
    rows = [
        (
            "blocks lost in a minute beside two busy Python threads",
            f"{cell('live', busy, 'missed')} of {cell('live', busy, 'blocks')}; "
            f"a callback in Python: {cell('live', python, 'missed')} of "
            f"{cell('live', python, 'blocks')} that it was called for",
        ),
        (
            "preset `crunch`, a block of 64",
            f"median {cell('callback', 'preset crunch', 'p50')} µs of the block's 1,333 µs, "
            f"p99 {cell('callback', 'preset crunch', 'p99')} µs",
        ),
        *(
            (
                f"{net}, a block of 64",
                "; ".join(
                    f"{player} {cell('kernels', net, f'{player} µs')} µs, error "
                    f"{cell('kernels', net, error)}"
                    for player, error in PLAYERS.items()
                ),
            )
            for net in ("LSTM 1x16", "WaveNet A1 standard", "WaveNet A2 full")
        ),
        (
            "preset `denoise`, a frame of 10 ms",
            f"{cell('denoisers-live', 'denoise', 'p50', part='in a tight loop')} µs in a tight "
            f"loop, {cell('denoisers-live', 'denoise', 'p50', part='live')} µs live",
        ),
        ("start of `rtaudio run`", f"{data['start']['tables'][0]['rows'][0][0]}"),
    ]
    lines = [("What", "Figure"), ("---", "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written(page: str, data: dict[str, Any]) -> str:
    """Return a page with every block that it has filled from the data."""
    blocks = {name: section(found) for name, found in data.items()}
    blocks["highlights"] = highlights(data)
    for name, text in blocks.items():
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page = marks.sub(lambda m, text=text: f"{m[1]}{text}\n{m[2]}", page)
    return page


def write(data: dict[str, Any]) -> None:
    """Write the data, and the pages from them."""
    with replacing(DATA) as temporary:
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for page in PAGES:
        text = written(page.read_text("utf-8"), data)
        with replacing(page) as temporary:
            temporary.write_text(text, "utf-8")


def measured(name: str, folder: Path | None, models: Sequence[Path]) -> dict[str, Any]:
    """Measure, and return the sections with where and when."""
    command, function = COMMANDS[name]
    if name in WITH_NETS:
        tables = function(folder, models)
    else:
        tables = function(folder) if name in ON_RECORDINGS else function()
    about = {
        "date": datetime.date.today().isoformat(),
        "command": command,
        "machine": machine_line(),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "",
    }
    return {section: {**about, "tables": found} for section, found in tables.items()}


def main() -> None:
    """Measure the named figures, and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", help=f"{', '.join(COMMANDS)}; default: what can be")
    parser.add_argument("--data", type=Path, help="folder of recordings, for those that need one")
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        default=[],
        help=f"{', '.join(WITH_NETS)}: a net to measure, too",
    )
    parser.add_argument("--write", action="store_true", help="measure nothing")
    given = parser.parse_args()
    if unknown := set(given.what) - COMMANDS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    wanted = given.what or [name for name in COMMANDS if name not in (*ON_RECORDINGS, "call")]
    if given.data is None and (left := [name for name in wanted if name in ON_RECORDINGS]):
        parser.error(f"{left[0]}: name the folder of recordings by --data")
    if "live" in wanted and shutil.which("jackd") is None:
        print("live is left out: jackd is not installed", file=sys.stderr)
        wanted.remove("live")
    data = json.loads(DATA.read_text("utf-8"))
    for name in [] if given.write else wanted:
        print(f"{name} ...", file=sys.stderr)
        data |= measured(name, given.data, given.model)
        write(data)
    write(data)


if __name__ == "__main__":
    main()
