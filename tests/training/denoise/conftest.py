"""A small data folder: three voices of tones and noise, two kinds of noise, one song."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile

RATE = 48000
SPEAKERS = {"anna": ("f", 20), "berta": ("f", 8), "carl": ("m", 12)}


def band_noise(generator, seconds, bandwidth_hz):
    """Noise that ends at a frequency, swelling like syllables."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(generator.standard_normal(count))
    spectrum[np.fft.rfftfreq(count, 1 / RATE) > bandwidth_hz] = 0
    signal = np.fft.irfft(spectrum, count)
    signal *= 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE)
    return (0.1 * signal / signal.std()).astype(np.float32)


def write_rows(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def make_corpus(folder):
    generator = np.random.default_rng(0)
    for name in ("speech/train", "noise/train", "music/songs"):
        (folder / name).mkdir(parents=True)
    segments = []
    for speaker, (_, bandwidth_khz) in SPEAKERS.items():
        for number in range(2):
            file, parts, at = f"speech/train/{speaker}_{number:03d}.flac", [], 0
            for clip in range(5):
                signal = band_noise(generator, 1.0 + 0.2 * clip, 1000 * bandwidth_khz)
                parts += [signal, np.zeros(9600, np.float32)]
                segments.append(
                    {
                        "file": file,
                        "start": at,
                        "end": at + len(signal),
                        "speaker": speaker,
                        "clip": f"{number}{clip}",
                        "text": f"said {number}{clip}",
                    }
                )
                at += len(signal) + 9600
            soundfile.write(folder / file, np.concatenate(parts), RATE)
    write_rows(folder / "speech/segments.csv", segments)
    write_rows(
        folder / "speech/speakers.csv",
        [
            {"speaker": name, "sex": sex, "audio_bandwidth": f"{khz} kHz"}
            for name, (sex, khz) in SPEAKERS.items()
        ],
    )
    noises = []
    for kind, bandwidth_hz in (("hiss", 24000), ("murmur", 6000)):
        for number in range(3):
            file = f"noise/train/{kind}_{number}.flac"
            signal = band_noise(generator, 3.0 + number, bandwidth_hz)
            soundfile.write(folder / file, signal, RATE)
            noises.append(
                {
                    "file": file,
                    "kind": kind,
                    "bandwidth_hz": bandwidth_hz,
                    "source_path": f"{kind}s/{number}.ogg",
                }
            )
    write_rows(folder / "noise/noise.csv", noises)
    for number in range(2):
        tone = np.sin(0.05 * (number + 1) * np.arange(2 * 44100))
        soundfile.write(
            folder / f"music/songs/{number}.ogg", 0.3 * np.stack([tone, tone], 1), 44100
        )
    return folder


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory):
    pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    return make_corpus(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def corpus_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture
def small_mixtures(small_corpus, corpus_cache):
    """The section ``data`` of a run on the small folder."""
    return {
        "root": str(small_corpus),
        "cache": str(corpus_cache),
        "excerpt_samples": 19200,
        "rooms": 4,
    }
