"""Songs made from noise and tones: with beats, a width and a balance of their own."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

RATE = 44100


def make_song(seconds=4.0, rate=RATE, seed=0, tilt_db=0.0, level=0.1, width=0.4):
    """Return a song, ``[2, frames]``: beats of noise over a chord; tilt in dB per octave."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * rate)
    hertz = np.maximum(np.fft.rfftfreq(frames, 1.0 / rate), 20.0)
    colour = (hertz / 1000.0) ** (-0.75 + tilt_db / 6.02) * (hertz > 25.0) * (hertz < 18000.0)
    mid, side = (
        np.fft.irfft(np.fft.rfft(noise) * colour, frames)
        for noise in rng.standard_normal((2, frames))
    )
    seconds_at = np.arange(frames) / rate
    beat = 0.5 + np.exp(-8.0 * (seconds_at % 0.5))
    chord = sum(np.sin(2.0 * np.pi * hz * seconds_at) for hz in (110.0, 220.5, 330.3))
    x = np.stack([mid + width * side, mid - width * side]) * beat
    return level * (x / np.sqrt(np.mean(x**2)) + 0.2 * chord)


@pytest.fixture
def write_song(tmp_path):
    """Return ``write_song(name, subtype="PCM_24", title="", rate=44100, ...) -> path``."""

    def write(name, subtype="PCM_24", title="", rate=RATE, mono=False, **song):
        path = tmp_path / name
        x = make_song(rate=rate, **song)
        x = x[:1] if mono else x
        with soundfile.SoundFile(path, "w", rate, len(x), subtype) as file:
            if title:
                file.title = title
            file.write(x.T)
        return path

    return write


@pytest.fixture
def oracle_lufs():
    """Return ``oracle_lufs(path) -> float``: pyloudnorm."""
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm is not installed")

    def measure(path):
        x, rate = soundfile.read(path)
        return pyloudnorm.Meter(rate).integrated_loudness(x)

    return measure


@pytest.fixture
def oracle_peak_db():
    """Return ``oracle_peak_db(path) -> float``: 64 times oversampled around the highest peaks."""

    def measure(path):
        x, _ = soundfile.read(path, always_2d=True)
        return max(_peak_db(channel) for channel in x.T)

    return measure


def _peak_db(x, around=256, candidates=200):
    """Return the peak of the curve through the samples near the loudest of them."""
    top = 0.0
    step = 64
    magnitude = np.abs(np.pad(x, (0, -len(x) % step))).reshape(-1, step).max(axis=1)
    for place in np.argsort(magnitude)[-candidates:] * step:
        piece = x[max(0, place - around) : place + step + around]
        window = np.hanning(len(piece)) if len(piece) > 2 else np.ones(len(piece))
        window = np.minimum(1.0, 4.0 * window)  # flat where the candidates are
        curve = np.fft.irfft(np.fft.rfft(piece * window), 64 * len(piece)) * 64
        inside = slice(64 * len(piece) // 4, 64 * 3 * len(piece) // 4)
        top = max(top, float(np.abs(curve[inside]).max()))
    return 20.0 * np.log10(max(top, 1e-9))
