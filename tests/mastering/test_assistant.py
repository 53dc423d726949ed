"""The assistant: it hears what was done on purpose, says so, and proposes ordinary effects."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.analysis.third_octaves import CENTRES_HZ, third_octaves_db
from rtaudio.audio.resampler import Resampler
from rtaudio.errors import AudioError
from rtaudio.mastering.assistant import OUTPUTS, propose, regression
from rtaudio.mastering.features import FEATURES, features, peaks_db

RATE = 44100


def music_like(seconds=6.0, side=0.4):
    """Noise with the mean spectrum of the music that the regression has heard."""
    generator = np.random.default_rng(0)
    samples = round(seconds * RATE)
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    levels_db = regression().mean[:31] - 10 * np.log10(CENTRES_HZ)
    shape = 10 ** (np.interp(np.log(hertz + 1), np.log(CENTRES_HZ), levels_db) / 20)
    mid, rest = (
        np.fft.irfft(np.fft.rfft(generator.standard_normal(samples)) * shape, samples)
        for _ in range(2)
    )
    stereo = np.stack([mid + side * rest, mid - side * rest])
    return np.asarray(0.1 * stereo / stereo.std(), np.float32)


def slope_db(chain, rate_hz=RATE):
    """Rise of a chain per octave between 100 Hz and 6.4 kHz."""
    x = np.zeros((2, rate_hz), np.float32)
    x[:, 0] = 1.0
    level_db = 20 * np.log10(np.abs(np.fft.rfft(chain(x, rate_hz)[0])))
    return (level_db[6400] - level_db[100]) / 6


def test_a_tilted_sound_gets_the_inverse_tilt():
    x = music_like()
    plain = slope_db(propose(x, RATE).chain)
    for tilt in (-2.5, 2.5):
        found = slope_db(propose(rt.Tilt(db_per_octave=tilt)(x, RATE), RATE).chain)
        assert 0.3 < (plain - found) / tilt < 1.2, (plain, found)


@pytest.mark.parametrize(
    ("field", "hertz", "words"),
    [
        ("low_shelf", 63, ("boom", "thin bass")),
        ("peak1", 250, ("mud", "little warmth")),
        ("peak2", 1000, ("boxy middle", "hollow middle")),
        ("peak3", 3500, ("harshness", "little presence")),
        ("high_shelf", 10000, ("sharp treble", "dull treble")),
    ],
)
def test_a_band_out_of_balance_is_brought_back_and_named(field, hertz, words):
    x = music_like()
    finished_db = third_octaves_db(x, RATE)
    band = int(np.abs(CENTRES_HZ - hertz).argmin())
    for gain_db, word in zip((9.0, -9.0), words, strict=True):
        bad = rt.Equalizer(**{f"{field}_db": gain_db})(x, RATE)
        proposal = propose(bad, RATE)
        better = proposal.chain(bad, RATE)
        inside = slice(4, 29)
        errors = [third_octaves_db(y, RATE) - finished_db for y in (bad, better)]
        before, after = (np.std(each[inside]) for each in errors)
        assert after < 0.9 * before
        assert any(reason.endswith(word) for reason in proposal.reasons), proposal.reasons
        change = errors[1] - errors[1][inside].mean() - errors[0] + errors[0][inside].mean()
        assert np.sign(change[band]) == -np.sign(gain_db)


def test_the_image_a_resonance_and_dynamics_are_heard():
    x = music_like()
    narrow = propose(rt.Width(low_width=0.2, high_width=0.2)(x, RATE), RATE)
    wide = propose(rt.Width(low_width=2.0, high_width=2.0)(x, RATE), RATE)
    found = [features(proposal.chain(x, RATE), RATE)[-2:].mean() for proposal in (narrow, wide)]
    assert found[0] > found[1] + 1
    bad = rt.Equalizer(peak1_hz=1000.0, peak1_db=15.0, peak1_q=6.0)(x, RATE)
    ringing = propose(bad, RATE)
    assert ringing.chain["resonance"].peak2_hz == 1000
    assert any(reason.endswith("dB less at 1 kHz: a resonance") for reason in ringing.reasons)
    # Clicks raise the peaks, and nothing else.
    loose = x.copy()
    loose[:, :: RATE // 2] += 20.0 * x.std()
    told = propose(loose, RATE)
    assert told.chain["compressor"].ratio > 1
    assert any("higher than is common" in reason for reason in told.reasons)
    dense = propose(np.sign(x) * 0.1, RATE)
    assert any(reason.startswith("no compression") for reason in dense.reasons)


def test_it_is_deterministic_and_ordinary():
    x = rt.Equalizer(peak1_db=9.0)(music_like(), RATE)
    one, two = propose(x, RATE), propose(x.copy(), RATE)
    assert one == two
    assert len(one.chain) > 0
    one.chain["bands"].peak1_db = -1.0  # a user may change all of it
    assert one.chain(x, RATE).shape == x.shape
    assert one.chain.compile(RATE, 64, in_channels=2).latency_samples == 0
    for mono in (x[0], x[:1].repeat(2, axis=0)):
        proposal = propose(mono, RATE)
        assert not any(isinstance(effect, rt.Width) for effect in proposal.chain)
        assert not any("sides" in reason for reason in proposal.reasons)


def test_another_rate_hears_the_same():
    x = rt.Tilt(db_per_octave=2.5)(music_like(4.0), RATE)
    again = Resampler(RATE, 48000).process(x, last=True)
    rows = [features(y, rate_hz) for y, rate_hz in ((x, RATE), (again, 48000))]
    np.testing.assert_allclose(rows[0][8:29], rows[1][8:29], atol=0.6)
    tilts = [
        propose(y, rate_hz).chain["tilt"].db_per_octave
        for y, rate_hz in ((x, RATE), (again, 48000))
    ]
    assert tilts[0] == pytest.approx(tilts[1], abs=0.1)
    assert np.isfinite(features(np.zeros((2, RATE), np.float32), RATE)).all()


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(AudioError, match=r"is 2\.0 s long; give 3 s or more"):
        propose(np.ones(2 * RATE, np.float32), RATE)
    with pytest.raises(AudioError, match="is silent; choose another one"):
        propose(np.zeros((2, 4 * RATE), np.float32), RATE)
    with pytest.raises(AudioError):
        propose(np.full((2, 4 * RATE), np.nan), RATE)


def test_the_shipped_weights_are_plain_and_have_a_card():
    folder = files("rtaudio.mastering")
    card = json.loads(folder.joinpath("assistant.json").read_text())
    assert card["features"] == list(FEATURES)
    assert card["outputs"] == list(OUTPUTS)
    for figures in card["metrics"].values():
        assert figures["left_db"] < figures["untouched_db"]
    assert any("1_Hydrogen" in name for name in card["provenance"]["held_out"])
    learnt = regression()
    assert learnt.weights.shape == (len(OUTPUTS), len(FEATURES))
    assert folder.joinpath("assistant.npz").stat().st_size < 10_000


def test_what_stands_out_is_above_its_neighbours():
    balance = np.linspace(10, -10, 31)
    balance[12] += 7
    assert int(peaks_db(balance).argmax()) == 12
    assert peaks_db(balance)[12] == pytest.approx(7, abs=0.7)
