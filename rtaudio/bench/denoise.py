"""Quality and cost of denoisers, measured on the same recordings and in the same process.

The recordings of the data folder form groups:

=========== ========================================================================================
vbd17       17 pairs of VoiceBank-DEMAND at 16 kHz
dfns6       6 pairs of the same corpus at 48 kHz
p287x6      6 pairs of its training part at 16 kHz, with more noise than speech
dns4x6      6 real recordings at 48 kHz, without a clean reference
maxine5     5 real recordings at 48 kHz, without a clean reference
held_out    44 mixtures at 48 kHz of voices and noises that are never trained on
clean       the clean recordings of dfns6 as input: how much speech a denoiser removes
quiet       dfns6, 40 dB quieter
=========== ========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.analysis.speech import at_rate, score
from rtaudio.bench.dnsmos import Dnsmos
from rtaudio.bench.macs import fourier_macs, macs_per_second, weight_count
from rtaudio.bench.recordings import GROUPS, SNRS_DB, EvalClip, Signal, recordings
from rtaudio.effects.model import Model
from rtaudio.errors import MetricsError
from rtaudio.models.contract.card import ModelFile
from rtaudio.models.loader import load_model
from rtaudio.runtime.abi import Node
from rtaudio.runtime.decibels import to_db
from rtaudio.runtime.timing import signal_microseconds
from rtaudio.shipped import shipped_models

__all__ = [
    "GROUPS",
    "MEASURES",
    "EvalClip",
    "System",
    "enhance",
    "find_systems",
    "measure_costs",
    "recordings",
    "scores",
    "silence_peak_db",
    "summary",
]

MEASURES = ("pesq", "stoi", "si_sdr_db", "si_sdr_16k_db", "si_sdr_gain_db", "snr_gain_db",
            "level_change_db", "sig", "bak", "ovr")  # fmt: skip
"""Keys of the scores, as `rtaudio.analysis.speech.score` and `Dnsmos` return them."""

PEERS = {"DTLN": "dtln", "GTCRN": "gtcrn", "UL-UNAS": "ulunas", "DeepFilterNet3": "deepfilternet3"}
"""Third-party denoisers: name -> folder of the user's copy."""

OURS = ("denoise", "denoise-low-latency")
BLOCK_MS = 10
"""Block in which a model without a hop is timed."""

ROUNDS = 10
"""How many times each system is timed."""


@dataclass(frozen=True)
class System:
    """A denoiser to measure.

    Attributes
    ----------
    name
        Its name in tables.
    file
        File or folder for `rtaudio.models.loader.load_model`. None: no denoiser at all, so that the
        noisy recording itself is scored.
    parameters
        Values of the model's own parameters, by name.
    """

    name: str
    file: Path | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)


def find_systems(data: Path, more: Iterable[Path] = ()) -> tuple[list[System], list[str]]:
    """Find the denoisers to measure.

    Parameters
    ----------
    data
        Folder whose subfolder ``models`` holds the user's copies of third-party denoisers.
    more
        More files or folders. If the name of one is taken, its path is its name.

    Returns
    -------
    found : list of System
        The noisy recording, the shipped and third-party denoisers, and ``more``.
    missing : list of str
        A line for each denoiser that is not there.
    """
    shipped = shipped_models()
    places = {name: shipped[name] for name in OURS}
    places |= {name: data / "models" / folder for name, folder in PEERS.items()}
    found = [System("noisy")]
    missing = []
    for name, place in places.items():
        if place.exists():
            found.append(System(name, place))
        else:
            missing.append(f"{name} is left out: there is no {place}")
    for file in more:
        known = {system.name for system in found}
        found.append(System(str(file) if file.stem in known else file.stem, file))
    return found, missing


def enhance(system: System, x: Signal, rate_hz: int) -> Signal:
    """Denoise a mono signal.

    Parameters
    ----------
    system
        The denoiser.
    x
        Noisy signal ``[frames]``.
    rate_hz
        Its sample rate.

    Returns
    -------
    numpy.ndarray
        float64 ``[frames]``, shifted back by the latency that the model reports.
    """
    if system.file is None:
        return x
    y = Model(system.file, parameters=dict(system.parameters))(x.astype(np.float32), rate_hz)
    return np.asarray(y, np.float64)


def scores(
    systems: Sequence[System], clips: Sequence[EvalClip], dnsmos: Path | None, jobs: int = 1
) -> Iterator[dict[str, Any]]:
    """Score every system on every recording.

    Parameters
    ----------
    systems, clips
        The denoisers and the recordings.
    dnsmos
        File for `Dnsmos`; None: without its scores.
    jobs
        Number of processes.

    Yields
    ------
    dict
        ``system``, ``group``, ``recording``, ``snr_db``, ``noise`` and ``sex`` (None unless a
        mixture), and those of `MEASURES` that apply.
    """
    tasks = [(system, clip, dnsmos) for clip in clips for system in systems]
    if jobs <= 1:
        yield from map(_score, tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_score, tasks)


def _score(task: tuple[System, EvalClip, Path | None]) -> dict[str, Any]:
    system, clip, dnsmos = task
    noisy, clean, rate_hz = clip.read()
    y = enhance(system, noisy, rate_hz)
    found: dict[str, Any] = {
        "system": system.name,
        "group": clip.group,
        "recording": clip.name,
        "snr_db": clip.snr_db if clip.noise else None,
        "noise": clip.noise.stem if clip.noise else None,
        "sex": clip.sex,
    }
    if clean is not None:
        found |= score(noisy, clean, y, rate_hz)
    if dnsmos is not None and clip.group != "quiet":
        found |= _load_dnsmos(dnsmos)(y, rate_hz)
    return found


@lru_cache(maxsize=1)
def _load_dnsmos(path: Path) -> Dnsmos:
    return Dnsmos(path)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average the scores of one system.

    Parameters
    ----------
    rows
        Its rows of `scores`.

    Returns
    -------
    dict
        ``groups``: group -> measure -> mean, and ``count``. ``snr_curve``: SNR of the mixtures ->
        measure -> mean. ``parts``: the same mixtures by ``women`` and ``men``, and by the name of
        the noise. ``robustness``: ``clean_ovr`` and ``clean_si_sdr_db`` for clean speech as
        input, and ``quiet_si_sdr_change_db``, the effect of a level that is 40 dB lower.
    """
    groups = {group: [row for row in rows if row["group"] == group] for group in GROUPS}
    means = {
        group: _means(found) | {"count": len(found)} for group, found in groups.items() if found
    }
    by_snr = {
        snr: _means([row for row in groups["held_out"] if row["snr_db"] == snr]) for snr in SNRS_DB
    }
    parts: dict[str, list[dict[str, Any]]] = {}
    for key in ("sex", "noise"):
        for row in groups["held_out"]:
            if row[key]:
                parts.setdefault(row[key], []).append(row)
    clean, quiet, loud = (means.get(group, {}) for group in ("clean", "quiet", "dfns6"))
    change = quiet.get("si_sdr_db", math.nan) - loud.get("si_sdr_db", math.nan)
    return {
        "groups": {group: row for group, row in means.items() if group not in ("clean", "quiet")},
        "snr_curve": {str(snr): row for snr, row in by_snr.items() if row},
        "parts": {part: _means(found) for part, found in parts.items()},
        "robustness": {
            "clean_ovr": clean.get("ovr", math.nan),
            "clean_si_sdr_db": clean.get("si_sdr_db", math.nan),
            "quiet_si_sdr_change_db": change,
        },
    }


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the mean of each measure, without NaN (PESQ in a recording without speech)."""
    found = {}
    for measure in MEASURES:
        values = [row[measure] for row in rows if measure in row and not math.isnan(row[measure])]
        if values:
            found[measure] = float(np.mean(values))
    return found


def measure_costs(
    systems: Sequence[System], speech: Signal, rate_hz: int, rounds: int = ROUNDS
) -> dict[str, dict[str, Any]]:
    """Measure the costs of the systems.

    They are timed in turn, since the machine may be slower for a while.

    Parameters
    ----------
    systems
        The denoisers; those without a file are skipped.
    speech
        The signal for timing, mono; silence of the same length is played after it.
    rate_hz
        Its sample rate.
    rounds
        How many times each system is timed.

    Returns
    -------
    dict
        Name of the system -> a dictionary of

        ``rate_hz``, ``hop_ms``, ``weights``
            Sample rate, hop, and number of weights.
        ``latency_ms``
            Algorithmic latency: that of the model and one hop.
        ``mmacs``, ``fourier_mmacs``
            Million multiply-accumulates per second, and those of the Fourier transforms among them
            (None if the card does not state their size).
        ``p50_us``, ``p99_us``
            Time per hop of speech.
        ``real_time_factor``
            Median time per hop over the duration of the hop.
        ``silence_time_ratio``
            Median time of a hop of silence over that of a hop of speech.

    Raises
    ------
    MetricsError
        A model has more than one channel.
    """
    nodes: dict[str, tuple[Node, int]] = {}
    signals: dict[str, Signal] = {}
    found: dict[str, dict[str, Any]] = {}
    for system in systems:
        if system.file is None:
            continue
        model = load_model(system.file)
        card = model.file.card
        if card.channels != (1, 1):
            raise MetricsError(
                f"{model.file.path}: has {card.channels[0]} input and {card.channels[1]} output "
                "channels; only mono models can be measured"
            )
        hop = card.hop or card.rate_hz * BLOCK_MS // 1000
        nodes[system.name] = (model.node(hop, model.default_params()), hop)
        x = at_rate(speech, rate_hz, card.rate_hz)
        x = x[: x.size // hop * hop]
        signals[system.name] = np.concatenate([x, np.zeros_like(x)])
        found[system.name] = _describe(model.file, hop)
    times: dict[str, list[Any]] = {name: [] for name in nodes}
    for turn in range(rounds + 1):
        for name, (node, hop) in nodes.items():
            measured = signal_microseconds(node, hop, signals[name])
            if turn:  # the first turn is a warm-up
                times[name].append(measured.reshape(2, -1))
    for name, parts in times.items():
        found[name] |= _summarise_times(parts, found[name]["hop_ms"])
    return found


def _describe(file: ModelFile, hop: int) -> dict[str, Any]:
    """Return the costs that need no timing."""
    card = file.card
    n_fft = card.architecture.get("n_fft", card.architecture.get("window"))
    hops_per_s = card.rate_hz / hop
    return {
        "rate_hz": card.rate_hz,
        "hop_ms": 1000.0 * hop / card.rate_hz,
        "latency_ms": 1000.0 * (card.latency_samples + card.hop) / card.rate_hz,
        "weights": weight_count(file),
        "mmacs": macs_per_second(file) / 1e6,
        "fourier_mmacs": fourier_macs(n_fft) * hops_per_s / 1e6 if isinstance(n_fft, int) else None,
    }


def _summarise_times(rounds: Sequence[Any], hop_ms: float) -> dict[str, float]:
    """Return the percentiles of rounds ``[2, hops]``: microseconds in speech and in silence."""
    speech_us = np.concatenate([part[0] for part in rounds])
    p50, p99 = np.percentile(speech_us, [50.0, 99.0])
    # At first the memory of a net still rings; in the second half of the silence it has decayed.
    silence_us = np.concatenate([part[1, part.shape[1] // 2 :] for part in rounds])
    return {
        "p50_us": float(p50),
        "p99_us": float(p99),
        "real_time_factor": float(p50) / (1000.0 * hop_ms),
        "silence_time_ratio": float(np.median(silence_us) / p50),
    }


def silence_peak_db(system: System, speech: Signal, rate_hz: int) -> float:
    """Measure a denoiser's output for digital silence after speech.

    Parameters
    ----------
    system
        The denoiser.
    speech
        Speech that is played first, mono.
    rate_hz
        Its sample rate.

    Returns
    -------
    float
        Peak in dBFS from one to three seconds after the speech, at least -200.
    """
    silence = np.zeros(3 * rate_hz)
    y = enhance(system, np.concatenate([speech, silence]), rate_hz)
    return to_db(float(np.abs(y[-2 * rate_hz :]).max()), -200.0)
