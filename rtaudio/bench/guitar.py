"""Guitar models: how close each shipped amp is to its teacher, and what amps and nets cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.bench.callback import time_callback
from rtaudio.bench.nets import make_model, make_net
from rtaudio.models.loader import LoadedModel, load_model
from rtaudio.models.net.summary import weight_count
from rtaudio.preset.load import load_preset
from rtaudio.runtime.abi import Node
from rtaudio.runtime.timing import block_microseconds
from rtaudio.shipped import shipped_models, shipped_presets

__all__ = [
    "PUBLISHED",
    "list_amps",
    "list_presets",
    "measure_amp",
    "measure_chain",
    "measure_net",
    "read_peers",
]

RATE_HZ = 48000
BLOCKS = (32, 64, 128)
"""Frames per block at which whole chains are measured."""

ROUNDS = 5
"""How many times each engine is timed."""

REPEATS = 1000
"""Blocks per round."""

PUBLISHED = (
    ("NAM A1 standard, 44 amps", "median 0.0040", "largest 0.020"),
    ("NAM A1, 12 channels, 23 amps", "median 0.0014", ""),
    ("NAM A1, 8 channels, 12 amps", "median 0.0010", "largest 0.0097"),
    ("NAM A2 full, one device", "0.0073", ""),
    ("NAM A2 lite, the same device", "0.0289", ""),
    ("NAM LSTM 2x8, one study", "0.0035", ""),
    ("AIDA-X LSTM-12, six sounds from clean to lead", "0.0165 to 0.178", ""),
)
"""Error-to-signal ratios that others have published for their models of real gear.

Sources: NAM A1, the file names of the collection pelennor2170/NAM_models; NAM A2,
neural-amp-modeler#688; LSTM, Gerthsson's study (2023) of neural-amp-modeler; AIDA-X, the metadata
of the six models that come with its plugin.
"""


def list_amps() -> list[Path]:
    """Return the shipped model files of amps and pedals."""
    return [file for name, file in shipped_models().items() if not name.startswith("denoise")]


def measure_amp(file: Path, block: int = 64) -> dict[str, Any]:
    """Read the error of a shipped amp from its card, and measure its cost.

    Parameters
    ----------
    file
        The model file.
    block
        Frames per block.

    Returns
    -------
    dict
        ``name``, ``net``, ``weights``, ``esr_mean`` and ``esr_max`` on takes held out from
        training, and for each engine ``p50`` and ``p99`` in microseconds per block.
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


def measure_net(name: str, block: int = 64) -> dict[str, Any]:
    """Measure the cost of a net.

    Parameters
    ----------
    name
        One of `rtaudio.bench.nets.NETS`.
    block
        Frames per block.

    Returns
    -------
    dict
        ``name``, ``weights``, and for each engine ``p50`` and ``p99`` in microseconds per block.
    """
    weights = weight_count(make_net(name))
    return {"name": name, "weights": weights} | _costs(make_model(name), block)


def read_peers() -> dict[str, Any]:
    """Return the times of other players and of these kernels for the same nets.

    The other players are not part of the package. So the figures were measured once, in turn in one
    process, and are stored in ``peers.json``.

    Returns
    -------
    dict
        ``machine``, ``date``, ``peers`` (the players, and how they were built) and ``rows``: for
        each net ``name``, microseconds per 64 frames (``ours_us``, ``namcore_us``,
        ``neuralaudio_us``) and the largest difference to the exact function (``ours_error`` ...).
    """
    found: dict[str, Any] = json.loads(Path(__file__).with_name("peers.json").read_text("utf-8"))
    return found


def _costs(model: LoadedModel, block: int) -> dict[str, dict[str, float]]:
    """Time every engine, in turn, since the machine may be slower for a while."""
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


def list_presets() -> list[str]:
    """Return the names of the shipped presets with a model."""
    return [name for name, file in shipped_presets().items() if "model:" in file.read_text("utf-8")]


def measure_chain(name: str) -> Iterator[dict[str, Any]]:
    """Measure the cost of a preset at each block size of `BLOCKS`.

    Yields
    ------
    dict
        ``name``, ``block``, ``p50`` and ``p99`` in microseconds, and ``share``: the median time of
        a block over its duration at 48 kHz, which is the load of one core.
    """
    for block in BLOCKS:
        times = time_callback(
            load_preset(name), rate_hz=RATE_HZ, block=block, channels=(1, 2), repeats=REPEATS
        )
        p50, p99 = np.percentile(times, [50.0, 99.0])
        yield {
            "name": name,
            "block": block,
            "p50": round(float(p50), 2),
            "p99": round(float(p99), 2),
            "share": round(float(p50) * RATE_HZ / block / 1e6, 5),
        }
