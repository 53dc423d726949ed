"""Write the shipped cabinet responses: ``python -m training.guitar.cabinets``.

They are designed from descriptions; no recording was used. Each is the minimum-phase response with
the magnitude of a described loudspeaker: a curve through a few points, resonances of the cone, and
reflections on the way to the microphone. The same command always writes the same files.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from rtaudio.analysis.minimum_phase import minimum_phase
from rtaudio.runtime.decibels import from_db
from rtaudio.runtime.memory import Array

RATE_HZ = 48000
TAPS = 2048
FOLDER = Path(__file__).parents[2] / "presets" / "cabinets"


class Loudspeaker(NamedTuple):
    """A cabinet as a microphone in front of it hears it.

    ``curve``: level in dB at frequencies in Hz; ``resonances``: Hz, dB, Q; ``reflections``: delay
    in ms against the direct sound, and gain.
    """

    curve: dict[int, int]
    resonances: tuple[tuple[float, float, float], ...]
    reflections: tuple[tuple[float, float], ...]


CABINETS = {
    # Open back: little below the resonance, a wide dip in the middle, a bright and even top.
    "american-1x12": Loudspeaker(
        {30: -30, 60: -12, 100: 1, 150: 0, 400: -4, 1000: -3, 2000: 1, 3200: 5, 4500: 2, 5500: -9}
        | {7000: -24, 10000: -38, 20000: -60},
        (
            (105, 2.5, 3.0),
            (640, -1.5, 4.0),
            (1250, 1.5, 6.0),
            (1900, -2.5, 9.0),
            (2600, 2.5, 8.0),
            (3500, -2.0, 12.0),
            (4200, 3.0, 10.0),
            (6100, 3.0, 12.0),
        ),
        ((0.52, 0.10), (3.1, -0.05)),
    ),
    # Closed back: the thump of the box, a growl at 2 to 4 kHz, then a steep fall.
    "british-4x12": Loudspeaker(
        {30: -24, 60: -7, 85: 2, 130: 3, 300: -1, 700: -3, 1500: 0, 2400: 6, 3600: 5, 4800: -2}
        | {6000: -18, 8000: -32, 12000: -46, 20000: -66},
        (
            (118, 3.0, 2.5),
            (430, -2.0, 3.0),
            (820, 1.5, 5.0),
            (1450, -2.0, 8.0),
            (2150, 2.0, 9.0),
            (2900, -2.5, 12.0),
            (3300, 2.5, 12.0),
            (5200, 4.0, 10.0),
        ),
        ((0.78, 0.14), (1.24, 0.08)),
    ),
    # The same box at the edge of the cone: darker, more wood, later reflections.
    "british-4x12-edge": Loudspeaker(
        {30: -24, 60: -6, 85: 3, 130: 4, 300: 1, 700: -1, 1500: 0, 2400: 2, 3600: 0, 4800: -8}
        | {6000: -24, 8000: -38, 12000: -52, 20000: -70},
        (
            (118, 2.5, 2.5),
            (380, 1.5, 3.0),
            (900, -2.5, 5.0),
            (1250, 2.0, 7.0),
            (1950, -3.0, 8.0),
            (2500, 2.0, 10.0),
            (3050, -2.0, 12.0),
            (4300, 3.0, 9.0),
        ),
        ((0.96, 0.18), (1.71, 0.10)),
    ),
    # For a bass: sealed and deep, even to 3 kHz so that the attack stays, no fizz above.
    "bass-4x10": Loudspeaker(
        {25: -16, 40: -5, 60: 1, 100: 2, 250: 0, 600: -2, 1200: 0, 2200: 3, 3200: 1, 4500: -8}
        | {6000: -20, 9000: -36, 20000: -60},
        (
            (72, 2.0, 2.5),
            (310, -1.5, 3.0),
            (760, -2.0, 5.0),
            (1500, 1.5, 6.0),
            (2700, 2.0, 9.0),
            (3900, -2.0, 10.0),
        ),
        ((0.61, 0.12), (2.2, 0.05)),
    ),
}


def magnitude(speaker: Loudspeaker, frequency_hz: Array) -> Array:
    """Return the linear magnitude of a described loudspeaker at frequencies in Hz.

    Parameters
    ----------
    speaker
        The description.
    frequency_hz
        Frequencies in hertz, (bins,).
    """
    octaves = np.log2(np.maximum(frequency_hz, 10.0))
    # straight lines between the points, rounded off over a third of an octave
    smooth = np.linspace(-1 / 6, 1 / 6, 9)
    points = np.log2(np.array(list(speaker.curve), np.float64))
    levels = np.array(list(speaker.curve.values()), np.float64)
    level_db = np.mean([np.interp(octaves + o, points, levels) for o in smooth], axis=0)
    for centre, gain_db, q in speaker.resonances:
        ratio = 2.0**octaves / centre
        level_db += gain_db / (1.0 + (q * (ratio - 1.0 / ratio)) ** 2)
    arrivals = 1.0 + sum(
        gain * np.exp(-2j * np.pi * frequency_hz * delay_ms / 1000.0)
        for delay_ms, gain in speaker.reflections
    )
    return np.asarray(np.abs(arrivals) * from_db(level_db))


def response(speaker: Loudspeaker) -> Array:
    """Return the impulse response, faded out at its end, with a peak of 0.9."""
    bins = np.fft.rfftfreq(16 * TAPS, 1.0 / RATE_HZ)
    spectrum = np.exp(minimum_phase(np.log(magnitude(speaker, bins))))
    taps = np.fft.irfft(spectrum)[:TAPS]
    fade = np.cos(np.linspace(0.0, np.pi / 2, TAPS // 2)) ** 2
    taps[TAPS // 2 :] *= fade
    return np.asarray(0.9 * taps / np.abs(taps).max())


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every cabinet as a 24-bit wav file; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, speaker in CABINETS.items():
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], response(speaker), RATE_HZ, subtype="PCM_24")
    return paths


if __name__ == "__main__":
    for path in write():
        print(path)
