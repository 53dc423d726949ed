"""How far denoisers treat rooms, other people and music: ``python -m benchmarks.denoise_scenes``.

With ``--data FOLDER`` it measures the denoisers of `rtaudio bench denoise`, and ``--model`` files:
nets alone, without the ``pause_db`` of presets. The clips are made of 16 voices held out from
training, 8 women and 8 men, at -30 dBFS, with silent pauses:

====== ============================================================================================
room   in simulated rooms of RT60 0.3, 0.5 and 0.8 s (70 % of that above 3 kHz), 0.4 to 2 m from
       the microphone, no noise; wanted is the early speech: direct sound and the first 50 ms
people a second held-out voice, 0 to 20 dB below the first; half of the pairs are of one sex
music  the codec test pieces ``music/excerpts``, which no training opens, 0 to 15 dB below the
       voice, and alone
====== ============================================================================================

All figures are means over clips, and of what lies below 8 kHz, where all denoisers work:

``pesq``, ``si_sdr_db``
    Wide-band PESQ and SI-SDR against the wanted voice.
``voice_change_db``
    Level of the wanted voice in the output, see `rtaudio.analysis.speech.level_change_db`.
``voice_alone_change_db``
    Level of the output relative to the input, where only the first voice speaks.
``other_change_db``
    The same where only the second voice or the music is heard; in rooms in the tails, where the
    early speech is 25 dB or more below its active level and the input no more than 55 dB below it.

A denoiser with a knob for the room is in the rooms again with the knob at both ends.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from rtaudio.analysis.active_level import MARGIN_DB, ActiveLevel
from rtaudio.analysis.speech import METRICS_HZ, at_rate, level_change_db, pesq_wb, si_sdr_db
from rtaudio.audio.reader import read_audio
from rtaudio.bench.denoise import System, enhance, find_systems
from rtaudio.bench.machine import machine, machine_line
from rtaudio.bench.recordings import VOICES, Signal
from rtaudio.effects.denoise import ROOM
from rtaudio.effects.model import Model
from rtaudio.runtime.decibels import from_db
from rtaudio.view import terminal
from training.denoise.rooms import Room, early_window

RATE_HZ = 48000
RT60_S = (0.3, 0.5, 0.8)
TREBLE_SHARE = 0.7
DISTANCES_M = (0.4, 2.0)
OTHER_DB = (0, -6, -12, -20)
MUSIC_DB = (0, -5, -15)
SEED = 2027
"""Of the rooms; those of the training have others."""

LEVEL_DBFS = -30.0
RUMBLE_HZ = 80.0
"""Some recordings have rumble below; in their pauses it would count as voice."""

CLIP_S = 6.0
LEAD_S, PIECE_S, PAUSE_S, OTHER_LEAD_S = 0.4, 2.2, 0.8, 1.7
"""Silence before the first words, the longest piece of speech, and the pause after each piece; the
second voice begins later, so that each speaks alone and both at once."""

FADE_S = 0.02
"""Both ends of a piece together."""

TAIL_DB, HEARD_DB, SILENT_DB = -25.0, -55.0, -60.0
"""Relative to the active level: early speech in a tail, an audible tail, and a silent sound."""

LEAST_DB = -60.0
"""What counts as the level change of something that is muted."""

SCENES = {
    "room": ("Speech in rooms, no noise", "RT60 s"),
    "people": ("A second voice", "second voice dB"),
    "music": ("Music", "music dB"),
}
HEADS = {
    "pesq": ("PESQ", 2),
    "si_sdr_db": ("SI-SDR dB", 1),
    "si_sdr_women_db": ("women", 1),
    "si_sdr_men_db": ("men", 1),
    "voice_change_db": ("voice dB", 1),
    "voice_alone_change_db": ("voice alone dB", 1),
    "other_change_db": ("other alone dB", 1),
}
"""Measure -> head of its column, and number of decimals."""

KEYS = ("scene", "condition", "system")
Row = dict[str, Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Clip:
    """A wanted voice and what is heard with it, ``[frames]`` at 48 kHz; the input is their sum.

    ``condition`` is the RT60 in seconds, or the level of the other sound relative to the voice.
    """

    scene: str
    condition: str
    name: str
    sex: str
    voice: Signal
    other: Signal


def read(file: Path) -> Signal:
    """Return a file as mono at 48 kHz."""
    x, rate_hz = read_audio(file)
    return at_rate(x.mean(axis=0), rate_hz, RATE_HZ)


def powers(x: Signal, rate_hz: int) -> Signal:
    """Return the power of each frame of 20 ms."""
    frame = rate_hz // 50
    return np.asarray(np.mean(x[: x.size // frame * frame].reshape(-1, frame) ** 2, axis=1))


def active_power(x: Signal, rate_hz: int) -> float:
    """Return the power while there is sound, as in ITU-T P.56."""
    meter = ActiveLevel(rate_hz, 1)
    meter.add(x[None].astype(np.float32))
    return float(from_db(meter.levels_db()[0])) ** 2


def at_level(x: Signal) -> Signal:
    """Return a sound at the active level of all voices."""
    return x * float(from_db(LEVEL_DBFS)) / math.sqrt(active_power(x, RATE_HZ))


def pieces(x: Signal) -> list[Signal]:
    """Cut a recording of speech in two at its quietest frame near the middle."""
    x = signal.sosfiltfilt(signal.butter(4, RUMBLE_HZ, "high", fs=RATE_HZ, output="sos"), x)
    frame = RATE_HZ // 50
    loud = np.flatnonzero(powers(x, RATE_HZ) > 1e-2 * active_power(x, RATE_HZ))
    x = x[loud[0] * frame : (loud[-1] + 1) * frame][: round(2 * PIECE_S * RATE_HZ)]
    found = powers(x, RATE_HZ)
    third = len(found) // 3
    cut = (third + int(np.argmin(found[third : 2 * third]))) * frame
    return [x[:cut], x[cut:]]


def spoken(parts: list[Signal], lead_s: float, seconds: float) -> Signal:
    """Return the pieces in turn, with pauses, at the level of all voices."""
    out = np.zeros(round(seconds * RATE_HZ))
    at, turn = round(lead_s * RATE_HZ), 0
    while at < out.size:
        longest = min(round(PIECE_S * RATE_HZ), out.size - at)
        piece = parts[turn % len(parts)][:longest]
        out[at : at + piece.size] = piece * signal.windows.tukey(
            piece.size, FADE_S * RATE_HZ / piece.size
        )
        at += piece.size + round(PAUSE_S * RATE_HZ)
        turn += 1
    return at_level(out)


def room_response(number: int, count: int, rt60_s: float) -> Signal:
    """Return the response of one of ``count`` rooms, which differ in size and distance."""
    generator = np.random.default_rng([SEED, number])
    size = generator.uniform((3.0, 2.8, 2.4), (7.0, 6.0, 3.2))
    microphone = generator.uniform((0.6, 0.6, 0.8), (size[0] - 0.6, size[1] - 0.6, 1.4))
    distance_m = np.geomspace(*DISTANCES_M, count)[number * 7 % count]  # women and men alike
    while True:
        way = generator.standard_normal(3) * (1.0, 1.0, 0.3)
        mouth = microphone + distance_m * way / np.linalg.norm(way)
        if np.all((mouth > 0.4) & (mouth < size - 0.4)):
            break
    box, source, place = ((float(x), float(y), float(z)) for x, y, z in (size, mouth, microphone))
    room = Room(box, rt60_s, TREBLE_SHARE * rt60_s)
    return np.asarray(room.response(source, place, RATE_HZ, round(rt60_s * RATE_HZ)), np.float64)


def clips(data: Path) -> Iterator[Clip]:
    """Make the clips of all scenes, the same ones on every machine."""
    files: dict[str, list[Path]] = {"f": [], "m": []}
    for file in sorted((data / "speech" / "test").glob("*.flac")):
        if file.name.startswith(VOICES) and (told := re.search(r"_([fm])(_|\d)", file.stem)):
            files[told[1]].append(file)
    excerpts = {
        file.stem: at_level(np.resize(read(file), round(CLIP_S * RATE_HZ)))
        for file in sorted((data / "music" / "excerpts").glob("*.flac"))
    }
    # A woman and a man in turn.
    order = [file for pair in zip(files["f"], files["m"], strict=False) for file in pair]
    parts = [pieces(read(file)) for file in order]
    for number, file in enumerate(order):
        name, sex = file.stem, ("women", "men")[number % 2]
        dry = spoken(parts[number], LEAD_S, CLIP_S)
        for rt60_s in RT60_S:
            response = room_response(number, len(order), rt60_s)
            early = response * early_window(response.size, RATE_HZ)
            voice, heard = (signal.fftconvolve(dry, h)[: dry.size] for h in (early, response))
            yield Clip("room", f"{rt60_s:g}", name, sex, voice, heard - voice)
        voice = spoken(parts[number], LEAD_S, CLIP_S)
        partner = (number + 5 + number // 2 % 2) % len(order)  # every other one of the same sex
        other = spoken(parts[partner], OTHER_LEAD_S, CLIP_S)
        for level_db in OTHER_DB:
            both = f"{name}, {order[partner].stem}"
            yield Clip("people", f"{level_db}", both, sex, voice, other * from_db(level_db))
        title = list(excerpts)[number // 2 % len(excerpts)]
        for level_db in MUSIC_DB:
            music = excerpts[title] * from_db(level_db)
            yield Clip("music", f"{level_db}", f"{name}, {title}", sex, voice, music)
    for title, music in excerpts.items():
        yield Clip("music", "alone", title, "", np.zeros_like(music), music)


def change_db(x: Signal, y: Signal, when: Mask) -> float:
    """Return the level of ``y`` relative to ``x``, at 16 kHz, in some of the frames of 20 ms."""
    given, found = (float(powers(each, METRICS_HZ)[when].sum()) for each in (x, y))
    least = given * 10.0 ** (LEAST_DB / 10.0)
    return 10.0 * math.log10(max(found, least) / given) if given else math.nan


def alone(x: Signal, rest: Signal) -> Mask:
    """Return the frames in which ``x`` is active and the rest silent, at 16 kHz.

    Frames beside those are left out: denoisers smear sound by their windows.
    """
    loud = powers(x, METRICS_HZ) > active_power(x, METRICS_HZ) * 10.0 ** (-MARGIN_DB / 10.0)
    floor = active_power(rest, METRICS_HZ) * 10.0 ** (SILENT_DB / 10.0)
    silent = ndimage.binary_erosion(powers(rest, METRICS_HZ) <= floor, border_value=1)
    return np.asarray(loud & silent)


def tails(early: Signal, heard: Signal) -> Mask:
    """Return the frames of late reverberation, at 16 kHz."""
    level = active_power(early, METRICS_HZ)
    quiet, audible = (level * 10.0 ** (limit / 10.0) for limit in (TAIL_DB, HEARD_DB))
    return np.asarray((powers(early, METRICS_HZ) <= quiet) & (powers(heard, METRICS_HZ) > audible))


def score(scene: str, voice: Signal, x: Signal, y: Signal) -> dict[str, float]:
    """Return the measures of the output ``y`` for the input ``x`` in a scene, all at 16 kHz."""
    if not voice.any():
        return {"other_change_db": change_db(x, y, powers(x, METRICS_HZ) > 0)}
    when = tails(voice, x) if scene == "room" else alone(x - voice, voice)
    found = {
        "si_sdr_db": si_sdr_db(voice, y),
        "voice_change_db": level_change_db(voice, y),
        "other_change_db": change_db(x, y, when),
    }
    if scene == "people":
        found["voice_alone_change_db"] = change_db(x, y, alone(voice, x - voice))
    else:
        found["pesq"] = pesq_wb(voice, y, METRICS_HZ)
    return found


def with_knobs_turned(systems: list[System]) -> list[System]:
    """Return the systems, and those with a knob for the room again with it at both ends."""
    found = []
    for system in systems:
        found.append(system)
        if system.file and ROOM in [knob.name for knob in Model(system.file).card.parameters]:
            found += [
                System(f"{system.name}, {end:g} %", system.file, {ROOM: end})
                for end in (0.0, 100.0)
            ]
    return found


def measure(systems: list[System], made: Iterable[Clip]) -> list[Row]:
    """Score all systems on all clips."""
    rows = []
    in_rooms = with_knobs_turned(systems)
    for clip in made:
        heard = clip.voice + clip.other
        voice, x = (at_rate(each, RATE_HZ, METRICS_HZ) for each in (clip.voice, heard))
        for system in in_rooms if clip.scene == "room" else systems:
            y = at_rate(enhance(system, heard, RATE_HZ), RATE_HZ, METRICS_HZ)
            row: Row = {"scene": clip.scene, "condition": clip.condition, "system": system.name}
            row |= {"clip": clip.name} | score(clip.scene, voice, x, y)
            if clip.sex:
                row[f"si_sdr_{clip.sex}_db"] = row["si_sdr_db"]
            rows.append(row)
    return rows


def means(rows: list[Row]) -> list[Row]:
    """Return the mean of each measure over the clips, by scene, condition and system."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in KEYS), []).append(row)
    found = []
    for key, some in groups.items():
        values = {name: [row[name] for row in some if name in row] for name in HEADS}
        mean = {name: float(np.nanmean(each)) for name, each in values.items() if each}
        found.append(dict(zip(KEYS, key, strict=True)) | mean)
    return found


def tables(rows: list[Row]) -> Iterator[terminal.Table]:
    """Yield a table of each scene, and what becomes of each piece of music alone."""
    for scene, (title, head) in SCENES.items():
        lines = [line for line in means(rows) if line["scene"] == scene]
        shown = [key for key in HEADS if any(key in line for line in lines)]
        cells = [
            [f"{line[key]:.{HEADS[key][1]}f}" if key in line else "" for key in shown]
            for line in lines
        ]
        heads = ["", head, *(HEADS[key][0] for key in shown)]
        about = [[line["system"], line["condition"]] for line in lines]
        yield title, heads, [a + b for a, b in zip(about, cells, strict=True)]
    by_system: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["condition"] == "alone":
            by_system.setdefault(row["system"], {})[row["clip"]] = row["other_change_db"]
    heads = ["", *next(iter(by_system.values()))]
    yield "Music alone, dB", heads, [[name, *found.values()] for name, found in by_system.items()]


def main() -> None:
    """Measure all systems on all clips, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--model", type=Path, nargs="+", default=[], help="more denoisers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    systems, missing = find_systems(given.data, given.model)
    for line in missing:
        terminal.remark(line)
    with terminal.progress(not given.json) as bars:
        made = bars.track(list(clips(given.data)), description="clips")
        rows = measure(systems, made)
    if given.json:
        terminal.print_json({"machine": machine(), "scenes": means(rows), "clips": rows})
        return
    print(machine_line())
    for table in tables(rows):
        terminal.print_table(*table)


if __name__ == "__main__":
    main()
