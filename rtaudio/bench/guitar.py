"""The figures of the guitar: how close each shipped amp is to its teacher, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.bench.callback import body_microseconds
from rtaudio.bench.nets import sized_model, sized_net
from rtaudio.models.loader import LoadedModel, load_model
from rtaudio.models.net.summary import weight_count
from rtaudio.preset.load import load_preset
from rtaudio.runtime.abi import Node
from rtaudio.runtime.timing import block_microseconds
from rtaudio.shipped import shipped_models, shipped_presets

__all__ = ["PUBLISHED", "amp_row", "amps", "chain_rows", "net_row", "peers", "presets"]

BLOCKS = (32, 64, 128)
"""Frames per block at which whole chains are measured."""

ROUNDS = 5
REPEATS = 1000

PUBLISHED = (
    ("NAM A1 standard, 44 amps", "median 0.0040", "largest 0.020"),
    ("NAM A1, 12 channels, 23 amps", "median 0.0014", ""),
    ("NAM A1, 8 channels, 12 amps", "median 0.0010", "largest 0.0097"),
    ("NAM A2 full, one device", "0.0073", ""),
    ("NAM A2 lite, the same device", "0.0289", ""),
    ("NAM LSTM 2x8, one study", "0.0035", ""),
    ("AIDA-X LSTM-12, six sounds from clean to lead", "0.0165 to 0.178", ""),
)
"""Error-to-signal ratios that others have published of their captures of real gear.

The NAM A1 figures stand in the file names of the collection pelennor2170/NAM_models, those of A2 in
neural-amp-modeler#688, that of the LSTM in Gerthsson's study (2023) of neural-amp-modeler, those of
AIDA-X in the metadata of the six models its plugin comes with.
"""


def amps() -> list[Path]:
    """Return the shipped model files that were trained to be an amp or a pedal."""
    return [file for name, file in shipped_models().items() if not name.startswith("denoise")]


def amp_row(file: Path, block: int = 64) -> dict[str, Any]:
    """Tell what a shipped amp's card says of its error, and what it costs here.

    Returns
    -------
    dict
        ``name``, ``net``, ``weights``, ``esr_mean`` and ``esr_max`` on takes held out from
        training, and for each engine ``p50`` and ``p99`` in microseconds per ``block`` frames.
    """
    model = load_model(file)
    card = model.file.card
    row: dict[str, Any] = {
        "name": file.stem,
        "net": net_name(card.architecture),
        "weights": card.metrics.get("weights"),
        "esr_mean": card.metrics.get("esr_mean"),
        "esr_max": card.metrics.get("esr_max"),
    }
    return row | _costs(model, block)


def net_row(name: str, block: int = 64) -> dict[str, Any]:
    """Tell what a net of one of the sizes in `rtaudio.bench.nets.NETS` costs here.

    Returns
    -------
    dict
        ``name``, ``weights``, and for each engine ``p50`` and ``p99`` as in `amp_row`.
    """
    weights = weight_count(sized_net(name))
    return {"name": name, "weights": weights} | _costs(sized_model(name), block)


def peers() -> dict[str, Any]:
    """Return how long other players took for the same nets beside these kernels, and where.

    The figures were measured once, by turns in one process, and are kept with the package: the
    other players are not part of it.

    Returns
    -------
    dict
        ``machine``, ``date``, ``peers`` (what they are and how they were built) and ``rows``: for
        each net ``name``, microseconds per 64 frames (``ours_us``, ``namcore_us``,
        ``neuralaudio_us``) and the largest difference to the exact function (``..._error``).
    """
    found: dict[str, Any] = json.loads(Path(__file__).with_name("peers.json").read_text("utf-8"))
    return found


def _costs(model: LoadedModel, block: int) -> dict[str, dict[str, float]]:
    """Time every engine, by turns: the machine may be slower for a while."""
    params = model.default_params()
    nodes: dict[str, Node] = {
        engine: model.node(block, params, engine=engine) for engine in model.golden_errors
    }
    times: dict[str, list[Any]] = {engine: [] for engine in nodes}
    for _ in range(ROUNDS):
        for engine, node in nodes.items():
            channels = model.file.card.channels
            times[engine].append(block_microseconds(node, block, REPEATS, channels=channels))
    costs = {}
    for engine, rounds in times.items():
        p50, p99 = np.percentile(np.concatenate(rounds), [50.0, 99.0])
        costs[engine] = {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}
    return costs


def net_name(architecture: dict[str, Any]) -> str:
    """Return the short name of a net: ``LSTM 1x32``, ``WaveNet 16/8``."""
    kind = str(architecture.get("type", "net"))
    if kind in ("lstm", "gru"):
        return f"{kind.upper()} {architecture['layers']}x{architecture['hidden']}"
    return kind


def presets() -> list[str]:
    """Return the names of the shipped presets that hold a model."""
    return [name for name, file in shipped_presets().items() if "model:" in file.read_text("utf-8")]


def chain_rows(name: str) -> Iterator[dict[str, Any]]:
    """Yield what a whole preset costs at each block size of `BLOCKS`.

    Yields
    ------
    dict
        ``name``, ``block``, ``p50`` and ``p99`` in microseconds, and ``share``: the median time of
        a block over its duration at 48 kHz, which is the load of one core.
    """
    for block in BLOCKS:
        times = body_microseconds(
            load_preset(name), rate_hz=48000, block=block, channels=(1, 2), repeats=REPEATS
        )
        p50, p99 = np.percentile(times, [50.0, 99.0])
        yield {
            "name": name,
            "block": block,
            "p50": round(float(p50), 2),
            "p99": round(float(p99), 2),
            "share": round(float(p50) * 48000 / block / 1e6, 5),
        }
