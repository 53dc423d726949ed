r"""The assistant's regression: what finished music is like, and what effects do to it.

A passage in bad balance has the features ``x = s + B y``: those of finished music, and what
settings ``y`` of tilt, bands and width do to each of them, in dB. With the covariances ``S`` of
finished music and ``C`` of the settings, the best linear guess of the correction ``-y`` is ::

    -C B' (B C B' + S + ridge)^-1 (x - mean)

which is ridge regression on all passages with all settings, without drawing any. Run as a program,
it writes the file that comes with rtaudio, and prints its figures::

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
from rtaudio.effects.base import Effect
from rtaudio.effects.equalizer import Equalizer
from rtaudio.effects.tilt import Tilt
from rtaudio.mastering.assistant import OUTPUTS
from rtaudio.mastering.features import FEATURES, features, peaks_db
from rtaudio.runtime.memory import Array
from rtaudio.view.terminal import progress
from training.config import load_config
from training.mastering.config import MasteringConfig
from training.mastering.degradation import BAND_DB, CHANCE, TILT_DB, WIDTH_OCTAVES
from training.mastering.tracks import Track, consolidated, split

__all__ = ["estimator", "influence", "settings_covariance", "train_assistant"]

PASSAGE_S = 30.0
HOP_S = 15.0
QUIET_RMS = 1e-3
RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

BALANCE, IMAGE = slice(0, len(CENTRES_HZ)), slice(len(CENTRES_HZ), len(FEATURES))
BLOCKS = {"balance": (BALANCE, slice(0, 6)), "width": (IMAGE, slice(6, len(OUTPUTS)))}
"""Features and outputs that belong together; each block has a ridge of its own."""

COUNTED_HZ = (50.0, 14_000.0)
"""Where the error of the balance counts: outside, songs differ more than anything else."""


class Music(NamedTuple):
    """Passages of finished music: features, crest in dB, and the number of the track of each."""

    features: Array
    crests_db: Array
    tracks: Array


def influence(rate_hz: int) -> Array:
    """Return what one unit of each output does to each feature, float64 ``[33, 8]``.

    Parameters
    ----------
    rate_hz
        Rate at which the effects are measured.
    """
    matrix = np.zeros((len(FEATURES), len(OUTPUTS)))
    for column, name in enumerate(OUTPUTS):
        kind, key = name.split(".")
        if kind == "width":
            matrix[FEATURES.index(f"{key.removesuffix('_width_db')} width"), column] = 1.0
            continue
        one: dict[str, Any] = {key: 1.0}
        effect = Tilt(**one) if kind == "tilt" else Equalizer(**one)
        gains_db = _response_db(effect, rate_hz)
        matrix[: len(CENTRES_HZ), column] = gains_db - gains_db.mean()
    return matrix


def _response_db(effect: Effect, rate_hz: int) -> Array:
    impulse = np.zeros(rate_hz, np.float32)
    impulse[0] = 1.0
    magnitude = np.abs(np.fft.rfft(effect(impulse, rate_hz)))
    hertz = np.fft.rfftfreq(rate_hz, 1.0 / rate_hz)
    return np.asarray(20.0 * np.log10(np.interp(CENTRES_HZ, hertz, magnitude)))


def settings_covariance() -> Array:
    """Return the covariance of the outputs that degradations ask for, float64 ``[8, 8]``."""
    low, high = (20.0 * math.log10(2.0**octaves) for octaves in WIDTH_OCTAVES)
    ranges = {"tilt": 2.0 * TILT_DB, "bands": 2.0 * BAND_DB, "width": high - low}
    return np.diag([CHANCE * ranges[name.split(".")[0]] ** 2 / 12.0 for name in OUTPUTS])


def estimator(rows: Array, effect: Array, settings: Array, ridge: float) -> Array:
    """Return the weights ``[outputs, features]`` of the best linear guess of a correction.

    Parameters
    ----------
    rows
        Features of finished music, ``[passages, features]``.
    effect, settings
        Of `influence` and `settings_covariance`, or a block of them.
    ridge
        Added to the variance of each feature of finished music, in dB squared: few songs show
        less than all.
    """
    music = np.cov(rows.T, bias=True) + ridge * np.eye(rows.shape[1])
    weights: Array = -np.linalg.solve(effect @ settings @ effect.T + music, effect @ settings).T
    return weights


def _error(rows: Array, weights: Array, effect: Array, settings: Array) -> float:
    """Return the mean square, in dB, of what is left of a degradation and done to the music.

    ``rows`` are relative to the mean features.
    """
    inside = np.arange(len(effect))
    if len(effect) == len(CENTRES_HZ):
        inside = np.flatnonzero((COUNTED_HZ[0] <= CENTRES_HZ) & (COUNTED_HZ[1] >= CENTRES_HZ))
    counted = effect[inside]
    kept = counted @ (np.eye(len(settings)) + weights @ effect)
    left = np.trace(kept @ settings @ kept.T)
    worse = np.square(rows @ (counted @ weights).T).sum(axis=1).mean()
    return float(left + worse) / len(counted)


def _left_out(music: Music, effect: Array, settings: Array, ridge: float) -> float:
    """Return the mean `_error` on tracks that the estimator has not heard, one by one."""
    total = 0.0
    for number in np.unique(music.tracks):
        own = music.tracks == number
        others = music.features[~own]
        weights = estimator(others, effect, settings, ridge)
        rows = music.features[own] - others.mean(axis=0)
        total += own.sum() * _error(rows, weights, effect, settings)
    return float(total / len(music.tracks))


def _fitted(music: Music, rate_hz: int) -> tuple[Array, dict[str, dict[str, float]]]:
    """Return the weights ``[8, 33]``, and by block the ridge and the errors."""
    effect, settings = influence(rate_hz), settings_covariance()
    weights, figures = np.zeros(effect.T.shape), {}
    for name, (heard, told) in BLOCKS.items():
        part = music._replace(features=music.features[:, heard])
        own = (effect[heard, told], settings[told, told])
        errors = {ridge: _left_out(part, *own, ridge) for ridge in RIDGES}
        ridge = min(errors, key=lambda each: errors[each])
        weights[told, heard] = estimator(part.features, *own, ridge)
        untouched = _error(part.features, np.zeros(own[0].T.shape), *own)
        figures[name] = {
            "ridge": ridge,
            "left_db": round(math.sqrt(errors[ridge]), 3),
            "untouched_db": round(math.sqrt(untouched), 3),
        }
    return weights, figures


def _music(tracks: Sequence[Track], rate_hz: int) -> Music:
    """Return the passages of tracks, half overlapping; of a short track, all of it."""
    found: list[tuple[Array, float, int]] = []
    length, hop = round(PASSAGE_S * rate_hz), round(HOP_S * rate_hz)
    with progress() as bar:
        for number, track in enumerate(bar.track(tracks, description="listening")):
            for start in range(0, max(1, track.frames - length + 1), hop):
                sound = track.read(start, min(start + length, track.frames))
                if sound.std() > QUIET_RMS:
                    crest_db = programme_loudness(sound, rate_hz).crest_db
                    found.append((features(sound, rate_hz), crest_db, number))
    return Music(*(np.array(column) for column in zip(*found, strict=True)))


def train_assistant(config: MasteringConfig, out: Path) -> dict[str, Any]:
    """Fit the regression to the tracks outside the test, and write it with its card.

    Parameters
    ----------
    config
        Music and its split.
    out
        The file to write, ``.npz`` of plain arrays; the card goes beside it as ``.json``.

    Returns
    -------
    dict
        The card: data, strength of the ridge, and the error on tracks left out one by one.
    """
    rate_hz = config.data.rate_hz
    tracks = consolidated(config.data)
    parts = split((t.name for t in tracks), config.data.validation, config.data.test, config.seed)
    heard = [track for track in tracks if parts[track.name] != "test"]
    music = _music(heard, rate_hz)
    weights, figures = _fitted(music, rate_hz)
    bands = music.features[:, : len(CENTRES_HZ)]
    arrays = {
        "mean": music.features.mean(axis=0),
        "weights": weights,
        "peaks_db": np.median([peaks_db(row) for row in bands], axis=0),
        "crest_db": np.median(music.crests_db),
    }
    with replacing(out) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **{k: np.float32(v) for k, v in arrays.items()})
    card = {
        "name": "assistant",
        "description": "From a passage to settings that balance it: a linear regression.",
        "license": config.license,
        "features": list(FEATURES),
        "outputs": list(OUTPUTS),
        "provenance": {
            "source": config.source,
            "tracks": len(heard),
            "minutes": round(sum(track.frames for track in heard) / rate_hz / 60, 1),
            "passages": len(music.tracks),
            "held_out": [track.name for track in tracks if parts[track.name] == "test"],
        },
        "metrics": figures,
    }
    with replacing(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


if __name__ == "__main__":
    found = train_assistant(load_config(sys.argv[1], MasteringConfig), Path(sys.argv[2]))
    print(json.dumps(found["metrics"]))
