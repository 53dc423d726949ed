"""What the assistant's proposals are worth on held-out songs that were degraded on purpose.

    python -m benchmarks.assistant training/configs/mastering_crnn.yaml

Prints JSON: by system, the distance to the finished passage in thirds of octaves from 50 Hz to
14 kHz (their RMS, without the overall level) and in the width of the sides. matchering, if it is
installed, gets another passage of the same finished song as its reference: its best case.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.analysis.third_octaves import CENTRES_HZ
from rtaudio.audio.reader import read_audio
from rtaudio.audio.writer import write_audio
from rtaudio.effects.chain import Chain
from rtaudio.effects.equalizer import Equalizer
from rtaudio.effects.tilt import Tilt
from rtaudio.effects.width import Width
from rtaudio.mastering.assistant import OUTPUTS, propose
from rtaudio.mastering.features import features
from rtaudio.runtime.memory import Floats
from training.config import load_config
from training.mastering.config import MasteringConfig
from training.mastering.degradation import Degradation, draw_degradation
from training.mastering.tracks import Track, consolidated, split

KINDS = ("tilt", "bands", "width")
PASSAGE_S = 30.0
PASSAGES = 12
FINISHED = "assistant on finished music"
INSIDE = (CENTRES_HZ >= 50.0) & (CENTRES_HZ <= 14_000.0)


def proposed(sound: Floats, rate_hz: int) -> Floats:
    """Return a passage through the chain that the assistant proposes for it."""
    return propose(sound, rate_hz).chain(sound, rate_hz)


def undone(degradation: Degradation, sound: Floats, rate_hz: int) -> Floats:
    """Return a passage through the opposites of the settings that degraded it."""
    effects = []
    for kind, values in degradation.settings.items():
        opposite = {
            key: 1.0 / values[key] if kind == "width" else -values[key]
            for key in (name.split(".")[1] for name in OUTPUTS if name.startswith(kind))
            for key in [key.removesuffix("_db") if kind == "width" else key]
        }
        if kind == "width":
            opposite = {key: min(2.0, value) for key, value in opposite.items()}
        effects.append({"tilt": Tilt, "bands": Equalizer, "width": Width}[kind](**opposite))
    return Chain(effects)(sound, rate_hz)


def matched(sound: Floats, reference: Floats, rate_hz: int) -> Floats:
    """Return a passage as matchering makes it from a reference."""
    import matchering  # type: ignore[import-not-found,unused-ignore]

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.wav" for name in ("sound", "reference", "result")]
        for file, x in zip(files, (sound, reference), strict=False):
            write_audio(file, x, rate_hz)
        result = matchering.Result(str(files[2]), subtype="FLOAT", use_limiter=False)
        matchering.process(str(files[0]), str(files[1]), [result])
        return read_audio(files[2])[0]


def distances(sound: Floats, finished: Floats, rate_hz: int) -> tuple[float, float]:
    """Return how far two passages are apart in balance and in width, both in dB."""
    rows = [features(each, rate_hz) for each in (sound, finished)]
    difference = (rows[0] - rows[1])[: len(CENTRES_HZ)][INSIDE]
    widths = (rows[0] - rows[1])[len(CENTRES_HZ) :]
    return float(difference.std()), float(np.sqrt(np.mean(widths**2)))


def compare(track: Track, rate_hz: int, seed: int) -> dict[str, list[tuple[float, float]]]:
    """Return the distances of all passages of a song, by system."""
    generator = np.random.default_rng(seed)
    length = round(PASSAGE_S * rate_hz)
    starts = np.linspace(0, track.frames - length, PASSAGES).astype(int)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for n, start in enumerate(starts):
        finished = track.read(start, start + length)
        degradation = draw_degradation(generator, KINDS)
        bad = degradation(finished, rate_hz)
        systems: dict[str, Callable[[], Floats]] = {
            "nothing": lambda bad=bad: bad,
            "assistant": lambda bad=bad: proposed(bad, rate_hz),
            "true settings": lambda bad=bad, d=degradation: undone(d, bad, rate_hz),
            FINISHED: lambda x=finished: proposed(x, rate_hz),
        }
        if find_spec("matchering"):
            other = starts[(n + PASSAGES // 2) % PASSAGES]
            reference = track.read(other, other + length)
            systems["matchering"] = lambda bad=bad, r=reference: matched(bad, r, rate_hz)
        for name, system in systems.items():
            found[name].append(distances(system(), finished, rate_hz))
    return found


def resonances(track: Track, rate_hz: int, seed: int) -> list[tuple[bool, bool]]:
    """Return of all passages of a song whether a resonance was found, and a false one without."""
    generator = np.random.default_rng(seed)
    length = round(PASSAGE_S * rate_hz)
    found = []
    for start in np.linspace(0, track.frames - length, PASSAGES).astype(int):
        finished = track.read(start, start + length)
        degradation = draw_degradation(generator, ["resonance"])
        ringing = [
            [effect.peak2_hz for effect in propose(x, rate_hz).chain if effect.name == "resonance"]
            for x in (degradation(finished, rate_hz), finished)
        ]
        hertz = degradation.settings["resonance"]["peak2_hz"]
        near = bool(ringing[0]) and abs(np.log2(ringing[0][0] / hertz)) < 1 / 3
        found.append((bool(near), bool(ringing[1])))
    return found


def main(path: str) -> dict[str, Any]:
    """Return the mean distances by system, and how often it came nearer than doing nothing."""
    config = load_config(path, MasteringConfig)
    tracks = consolidated(config.data)
    parts = split((t.name for t in tracks), config.data.validation, config.data.test, config.seed)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    ringing: list[tuple[bool, bool]] = []
    for number, track in enumerate(tracks):
        if parts[track.name] == "test":
            ringing += resonances(track, config.data.rate_hz, number)
            for name, rows in compare(track, config.data.rate_hz, number).items():
                found[name] += rows
    untouched = np.array(found["nothing"])
    right, wrong = np.mean(ringing, axis=0)
    table = {
        name: {
            "balance_db": round(float(np.mean(rows, axis=0)[0]), 2),
            "width_db": round(float(np.mean(rows, axis=0)[1]), 2),
            "passages": len(rows),
        }
        | (
            {}
            if name in ("nothing", FINISHED)
            else {"nearer": round(float(np.mean(np.array(rows)[:, 0] < untouched[:, 0])), 2)}
        )
        for name, rows in found.items()
    }
    return {**table, "resonances": {"found": round(right, 2), "false": round(wrong, 2)}}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1]), indent=1))
