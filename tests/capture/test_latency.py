"""The round trip: known delays, drift and jumps are found; what is no cable is refused."""

from __future__ import annotations

import numpy as np
import pytest

from rtaudio.audio.writer import write_audio
from rtaudio.capture.latency import (
    capture_latency,
    measure_round_trip,
    probe_signal,
    round_trip_of,
)
from rtaudio.capture.latency_picture import draw_round_trip
from rtaudio.capture.player import Played
from rtaudio.errors import CaptureError

RATE = 16_000
SIGNAL = probe_signal(6.0, RATE)
DEVICE_MS = (2.0, 3.0)


def late(delay, drift_ppm=0.0, jump=0.0):
    """Return the recording of the signal through a wire of this delay, read between samples."""
    padded = np.pad(SIGNAL.astype(np.float64), (RATE // 2, RATE))
    fine = np.fft.irfft(np.fft.rfft(padded), 16 * padded.size) * 16.0
    at = np.arange(SIGNAL.size + RATE // 4)
    shift = delay + 1e-6 * drift_ppm * at + np.where(at >= 3 * RATE, jump, 0.0)
    return np.interp(16.0 * (at - shift + RATE // 2), np.arange(fine.size), fine).astype(np.float32)


def trip_of(wet):
    return round_trip_of(SIGNAL, Played(0.1 * wet, "wire", 0, 64, DEVICE_MS, 7), RATE)


@pytest.mark.parametrize("delay", [0.0, 64.0, 100.25, 333.5, 1234.87])
def test_a_delay_is_found_to_a_fiftieth_of_a_sample(delay):
    trip = trip_of(late(delay))
    np.testing.assert_allclose(trip.delays_samples, delay, atol=0.02)
    assert trip.jitter_samples < 0.01
    assert abs(trip.drift_ppm) < 0.1
    assert trip.jumps == ()
    assert trip.reported_samples == 5.0 * RATE / 1000.0 + 7


@pytest.mark.parametrize("drift_ppm", [-40.0, 15.0])
def test_two_clocks_drift(drift_ppm):
    trip = trip_of(late(200.0, drift_ppm))
    assert trip.drift_ppm == pytest.approx(drift_ppm, abs=0.5)
    assert trip.jitter_samples < 0.02


def test_a_lost_block_is_a_jump_and_no_drift():
    trip = trip_of(late(200.0, jump=64.0))
    [jump] = trip.jumps
    assert jump.at_s == 3.0
    assert jump.samples == pytest.approx(64.0, abs=0.1)
    assert abs(trip.drift_ppm) < 0.5


def test_noise_of_a_converter_does_not_matter():
    wet = late(100.25) + np.random.default_rng(1).normal(0.0, 0.01, SIGNAL.size + RATE // 4)
    assert trip_of(wet.astype(np.float32)).samples == pytest.approx(100.25, abs=0.02)


def test_a_cable_may_be_connected_late():
    wet = late(100.0)
    wet[: 3 * RATE // 2] = 0.0
    trip = trip_of(wet)
    assert trip.delays_samples.size == 4
    np.testing.assert_allclose(trip.delays_samples, 100.0, atol=0.02)


def test_other_sound_and_silence_are_refused():
    other = np.random.default_rng(2).uniform(-1.0, 1.0, SIGNAL.size).astype(np.float32)
    with pytest.raises(CaptureError, match="is not what was played"):
        trip_of(other)
    with pytest.raises(CaptureError, match="nothing comes back"):
        trip_of(np.zeros(SIGNAL.size, np.float32))


def test_a_measurement_serves_captures_with_its_settings_only():
    about = trip_of(late(100.25)).as_json() | {"chain_samples": 0}
    assert capture_latency(about, "wire", RATE, 64) == 100
    with pytest.raises(CaptureError, match=r"blocks of 64, the capture is with wire .* of 128"):
        capture_latency(about, "wire", RATE, 128)
    with pytest.raises(CaptureError, match="through a chain"):
        capture_latency(about | {"chain_samples": 7}, "wire", RATE, 64)
    for bad in ([], {}, about | {"latency_samples": "x"}, about | {"latency_samples": 1e9}):
        with pytest.raises(CaptureError):
            capture_latency(bad, "wire", RATE, 64)


def test_the_picture_is_one(tmp_path):
    draw_round_trip(tmp_path / "trip.png", trip_of(late(100.0, jump=64.0)))
    assert (tmp_path / "trip.png").read_bytes().startswith(b"\x89PNG")


def test_the_clock_has_no_cable():
    with pytest.raises(CaptureError, match="nothing comes back"):
        measure_round_trip(device="clock", rate_hz=8000, seconds=1.0)


def test_a_capture_names_a_measurement_that_it_cannot_use(refused, tmp_path):
    write_audio(tmp_path / "dry.wav", SIGNAL, RATE)
    for text, reason in (("not json", "is not JSON"), ("[]", "holds no measurement")):
        (tmp_path / "trip.json").write_text(text)
        words = ["capture", tmp_path / "out", "--device", "clock", "--dry", tmp_path / "dry.wav"]
        line = refused(*words, "--latency", tmp_path / "trip.json")
        assert reason in line
    assert "neither a number" in refused(*words, "--latency", "12.5")
