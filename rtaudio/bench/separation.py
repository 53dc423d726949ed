"""Separators: how much better they know the stems than the mixture does, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rtaudio.analysis.speech import si_sdr_db, snr_db
from rtaudio.bench.macs import macs_per_second, weight_count
from rtaudio.bench.separation_songs import SeparationSong
from rtaudio.effects.separate import Separate
from rtaudio.models.contract.card import Card
from rtaudio.models.loader import load_model
from rtaudio.models.stems import RESIDUAL, STEMS
from rtaudio.runtime.memory import Floats
from rtaudio.runtime.timing import block_microseconds
from rtaudio.shipped import shipped_separators

__all__ = ["PUBLISHED", "Splitter", "find_splitters", "separation_cost", "separation_scores"]

RATE_HZ = 44100
SEGMENT_S = 10
"""Length of the pieces whose SI-SDR is averaged."""

AUDIBLE_DB = -40.0
"""A piece of a stem counts if it is not that far below the loudest one of the stem."""

SILENT = 1e-4
REPEATS = 400
"""Hops for which a model is timed."""

WINDOW, HOP = 4096, 1024
"""Of the ideal ratio mask."""

PUBLISHED = (
    ("HS-TasNet", 4.65, "23 ms", "mean of four stems, MUSDB18; arXiv 2402.17701"),
    ("HS-TasNet, more data", 5.55, "23 ms", "the same"),
    ("RT-STT, below 1 M weights", 5.17, "real time", "MUSDB18-HQ; arXiv 2511.13146"),
    ("Open-Unmix (UMX)", 5.3, "whole files", "MUSDB18; its README"),
)
"""SDR in dB that others have published, on other data than ours: name, SDR, latency, source."""


@dataclass(frozen=True)
class Splitter:
    """What is measured.

    Attributes
    ----------
    name
        Its name in tables.
    file
        A model file; None for the two references.
    kind
        ``"mixture"`` takes the song for each of its stems; ``"mask"`` is the ideal ratio mask,
        which knows the stems: the best that a gain for every bin can do, about.
    """

    name: str
    file: Path | None = None
    kind: Literal["mixture", "mask", "model"] = "model"


def find_splitters(more: Sequence[Path] = ()) -> list[Splitter]:
    """Return the references, the shipped separators if there are any, and other model files.

    Parameters
    ----------
    more
        Other model files.
    """
    found = [Splitter("mixture", kind="mixture"), Splitter("ideal ratio mask", kind="mask")]
    found += [Splitter(name, file) for name, file in shipped_separators().items()]
    return [*found, *(Splitter(str(file), file) for file in more)]


def separation_scores(
    splitters: Sequence[Splitter], song: SeparationSong, longest_s: float | None = None
) -> Iterator[dict[str, Any]]:
    """Score separators on a song.

    Parameters
    ----------
    splitters
        The separators.
    song
        The song. If its bass is silent, it may be inside ``other``, so that their sum is scored.
    longest_s
        At most this much of the song.

    Yields
    ------
    dict
        ``system``, ``song``, ``stem``; ``si_sdri_db``, by how much the SI-SDR is above that of the
        mixture, the mean over pieces of 10 s, and ``song_si_sdri_db`` over the whole song;
        ``sdr_db``, the median over pieces of 1 s, as museval reports it; and ``song_sdr_db``, over
        the whole song, in which silence has 0 dB.

    Notes
    -----
    museval 4 lets a filter of 512 taps come between estimate and truth when it tells interference
    from artefacts, but its SDR of an image is the plain ratio that is computed here: F.-R. Stöter,
    A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018. Over the
    whole song: Y. Mitsufuji et al., "Music demixing challenge 2021", Frontiers in Signal
    Processing, 2022.
    """
    truth = song.read(RATE_HZ, longest_s)
    mixture = truth.sum(axis=0)
    merged = not np.abs(truth[STEMS.index("bass")]).max(initial=0.0) > SILENT
    targets = _merged(dict(zip(STEMS, truth, strict=True)), merged)
    for splitter in splitters:
        if splitter.kind == "mixture":
            estimates = dict.fromkeys(targets, mixture)
        else:
            estimates = _merged(_estimates(splitter, mixture, truth), merged)
        for stem, target in targets.items():
            if stem in estimates and np.abs(target).max() > SILENT:
                yield {
                    "system": splitter.name,
                    "song": song.name,
                    "stem": stem,
                    **_score(target, estimates[stem], mixture),
                }


def _merged(stems: dict[str, Floats], merged: bool) -> dict[str, Floats]:
    """Count a hidden bass as a part of ``other``."""
    if not merged or "bass" not in stems:
        return stems
    rest = {stem: sound for stem, sound in stems.items() if stem != "bass"}
    return {**rest, **({"other": stems["other"] + stems["bass"]} if "other" in stems else {})}


def _estimates(splitter: Splitter, mixture: Floats, truth: Floats) -> dict[str, Floats]:
    if splitter.file is None:
        return dict(zip(STEMS, _ideal(mixture, truth), strict=True))
    effect = Separate(splitter.file, output="stems")
    parts = effect(mixture, RATE_HZ).reshape(len(effect.card.stems), 2, -1)
    found = dict(zip(effect.card.stems, parts, strict=True))
    return {stem: sound for stem, sound in found.items() if stem != RESIDUAL}


def _ideal(mixture: Floats, truth: Floats) -> list[Floats]:
    """Return the stems by the ratio of their magnitudes in each bin of a spectrogram."""
    frames = mixture.shape[1]
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    padded = np.pad(mixture, ((0, 0), (WINDOW, WINDOW)))
    stems = np.pad(truth, ((0, 0), (0, 0), (WINDOW, WINDOW)))
    found = np.zeros_like(stems)
    for start in range(0, frames + WINDOW, HOP):
        place = slice(start, start + WINDOW)
        spectra = np.abs(np.fft.rfft(stems[..., place] * window))
        masks = spectra / np.maximum(spectra.sum(axis=0), 1e-9)
        heard = np.fft.rfft(padded[:, place] * window)
        found[..., place] += np.fft.irfft(masks * heard) * window / 1.5
    return list(found[..., WINDOW : WINDOW + frames])


def _score(target: Floats, estimate: Floats, mixture: Floats) -> dict[str, float]:
    pieces = _pieces(SEGMENT_S, target, estimate, mixture)
    whole = target.ravel(), estimate.ravel(), mixture.ravel()
    ratios = [snr_db(clean, found) for clean, found, _ in _pieces(1, target, estimate, mixture)]
    return {
        "si_sdri_db": float(np.mean([_gain_db(*piece) for piece in pieces])),
        "song_si_sdri_db": _gain_db(*whole),
        "sdr_db": float(np.median(ratios)),
        "song_sdr_db": snr_db(*whole[:2]),
    }


def _gain_db(target: Floats, estimate: Floats, mixture: Floats) -> float:
    return float(si_sdr_db(target, estimate) - si_sdr_db(target, mixture))


def _pieces(
    seconds: int, target: Floats, *others: Floats
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield pieces in which the target sounds; both channels one after the other."""
    size = min(seconds * RATE_HZ, target.shape[1])
    starts = range(0, target.shape[1] - size + 1, size)
    powers = [float(np.mean(target[:, start : start + size] ** 2)) for start in starts]
    least = max(powers) * 10 ** (AUDIBLE_DB / 10)
    for start, power in zip(starts, powers, strict=True):
        if power > least:
            place = slice(start, start + size)
            clean, found, song = (x[:, place].ravel() for x in (target, *others))
            yield clean, found, song


def separation_cost(file: Path) -> dict[str, Any]:
    """Measure the cost of a separator.

    Parameters
    ----------
    file
        The model file.

    Returns
    -------
    dict
        ``latency_ms``, the algorithmic latency with one hop; ``weights``; ``mmacs``, million
        multiply-accumulates per second; ``hop_ms``; ``p50_us`` and ``p99_us`` per hop; and
        ``real_time_factor``, the median over the duration of a hop.
    """
    model = load_model(file)
    card: Card = model.file.card
    hop_ms = 1000.0 * card.hop / card.rate_hz
    node = model.node(card.hop, model.default_params())
    times_us = block_microseconds(node, card.hop, REPEATS, channels=card.channels)
    p50, p99 = np.percentile(times_us, [50.0, 99.0])
    return {
        "latency_ms": 1000.0 * (card.latency_samples + card.hop) / card.rate_hz,
        "weights": weight_count(model.file),
        "mmacs": macs_per_second(model.file) / 1e6,
        "hop_ms": hop_ms,
        "p50_us": float(p50),
        "p99_us": float(p99),
        "real_time_factor": float(p50) / (1000.0 * hop_ms),
    }
