"""A sound in place of the input, and a record, of a host that plays already."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import soundfile

import rtaudio as rt
from rtaudio.control.spectrum import BANDS, FLOOR_DB, Spectrum


@pytest.fixture(scope="module")
def host():
    with rt.Host(rt.Chain(), "clock") as host:
        yield host


def heard(tap, frames):
    """Wait for the next frames of the output, without those of a ramp."""
    end = time.monotonic() + 60
    while tap.waiting < frames and time.monotonic() < end:
        time.sleep(0.005)
    return tap.read()[-frames:, 0]


def test_a_sound_plays_over_and_over_until_the_input_is_back(host):
    sound = np.random.default_rng(0).uniform(-1, 1, 480).astype(np.float32)
    host.play(sound)
    played = heard(host.tap(), 9600)[-4800:]
    start = int(np.flatnonzero(sound == played[0])[0])
    np.testing.assert_array_equal(played, np.roll(np.tile(sound, 10), -start))
    host.play(np.stack([sound, -sound]))  # a mono input gets the mean
    assert not heard(host.tap(), 9600)[-4800:].any()
    host.play(sound)
    host.play(None)
    assert not heard(host.tap(), 9600)[-4800:].any()
    assert not host.muted


def test_a_muted_host_stays_muted(host):
    host.muted = True
    host.play(np.ones(480, np.float32))
    assert host.muted
    assert not heard(host.tap(), 9600)[-4800:].any()
    host.muted = False
    host.play(None)


def test_sounds_of_two_threads_leave_it_audible(host):
    sounds = [np.full(480, level, np.float32) for level in (0.1, 0.2, 0.3, 0.4)]
    threads = [threading.Thread(target=host.play, args=[sound]) for sound in sounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not host.muted
    host.play(None)


@pytest.mark.parametrize("trim_db", [np.nan, np.inf, 1.0, -np.inf])
def test_a_trim_only_turns_down(host, trim_db):
    with pytest.raises(rt.ParameterError, match="trim_db"):
        host.trim_db = trim_db
    assert host.trim_db == 0.0


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros((1, 0)), np.full(10, np.nan)])
def test_what_is_no_sound_is_refused(host, sound):
    with pytest.raises(rt.AudioError):
        host.play(sound)


def test_a_host_with_a_source_of_its_own_keeps_it():
    with (
        rt.Host(rt.Chain(), "clock", source=np.zeros(48000)) as host,
        pytest.raises(rt.RtaudioError, match="source that it was made with"),
    ):
        host.play(np.zeros(10))


def test_a_record_begins_and_ends_while_it_plays(host, tmp_path):
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, 480).astype(np.float32)
    host.play(sound)
    heard(host.tap(), 4800)
    recorder = host.record(tmp_path / "take.wav")
    heard(host.tap(), 9600)
    assert not (tmp_path / "take.wav").exists()
    recorder.finish()
    take, rate_hz = soundfile.read(tmp_path / "take.wav", dtype="float32")
    assert rate_hz == host.rate_hz
    assert len(take) >= 9600
    np.testing.assert_allclose(take[480:], take[:-480], atol=1e-4)
    host.play(None)


@pytest.mark.parametrize("hz", [100, 1000, 10_000])
def test_a_sine_at_full_scale_is_at_0_db_in_its_band(host, hz):
    time_s = np.arange(host.rate_hz) / host.rate_hz
    host.play(np.sin(2 * np.pi * hz * time_s).astype(np.float32))
    spectrum = Spectrum(host)
    heard(host.tap(), 2 * host.rate_hz // 10)
    for levels_db in spectrum.read():
        assert levels_db.shape == (BANDS,)
        band = int(levels_db.argmax())
        edges = spectrum.edges_hz
        assert edges[band] * 0.9 <= hz <= edges[band + 1] * 1.1
        assert levels_db[band] == pytest.approx(0.0, abs=1.5)  # between two bins of the window
        assert levels_db.min() >= FLOOR_DB
        far = [n for n in range(BANDS) if not 0.5 < edges[n] / hz < 2.0]
        assert levels_db[far].max() < -45.0  # the side lobes of the window
    host.play(None)
