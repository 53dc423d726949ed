"""The figures of denoisers: quality on the same recordings, costs by turns in the same process.

The recordings are those of the data folder, by the names of their groups:

=========== ========================================================================================
vbd17       17 pairs of VoiceBank-DEMAND at 16 kHz
dfns6       6 pairs of the same corpus at 48 kHz
p287x6      6 pairs of its training part at 16 kHz, more noise than speech
dns4x6      6 real recordings at 48 kHz, without a clean one
maxine5     5 real recordings at 48 kHz, without a clean one
held_out    44 mixtures at 48 kHz: voices and noises that `speech/test` and `noise/test` keep apart
clean       the clean recordings of dfns6 as input: what a denoiser takes from speech
quiet       dfns6, 40 dB quieter
=========== ========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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
from rtaudio.models.loader import load_model
from rtaudio.runtime.timing import signal_microseconds
from rtaudio.shipped import shipped_models

__all__ = [
    "GROUPS",
    "MEASURES",
    "EvalClip",
    "System",
    "costs",
    "enhanced",
    "recordings",
    "scores",
    "silence_peak_db",
    "summary",
    "systems",
]

MEASURES = ("pesq", "stoi", "si_sdr_db", "si_sdr_16k_db", "si_sdr_gain_db", "snr_gain_db",
            "level_change_db", "sig", "bak", "ovr")  # fmt: skip

PEERS = {"DTLN": "dtln", "GTCRN": "gtcrn", "UL-UNAS": "ulunas", "DeepFilterNet3": "deepfilternet3"}
OURS = ("denoise", "denoise-low-latency", "denoise-context")
BLOCK_MS = 10
"""Length of the blocks at which a model without a hop of its own is timed."""

ROUNDS = 10


@dataclass(frozen=True)
class System:
    """A denoiser by name: a file or folder for `rtaudio.models.loader.load_model`; None: nothing.

    Without a file the noisy recording itself is scored.
    """

    name: str
    file: Path | None = None


def systems(data: Path, more: Iterable[Path] = ()) -> tuple[list[System], list[str]]:
    """Return the denoisers there are, and a line on each that is missing.

    Parameters
    ----------
    data
        Folder that holds the user's copies of other denoisers in ``models``.
    more
        Further files or folders to measure beside them; one whose name is taken goes by its path.
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


def enhanced(system: System, x: Signal, rate_hz: int) -> Signal:
    """Return what a system makes of a mono signal, shifted back by the latency it reports."""
    if system.file is None:
        return x
    y = Model(system.file)(x.astype(np.float32), rate_hz)
    return np.asarray(y, np.float64)


def scores(
    chosen: Sequence[System], sounds: Sequence[EvalClip], dnsmos: Path | None, jobs: int = 1
) -> Iterator[dict[str, Any]]:
    """Score every system on every recording.

    Parameters
    ----------
    chosen, sounds
        The systems and the recordings.
    dnsmos
        The model of `Dnsmos`; None: without its scores.
    jobs
        Processes at work.

    Yields
    ------
    dict
        ``system``, ``group``, ``recording``, ``snr_db`` (of a mixture, else None), and what there
        is of `MEASURES`.
    """
    tasks = [(system, sound, dnsmos) for sound in sounds for system in chosen]
    if jobs <= 1:
        yield from map(_scored, tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_scored, tasks)


def _scored(task: tuple[System, EvalClip, Path | None]) -> dict[str, Any]:
    system, sound, dnsmos = task
    noisy, clean, rate_hz = sound.read()
    y = enhanced(system, noisy, rate_hz)
    found: dict[str, Any] = {
        "system": system.name,
        "group": sound.group,
        "recording": sound.name,
        "snr_db": sound.snr_db if sound.noise else None,
    }
    if clean is not None:
        found |= score(noisy, clean, y, rate_hz)
    if dnsmos is not None and sound.group != "quiet":
        found |= _dnsmos(dnsmos)(y, rate_hz)
    return found


@lru_cache(maxsize=1)
def _dnsmos(path: Path) -> Dnsmos:
    return Dnsmos(path)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the means of one system's rows.

    Returns
    -------
    dict
        ``groups`` (group -> measure -> mean, and ``count``), ``snr_curve`` (SNR of the mixtures ->
        measure -> mean) and ``robustness``: ``clean_ovr`` and ``clean_si_sdr_db`` for clean speech
        as input, and ``quiet_si_sdr_change_db``, what 40 dB less level change.
    """
    groups = {group: [row for row in rows if row["group"] == group] for group in GROUPS}
    means = {
        group: _means(found) | {"count": len(found)} for group, found in groups.items() if found
    }
    by_snr = {
        snr: _means([row for row in groups["held_out"] if row["snr_db"] == snr]) for snr in SNRS_DB
    }
    clean, quiet, loud = (means.get(group, {}) for group in ("clean", "quiet", "dfns6"))
    change = quiet.get("si_sdr_db", math.nan) - loud.get("si_sdr_db", math.nan)
    return {
        "groups": {group: row for group, row in means.items() if group not in ("clean", "quiet")},
        "snr_curve": {str(snr): row for snr, row in by_snr.items() if row},
        "robustness": {
            "clean_ovr": clean.get("ovr", math.nan),
            "clean_si_sdr_db": clean.get("si_sdr_db", math.nan),
            "quiet_si_sdr_change_db": change,
        },
    }


def _means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean of each measure; PESQ leaves out what it finds no speech in."""
    found = {}
    for measure in MEASURES:
        values = [row[measure] for row in rows if measure in row and not math.isnan(row[measure])]
        if values:
            found[measure] = float(np.mean(values))
    return found


def costs(
    chosen: Sequence[System], speech: Signal, rate_hz: int, rounds: int = ROUNDS
) -> dict[str, dict[str, Any]]:
    """Tell what the systems cost, timed by turns: the machine may be slower for a while.

    Parameters
    ----------
    chosen
        The systems; those without a file are left out.
    speech
        What they are timed on, mono; behind it as much silence.
    rate_hz
        Its sample rate.
    rounds
        Turns.

    Returns
    -------
    dict
        System -> ``rate_hz``, ``hop_ms``, ``latency_ms`` (algorithmic: that of the model and one
        hop), ``weights``, ``mmacs`` (million multiply-accumulates per second), ``fourier_mmacs``
        (those of the Fourier transforms among them, if the card tells their size), ``p50_us`` and
        ``p99_us`` per hop, ``real_time_factor`` (the median over the hop's duration) and
        ``silence_time_ratio`` (median time of a hop of silence behind speech over one of speech).

    Raises
    ------
    MetricsError
        A model takes or makes more than one channel.
    """
    played = [(system.name, load_model(system.file)) for system in chosen if system.file]
    nodes, signals = {}, {}
    found: dict[str, dict[str, Any]] = {}
    for name, model in played:
        card = model.file.card
        if card.channels != (1, 1):
            raise MetricsError(f"{model.file.path}: takes {card.channels[0]} channels, not one")
        hop = card.hop or card.rate_hz * BLOCK_MS // 1000
        nodes[name] = (model.node(hop, model.default_params()), hop)
        heard = at_rate(speech, rate_hz, card.rate_hz)
        heard = heard[: heard.size // hop * hop]
        signals[name] = np.concatenate([heard, np.zeros_like(heard)])
        n_fft = card.architecture.get("n_fft", card.architecture.get("window"))
        turns = card.rate_hz / hop
        found[name] = {
            "rate_hz": card.rate_hz,
            "hop_ms": 1000.0 * hop / card.rate_hz,
            "latency_ms": 1000.0 * (card.latency_samples + card.hop) / card.rate_hz,
            "weights": weight_count(model.file),
            "mmacs": macs_per_second(model.file) / 1e6,
            "fourier_mmacs": fourier_macs(n_fft) * turns / 1e6 if isinstance(n_fft, int) else None,
        }
    times: dict[str, list[Any]] = {name: [] for name in nodes}
    for turn in range(rounds + 1):
        for name, (node, hop) in nodes.items():
            measured = signal_microseconds(node, hop, signals[name])
            if turn:  # the first one warms up
                times[name].append(measured.reshape(2, -1))
    for name, parts in times.items():
        in_speech = np.concatenate([part[0] for part in parts])
        p50, p99 = np.percentile(in_speech, [50.0, 99.0])
        hop_ms = found[name]["hop_ms"]
        # in silence a net's memory rings down first; the second half is silence for all of it
        calm = np.concatenate([part[1, part.shape[1] // 2 :] for part in parts])
        found[name] |= {
            "p50_us": float(p50),
            "p99_us": float(p99),
            "real_time_factor": float(p50) / (1000.0 * hop_ms),
            "silence_time_ratio": float(np.median(calm) / p50),
        }
    return found


def silence_peak_db(system: System, speech: Signal, rate_hz: int) -> float:
    """Return the peak that is left of 2 s of digital silence, a second behind speech, in dBFS.

    Returns
    -------
    float
        -200 at the least.
    """
    silence = np.zeros(3 * rate_hz)
    y = enhanced(system, np.concatenate([speech, silence]), rate_hz)
    return 20.0 * math.log10(max(1e-10, float(np.abs(y[-2 * rate_hz :]).max())))
