"""Loudness: the signals of EBU Tech 3341 and 3342, made from their description, and oracles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.analysis.programme_loudness import programme_loudness
from rtaudio.runtime.loudness import LoudnessMeter

RATE = 48000


def tone(parts, rate=RATE, channels=2):
    """A sine of 1 kHz: parts of (dBFS, seconds), or None for silence."""
    levels = [
        np.full(round(seconds * rate), 0.0 if db is None else 10 ** (db / 20))
        for db, seconds in parts
    ]
    level = np.concatenate(levels)
    sine = np.sin(2 * np.pi * 1000.0 / rate * np.arange(len(level)))
    return np.tile((level * sine).astype(np.float32), (channels, 1))


def integrated(x, rate=RATE):
    return programme_loudness(x, rate).integrated_lufs


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("level_db", [-23.0, -33.0])
def test_3341_1_and_2_a_steady_tone_reads_alike_on_all_scales(rate, level_db):
    loudness = programme_loudness(tone([(level_db, 20)], rate), rate)
    for figure in ("momentary", "short_term", "momentary_max", "short_term_max", "integrated"):
        assert getattr(loudness, f"{figure}_lufs") == pytest.approx(level_db, abs=0.1)


@pytest.mark.parametrize(
    "parts",
    [
        [(-36, 10), (-23, 60), (-36, 10)],
        [(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)],
        [(-26, 20), (-20, 20.1), (-26, 20)],
    ],
)
def test_3341_3_to_5_gates(parts):
    assert integrated(tone(parts)) == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("lfe", [False, True])
def test_3341_6_surround(lfe):
    levels = [-28.0, -28.0, -24.0, -30.0, -30.0]
    x = np.concatenate([tone([(db, 20)], channels=1) for db in levels])
    if lfe:
        x = np.insert(x, 3, tone([(-10.0, 20)], channels=1), axis=0)
    assert integrated(x) == pytest.approx(-23.0, abs=0.1)


def readings(x, figure):
    """The figure after every 10 ms."""
    meter = LoudnessMeter(RATE, len(x))
    values = []
    for start in range(0, x.shape[1], RATE // 100):
        meter.measure(x[:, start : start + RATE // 100])
        values.append(meter.windows_lufs()[("momentary", "short_term").index(figure)])
    return np.array(values)


@pytest.mark.parametrize(
    ("figure", "parts", "times", "settled_s"),
    [
        ("short_term", [(-20, 1.34), (-30, 1.66)], 5, 3.0),
        ("momentary", [(-20, 0.18), (-30, 0.22)], 25, 1.0),
    ],
)
def test_3341_9_and_12_a_beat_as_long_as_the_window_reads_steadily(figure, parts, times, settled_s):
    values = readings(tone(parts * times), figure)[round(100 * settled_s) :]
    np.testing.assert_allclose(values, -23.0, atol=0.1)


@pytest.mark.parametrize(
    ("figure", "step_s", "window_s"), [("short_term", 0.15, 3.0), ("momentary", 0.02, 0.4)]
)
@pytest.mark.parametrize("number", range(20))
def test_3341_10_and_13_a_burst_reads_alike_wherever_it_begins(figure, step_s, window_s, number):
    x = tone([(None, number * step_s), (-23, window_s), (None, 1.0)])
    loudest = getattr(programme_loudness(x, RATE), f"{figure}_max_lufs")
    assert loudest == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize(
    ("figure", "step_s", "window_s"), [("short_term", 0.15, 3.0), ("momentary", 0.02, 0.4)]
)
def test_3341_11_and_14_bursts_in_a_row_each_read_their_level(figure, step_s, window_s):
    parts = [
        [(None, n * step_s), (-38 + n, window_s), (None, window_s - n * step_s)] for n in range(20)
    ]
    values = readings(tone(list(itertools.chain(*parts))), figure)
    each = values.reshape(20, -1).max(axis=1)
    np.testing.assert_allclose(each, np.arange(-38.0, -18.0), atol=0.1)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([-20, -30], 10.0),
        ([-20, -15], 5.0),
        ([-40, -20], 20.0),
        ([-50, -35, -20, -35, -50], 15.0),
    ],
)
def test_3342_loudness_range(levels, expected):
    x = tone([(level, 20) for level in levels])
    assert programme_loudness(x, RATE).range_lu == pytest.approx(expected, abs=1.0)


def test_silence_has_no_loudness():
    loudness = programme_loudness(np.zeros((2, RATE)), RATE)
    assert loudness.integrated_lufs == loudness.true_peak_dbtp == -np.inf
    assert (loudness.range_lu, loudness.crest_db, loudness.correlation) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(("share", "expected"), [(1.0, 1.0), (-1.0, -1.0), (0.0, 0.0)])
def test_correlation_of_the_same_the_opposite_and_the_unrelated(share, expected):
    rng = np.random.default_rng(0)
    left = rng.standard_normal(RATE)
    right = share * left + (share == 0.0) * rng.standard_normal(RATE)
    loudness = programme_loudness(np.stack([left, right]), RATE)
    assert loudness.correlation == pytest.approx(expected, abs=0.02)
    assert loudness.correlation == pytest.approx(np.corrcoef(left, right)[0, 1], abs=0.01)


def test_crest_of_a_sine_is_3_db():
    assert programme_loudness(tone([(-10, 1)]), RATE).crest_db == pytest.approx(3.01, abs=0.01)


@settings(deadline=None, max_examples=10, derandomize=True)
@given(splits=st.lists(st.integers(1, 3000), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_the_result_does_not_depend_on_the_pieces(splits, seed):
    x = np.random.default_rng(seed).standard_normal((2, 5 * RATE)).astype("f4")
    x *= np.repeat(np.geomspace(0.001, 1.0, 10), RATE // 2).astype("f4")
    whole, pieces = LoudnessMeter(RATE, 2), LoudnessMeter(RATE, 2)
    whole.measure(x)
    sizes, at = itertools.cycle(splits), 0
    while at < x.shape[1]:
        size = next(sizes)
        pieces.measure(x[:, at : at + size])
        at += size
    left, right = whole.read(), pieces.read()
    for name, value in vars(left).items():
        assert getattr(right, name) == pytest.approx(value, abs=1e-6)


def test_a_reset_starts_anew():
    meter = LoudnessMeter(RATE, 2)
    meter.measure(tone([(-10, 5)]))
    meter.reset()
    meter.measure(tone([(-30, 5)]))
    loudness = meter.read()
    assert loudness.integrated_lufs == pytest.approx(-30.0, abs=0.1)
    assert loudness.true_peak_dbtp < -9.0


def songs(folder):
    return sorted((folder / "music" / "songs").glob("*.ogg"))[:4]


@pytest.mark.data
def test_music_agrees_with_pyloudnorm(data_folder):
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm is not installed")
    files = songs(data_folder)
    assert files
    for file in files:
        x, rate = soundfile.read(file, frames=40 * 48000, always_2d=True)
        loudness = programme_loudness(x.T, rate)
        oracle = pyloudnorm.Meter(rate).integrated_loudness(x)
        assert loudness.integrated_lufs == pytest.approx(oracle, abs=0.1)


def ffmpeg_figures(x, rate):
    """Integrated loudness, loudness range and true peak by FFmpeg's filter ebur128."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    graph = av.filter.Graph()
    layout = "stereo" if len(x) == 2 else "mono"
    source = graph.add_abuffer(
        format="fltp", sample_rate=rate, layout=layout, time_base=f"1/{rate}"
    )
    meter = graph.add("ebur128", "metadata=1:peak=true")
    graph.link_nodes(source, meter, graph.add("abuffersink")).configure()
    seen = {}
    for start in range(0, x.shape[1] // 4800 * 4800, 4800):
        frame = av.AudioFrame.from_ndarray(x[:, start : start + 4800], "fltp", layout)
        frame.sample_rate, frame.pts = rate, start
        graph.push(frame)
        while True:
            try:
                seen = dict(graph.pull().metadata)
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    peaks = [float(value) for name, value in seen.items() if "true_peaks" in name]
    return float(seen["lavfi.r128.I"]), float(seen["lavfi.r128.LRA"]), peaks


@pytest.mark.data
def test_music_agrees_with_ffmpeg(data_folder):
    for file in songs(data_folder):
        x, rate = soundfile.read(file, frames=40 * 48000, always_2d=True, dtype="float32")
        x = np.ascontiguousarray(x.T)
        lufs, range_lu, peaks = ffmpeg_figures(x, rate)
        loudness = programme_loudness(x, rate)
        assert loudness.integrated_lufs == pytest.approx(lufs, abs=0.1)
        assert loudness.range_lu == pytest.approx(range_lu, abs=0.5)
        if peaks:
            exact = 20 * np.log10(max(peaks))
            assert loudness.true_peak_dbtp == pytest.approx(exact, abs=0.2)
