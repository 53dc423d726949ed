"""Take the noise out of a recording, and say how much went.

The denoiser is an effect like any other; it keeps the length, the rate and the channels.

    python examples/clean_recording.py interview.wav clean.wav
    python examples/clean_recording.py interview.wav clean.wav --limit-db 18
    python examples/clean_recording.py                 # noise and a tone, made here
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import rtaudio as rt
from rtaudio.audio.reader import read_audio
from rtaudio.audio.writer import write_audio


def decibels(sound: np.ndarray) -> float:
    """Return the level of a sound in dBFS."""
    return float(10.0 * np.log10(np.mean(np.square(sound)) + 1e-12))


def main() -> None:
    """Clean a file with the shipped denoiser."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, nargs="?", help="default: a noise, made here")
    parser.add_argument("target", type=Path, nargs="?", default=Path("clean.wav"))
    parser.add_argument("--limit-db", type=float, default=100.0, help="most that noise goes down")
    given = parser.parse_args()

    if given.source is None:
        noise = 0.02 * np.random.default_rng(0).standard_normal(2 * 48000)
        noisy, rate_hz = noise.astype(np.float32)[np.newaxis], 48000
    else:
        noisy, rate_hz = read_audio(given.source)  # [channels, frames], any rate
    voice = rt.Denoise(attenuation_limit_db=given.limit_db)
    clean = voice(noisy, rate_hz)  # as long as the input, and in time with it
    write_audio(given.target, clean, rate_hz)
    print(f"{given.target}: {decibels(noisy):.1f} dBFS before, {decibels(clean):.1f} after")


if __name__ == "__main__":
    main()
