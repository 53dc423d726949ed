"""A small folder of music: seven tracks of tones and beats, one with silence at its ends."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

RATE = 16000


def song(seed, seconds, rate_hz=RATE):
    """Chords that change twice a second, over a beat, float64 [samples, 2]."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    chord = generator.uniform(100, 500, (int(2 * seconds) + 1, 3))[(2 * time).astype(int)]
    tones = np.sin(2 * np.pi * chord * time[:, None]).sum(axis=1)
    beat = np.exp(-8 * (2 * time % 1)) * generator.standard_normal(len(time))
    sides = generator.uniform(0.5, 1.0, 2)
    return 0.08 * tones[:, None] * sides + 0.15 * beat[:, None]


@pytest.fixture(scope="session")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    (folder / "songs").mkdir()
    for seed in range(6):
        soundfile.write(folder / "songs" / f"s{seed}.flac", song(seed, 2.0), RATE)
    padded = np.pad(song(6, 1.0, 22050), ((2205, 4410), (0, 0)))
    soundfile.write(folder / "songs" / "padded.wav", padded, 22050, subtype="PCM_24")
    for side, gain in (("good", 1.0), ("bad", 0.5)):
        (folder / side).mkdir()
        for seed in range(7, 10):
            soundfile.write(folder / side / f"p{seed}.wav", gain * song(seed, 2.0), RATE)
    soundfile.write(folder / "bad" / "lonely.wav", song(8, 1.0), RATE)
    return folder


@pytest.fixture
def write(tmp_path, music, write_run):
    def written(data=(), **changes):
        content = {
            "task": "mastering",
            "data": {
                "root": str(music),
                "cache": str(tmp_path / "cache"),
                "good": ["songs/s*.flac"],
                "rate_hz": RATE,
                "excerpt_samples": 2048,
                "warmup_samples": 256,
                **dict(data),
            },
            "net": {"type": "wave-u-net", "base_channels": 1, "levels": 6, "residual": True},
            "schedule": {"steps": 6, "batch": 2, "epoch_steps": 3, "validation_batches": 1},
            **changes,
        }
        return write_run(**content)

    return written
