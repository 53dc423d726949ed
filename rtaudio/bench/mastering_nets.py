"""Bench of nets for mastering: finished music with hiss, before and after, and what nets cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.analysis.log_spectral_distance import log_spectral_distance_db
from rtaudio.analysis.percentiles import Percentiles
from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.analysis.signal_to_noise import blind_snr_db
from rtaudio.analysis.speech import snr_db
from rtaudio.audio.resampler import Resampler
from rtaudio.batch.loudest import loudest_start_s, read_passage
from rtaudio.bench.callback import time_callback
from rtaudio.bench.master import Task
from rtaudio.effects.model import Model
from rtaudio.errors import MetricsError
from rtaudio.models.contract.card import Card
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Floats

PASSAGE_S = 20.0
MOST_SNR_DB = 120.0
HISS: dict[str, float | None] = {"45 dB below": None, "0.005": 0.005}
"""White noise by its name: 45 dB below the passage, or of this standard deviation."""

HISS_DB = 45.0
PUBLISHED = (("LSTM", 45.0, 65.0), ("Wave-U-Net", 45.0, 60.0))
"""SNR before and after, of the thesis whose nets these are; it does not say how it is measured."""

_SAME = ("song", "hiss", "rate_hz")
FIGURES = ("snr_db", "blind_snr_db", "distance_db", "loudness_error_lu")


def load_nets(files: Sequence[Path]) -> dict[str, Model]:
    """Return nets by the names of their files.

    Parameters
    ----------
    files
        Models that turn stereo into stereo.

    Raises
    ------
    MetricsError
        A model is not one.
    ModelError
        A file cannot be read.
    """
    nets = {}
    for file in files:
        net = Model(file)
        if net.card.channels != (2, 2) or net.card.kind != "effect":
            raise MetricsError(
                f"{file}: is no net for stereo music; train one with `task: mastering`"
            )
        nets[file.stem] = net
    return nets


def measure_nets(nets: dict[str, Model], tasks: Sequence[Task]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each song: with hiss, then through every net.

    The loudest 20 s of each song, at the rate of the net, are the reference; hiss is added to them.
    SNR is the power of the reference over that of the difference to it; the blind SNR is estimated
    from the sound alone.

    Parameters
    ----------
    nets
        Of `load_nets`.
    tasks
        The songs.
    """
    for number, task in enumerate(tasks):
        rows = []
        for rate_hz in sorted({net.card.rate_hz for net in nets.values()}):
            good = _passage(task, rate_hz)
            white = np.random.default_rng(number).standard_normal(good.shape, np.float32)
            for hiss, deviation in HISS.items():
                if deviation is None:
                    deviation = float(good.std()) * from_db(-HISS_DB)
                bad = good + np.float32(deviation) * white
                named = {"song": task.song.stem, "hiss": hiss, "rate_hz": rate_hz}
                rows.append(named | {"system": "nothing", **_figures(bad, good, rate_hz)})
                for name, net in nets.items():
                    if net.card.rate_hz == rate_hz:
                        learnt = has_learnt_from(net.card, task.song)
                        about = {"system": name, "learnt_from": learnt}
                        rows.append(named | about | _played(net, bad, good))
        yield rows


def _passage(task: Task, rate_hz: int) -> Floats:
    """Return the loudest passage of a song, stereo and at a rate."""
    own_hz = task.before.rate_hz
    start = round(loudest_start_s(task.before, PASSAGE_S) * own_hz)
    sound = read_passage(task.song, start, round(PASSAGE_S * own_hz))
    if own_hz != rate_hz:
        sound = Resampler(own_hz, rate_hz).process(sound, last=True)
    return np.ascontiguousarray(np.broadcast_to(sound, (2, sound.shape[1])))


def _played(net: Model, bad: Floats, good: Floats) -> dict[str, Any]:
    begin = time.perf_counter()
    sound = net(bad, net.card.rate_hz)
    seconds = time.perf_counter() - begin
    return {**_figures(sound, good, net.card.rate_hz), "seconds": seconds}


def _figures(sound: Floats, good: Floats, rate_hz: int) -> dict[str, Any]:
    loudness = [programme_loudness(x, rate_hz).integrated_lufs for x in (sound, good)]
    return {
        "snr_db": min(MOST_SNR_DB, snr_db(good.ravel(), sound.ravel())),
        "blind_snr_db": blind_snr_db(sound, rate_hz),
        "distance_db": log_spectral_distance_db(sound, good),
        "loudness_error_lu": abs(loudness[0] - loudness[1]),
        "audio_seconds": good.shape[1] / rate_hz,
    }


def has_learnt_from(card: Card, song: Path) -> bool:
    """Say whether a song was in the training of a net, by the patterns in its card.

    Parameters
    ----------
    card
        Of the net.
    song
        The song.
    """
    data = card.provenance.get("data", {})
    if not isinstance(data, dict):
        return False
    apart = [*data.get("validation", ()), *data.get("test", ())]
    if any(song.with_suffix("").match(str(name)) for name in apart):
        return False
    return any(song.match(str(pattern)) for pattern in data.get("good", ()))


def summary(rows: Sequence[dict[str, Any]], nets: dict[str, Model]) -> list[dict[str, Any]]:
    """Return the means of each net over the songs, before and after, by hiss and by novelty.

    Parameters
    ----------
    rows
        Of `measure_nets`.
    nets
        The nets.
    """
    before = {tuple(row[key] for key in _SAME): row for row in rows if row["system"] == "nothing"}
    found = []
    for name in nets:
        for hiss in HISS:
            for learnt in (False, True):
                after = [
                    row
                    for row in rows
                    if (row["system"], row["hiss"], row.get("learnt_from")) == (name, hiss, learnt)
                ]
                if not after:
                    continue
                pairs = [(before[tuple(row[key] for key in _SAME)], row) for row in after]
                means = {
                    side: {f: float(np.mean([pair[k][f] for pair in pairs])) for f in FIGURES}
                    for k, side in enumerate(("before", "after"))
                }
                found.append(
                    {
                        "system": name,
                        "hiss": hiss,
                        "songs": len(pairs),
                        "learnt_from": learnt,
                        **means,
                    }
                )
    return found


def measure_net_costs(nets: dict[str, Model], rate_hz: int, block: int) -> list[dict[str, Any]]:
    """Return latency and time per block of nets, in stereo, as for the effects.

    They compute inside the block in which a hop is full, not in a thread of their own: the upper
    percentiles are their cost.

    Parameters
    ----------
    nets
        Of `load_nets`.
    rate_hz, block
        Sample rate in Hz, and frames per block; a net of another rate is resampled.
    """
    rows = []
    for name, net in nets.items():
        inside = Model(net.file, worker=False)
        us = time_callback(inside, rate_hz=rate_hz, block=block)
        late = net.compile(rate_hz, block, in_channels=2, offline=True).latency_samples
        times = asdict(Percentiles.of_samples(us))
        rows.append({"effect": f"net {name}", "latency_samples": late, "us": times})
    return rows
