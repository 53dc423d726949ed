"""The tuner on strings of known pitch, and on a recorded bass against another method."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, hilbert, sosfiltfilt
from typer.testing import CliRunner

from rtaudio.analysis.tuner import Tuning, read_tuning
from rtaudio.cli import app
from rtaudio.effects.chain import Chain
from rtaudio.live.host import Host
from rtaudio.view.needle import Needle

RATE = 48000


def string(hz, rate, seconds, *, stiffness=0.0, seed=0, noise_db=-60.0):
    """A plucked stiff string whose first partial is ``hz``, with decay, pick-up and noise."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    plucked_at, picked_up_at = rng.uniform(0.08, 0.4), rng.uniform(0.05, 0.3)
    x = np.zeros_like(time_s)
    for n in range(1, 41):
        partial = n * hz * np.sqrt((1 + stiffness * n**2) / (1 + stiffness))
        if partial > min(0.45 * rate, 9000.0):
            break
        level = np.sin(np.pi * n * plucked_at) * np.sin(np.pi * n * picked_up_at) / n
        decay = np.exp(-time_s * (0.5 + 0.25 * n + partial / 2000))
        x += level * decay * np.sin(2 * np.pi * partial * time_s + rng.uniform(0, 2 * np.pi))
    x *= 0.3 / np.abs(x).max()
    return x + 0.3 * 10 ** (noise_db / 20) * rng.standard_normal(len(x))


def off_cents(tuning, hz):
    assert tuning is not None
    return 1200 * np.log2(tuning.hz / hz)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    hz=st.floats(np.log(30.0), np.log(1319.0)).map(np.exp),
    stiffness=st.sampled_from([0.0, 1e-5, 5e-5, 1e-4, 3e-4]),
    rate=st.sampled_from([44100, 48000, 96000]),
    seed=st.integers(0, 9999),
)
def test_reads_a_string_to_half_a_cent(hz, stiffness, rate, seed):
    x = string(hz, rate, 0.5, stiffness=stiffness, seed=seed)
    assert abs(off_cents(read_tuning(x, rate), hz)) < 0.5


@pytest.mark.parametrize("hz", [82.41, 110.0, 146.83, 196.0, 246.94, 329.63, 1318.5])
def test_a_note_of_a_guitar_is_read_within_150_ms(hz):
    for seed in range(8):
        note = string(hz, RATE, 0.15, stiffness=5e-5, seed=seed)
        x = np.concatenate([1e-4 * np.random.default_rng(seed).standard_normal(RATE), note])
        assert abs(off_cents(read_tuning(x, RATE), hz)) < 1.0


@pytest.mark.parametrize("hz", [30.87, 41.2, 55.0])
def test_a_bass_is_read_without_its_fundamental(hz):
    """Small loudspeakers and pick-ups near the bridge lose it; nine of ten must be right."""
    right = 0
    for seed in range(20):
        x = string(hz, RATE, 0.5, stiffness=5e-5, seed=seed)
        spectrum = np.fft.rfft(x)
        spectrum[: int(0.75 * hz)] = 0.0
        tuning = read_tuning(np.fft.irfft(spectrum), RATE)
        right += tuning is not None and abs(off_cents(tuning, hz)) < 1.0
    assert right >= 18


@pytest.mark.parametrize(
    ("hz", "a4_hz", "note", "cents"),
    [
        (440.0, 440.0, "A4", 0.0),
        (82.4069, 440.0, "E2", 0.0),
        (30.8677, 440.0, "B0", 0.0),
        (261.6256, 440.0, "C4", 0.0),
        (440.0, 432.0, "A4", 31.77),
        (450.0, 440.0, "A4", 38.91),
        (277.1826 * 2 ** (-45 / 1200), 440.0, "C#4", -45.0),
    ],
)
def test_names_the_note(hz, a4_hz, note, cents):
    reading = read_tuning(0.1 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE), RATE, a4_hz)
    assert reading.note == note
    assert reading.cents == pytest.approx(cents, abs=0.1)
    assert reading.hz == pytest.approx(hz, rel=1e-4)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(RATE),
        np.ones(RATE),
        0.1 * np.random.default_rng(0).standard_normal(RATE),
        1e-4 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE),
        0.1 * np.sin(2 * np.pi * 110 * np.arange(1000) / RATE),
        0.1 * np.sin(2 * np.pi * 20 * np.arange(RATE) / RATE),
        np.zeros(0),
    ],
    ids=["silence", "offset", "noise", "too quiet", "too short", "too low", "nothing"],
)
def test_sounds_without_a_clear_pitch_are_not_read(x):
    assert read_tuning(x, RATE) is None


@pytest.mark.data
def test_agrees_on_a_recorded_bass_with_the_phase_of_its_fundamental(data_folder):
    """The slope of the phase of the first partial alone, over the same six periods."""
    x, rate = soundfile.read(data_folder / "guitar" / "di" / "bass_downtown.flac")
    margin = rate // 4
    ends = np.arange(rate // 2, len(x) - margin, rate // 40)
    readings = [read_tuning(x[end - margin : end], rate) for end in ends]
    hz = np.array([reading.hz if reading else np.nan for reading in readings])
    off = []
    for k in range(4, len(ends) - 4):
        around = 1200 * np.log2(hz[k - 4 : k + 5] / hz[k])
        if not np.abs(around).max() < 4.0:
            continue
        frames = round(6 * rate / hz[k])
        piece = x[ends[k] - frames - margin : ends[k] + margin]
        band = butter(3, [0.7 * hz[k], 1.4 * hz[k]], "band", fs=rate, output="sos")
        wave = hilbert(sosfiltfilt(band, piece))[margin:-margin]
        weight = np.abs(wave) * np.hanning(frames)
        slope = np.polyfit(np.arange(frames) / rate, np.unwrap(np.angle(wave)), 1, w=weight)[0]
        off.append(1200 * np.log2(hz[k] / (slope / (2 * np.pi))))
    assert len(off) > 100
    assert np.percentile(np.abs(off), 90) < 0.3


def test_the_host_reads_what_comes_in_not_what_goes_out():
    from rtaudio.effects.gain import Gain

    tone = string(110.0, RATE, 2.0)
    with Host(Chain([Gain(gain_db=-80.0)]), "clock", source=tone) as host:
        assert host.tuning() is None
        time.sleep(0.5)
        reading = host.tuning()
        assert host.tuning(a4_hz=415.3).note == "A#2"
    assert reading.note == "A2"
    assert abs(off_cents(reading, 110.0)) < 0.5


def test_the_needle_is_steady_and_follows_a_new_note():
    needle = Needle()
    for cents in (3.0, 3.2, 40.0, 3.1, 2.9):
        needle.read(Tuning(110.0, "A2", cents), 0.04)
    assert needle.tuning.cents == 3.1
    needle.read(Tuning(82.4, "E2", -1.0), 0.04)
    assert (needle.tuning.note, needle.tuning.cents) == ("E2", -1.0)
    needle.read(None, 0.04)
    assert (needle.tuning.note, needle.age_s) == ("E2", 0.04)


def test_the_verb_reads_a_file_and_says_when_it_hears_nothing(tmp_path):
    soundfile.write(tmp_path / "a.wav", string(111.0, RATE, 0.8), RATE, subtype="FLOAT")
    command = ["tune", "--device", "clock", "--in", str(tmp_path / "a.wav")]
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert found["a4_hz"] == 440.0
    assert found["tuning"]["note"] == "A2"
    assert found["tuning"]["cents"] == pytest.approx(15.67, abs=0.5)
    shown = CliRunner().invoke(app, command).output
    assert shown.startswith("A2  +15.")
    silent = CliRunner().invoke(app, ["tune", "--device", "clock", "--seconds", "0.1"])
    assert silent.exit_code == 0
    assert "no clear note was heard" in silent.output
