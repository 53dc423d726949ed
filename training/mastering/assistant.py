"""The assistant's regression: learnt from music that was degraded by known settings.

Run as a program, it writes the file that comes with rtaudio, and prints what it is worth::

    python -m training.mastering.assistant training/configs/mastering_crnn.yaml assistant.npz
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.analysis.third_octaves import CENTRES_HZ
from rtaudio.atomic import replacing
from rtaudio.mastering.assistant import OUTPUTS
from rtaudio.mastering.features import FEATURES, features, peaks_db
from rtaudio.runtime.decibels import to_db
from rtaudio.runtime.memory import Array
from rtaudio.view.terminal import progress
from training.config import load_config
from training.mastering.config import MasteringConfig
from training.mastering.degradation import Degradation, draw_degradation
from training.mastering.tracks import Track, consolidated, split

__all__ = ["corrections", "fitted", "train_assistant"]

KINDS = ("tilt", "bands", "resonance", "width")
"""Degradations that effects can undo. Compression is none of them."""

PASSAGE_S = 10.0
PASSAGES_PER_MINUTE = 12
RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Examples(NamedTuple):
    """Rows of features and of corrections, and the number of the track of each row."""

    features: Array
    corrections: Array
    tracks: Array


def corrections(degradation: Degradation) -> Array:
    """Return what undoes a degradation, in the order of the assistant's outputs, float64 ``[8]``.

    Parameters
    ----------
    degradation
        Its settings of tilt, bands and width count; what it leaves alone needs no correction.
    """
    settings = degradation.settings
    found = dict.fromkeys(OUTPUTS, 0.0)
    for name in OUTPUTS:
        kind, key = name.split(".")
        if kind in settings:
            value = settings[kind][key.removesuffix("_db") if kind == "width" else key]
            found[name] = -to_db(value) if kind == "width" else -value
    return np.array([found[name] for name in OUTPUTS])


def _examples(tracks: Sequence[Track], rate_hz: int, seed: int) -> tuple[Examples, Examples]:
    """Return degraded passages with their corrections, and the same ones untouched."""
    rows: tuple[list[Any], list[Any]] = ([], [])
    with progress() as bar:
        for number, track in enumerate(bar.track(tracks, description="listening")):
            generator = np.random.default_rng([seed, number])
            length = min(round(PASSAGE_S * rate_hz), track.frames)
            for _ in range(max(4, round(track.frames / rate_hz / 60 * PASSAGES_PER_MINUTE))):
                start = int(generator.integers(track.frames - length + 1))
                good = track.read(start, start + length)
                degradation = draw_degradation(generator, KINDS)
                if good.std() < 1e-3:
                    continue
                bad = features(degradation(good, rate_hz), rate_hz)
                rows[0].append((bad, corrections(degradation), number))
                crest_db = programme_loudness(good, rate_hz).crest_db
                rows[1].append((features(good, rate_hz), np.array([crest_db]), number))
    degraded, untouched = (
        Examples(*(np.array(column) for column in zip(*part, strict=True))) for part in rows
    )
    return degraded, untouched


def fitted(examples: Examples, ridge: float) -> tuple[Array, Array, Array]:
    """Return mean, weights and bias of a ridge regression; every track counts the same.

    Parameters
    ----------
    examples
        The rows.
    ridge
        Added to the variance of every feature, in dB squared.
    """
    counts = np.bincount(examples.tracks)
    share = 1.0 / counts[examples.tracks]
    share /= share.sum()
    mean, bias = share @ examples.features, share @ examples.corrections
    x, y = examples.features - mean, examples.corrections - bias
    covariance = (x * share[:, None]).T @ x + ridge * np.eye(x.shape[1])
    weights = np.linalg.solve(covariance, (x * share[:, None]).T @ y).T
    return mean, weights, bias


def _error(examples: Examples, ridge: float) -> float:
    """Return the mean squared error on tracks left out, a fifth of them at a time."""
    total = 0.0
    for fold in range(5):
        out = examples.tracks % 5 == fold
        kept = Examples(*(column[~out] for column in examples))
        _, kept_tracks = np.unique(kept.tracks, return_inverse=True)
        mean, weights, bias = fitted(kept._replace(tracks=kept_tracks), ridge)
        guess = bias + (examples.features[out] - mean) @ weights.T
        total += float(np.sum((guess - examples.corrections[out]) ** 2))
    return total / examples.corrections.size


def train_assistant(config: MasteringConfig, out: Path) -> dict[str, Any]:
    """Fit the regression on the tracks for training, and write it with its card.

    Parameters
    ----------
    config
        Music, its split, and the seed.
    out
        The file to write, ``.npz`` of plain arrays; the card goes beside it as ``.json``.

    Returns
    -------
    dict
        The card: data, seed, strength of the ridge, and errors on tracks left out.
    """
    rate_hz = config.data.rate_hz
    tracks = consolidated(config.data)
    parts = split((t.name for t in tracks), config.data.validation, config.data.test, config.seed)
    heard = [track for track in tracks if parts[track.name] != "test"]
    degraded, untouched = _examples(heard, rate_hz, config.seed)
    errors = {ridge: _error(degraded, ridge) for ridge in RIDGES}
    ridge = min(errors, key=lambda each: errors[each])
    mean, weights, bias = fitted(degraded, ridge)
    bands = untouched.features[:, : len(CENTRES_HZ)]
    standing_out = np.array([peaks_db(row) for row in bands])
    with replacing(out) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            mean=mean.astype(np.float32),
            weights=weights.astype(np.float32),
            bias=bias.astype(np.float32),
            peaks_db=np.median(standing_out, axis=0).astype(np.float32),
            crest_db=np.float32(np.median(untouched.corrections)),
        )
    card = {
        "name": "assistant",
        "description": "From a passage to settings that balance it: a ridge regression.",
        "license": config.license,
        "features": list(FEATURES),
        "outputs": list(OUTPUTS),
        "provenance": {
            "source": config.source,
            "tracks": len(heard),
            "minutes": round(sum(track.frames for track in heard) / rate_hz / 60, 1),
            "passages": len(degraded.tracks),
            "held_out": [track.name for track in tracks if parts[track.name] == "test"],
            "degradations": list(KINDS),
            "seed": config.seed,
        },
        "metrics": {
            "ridge": ridge,
            "rms_error": round(math.sqrt(errors[ridge]), 3),
            "rms_of_corrections": round(float(np.sqrt(np.mean(degraded.corrections**2))), 3),
        },
    }
    with replacing(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


if __name__ == "__main__":
    found = train_assistant(load_config(sys.argv[1], MasteringConfig), Path(sys.argv[2]))
    print(json.dumps(found["metrics"]))
