"""Mixtures are what they say: level, bandwidth, alignment, and the same every time."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.denoise.mixer import Mixtures  # noqa: E402
from training.denoise.mixing import _expander  # noqa: E402
from training.denoise.mixture import MixtureConfig, collate  # noqa: E402
from training.denoise.recordings import active_rms  # noqa: E402

RATE = 48000
PLAIN = {"no_speech": 0, "no_noise": 0, "clipping": 0, "offset": 0, "room": 0}
UNTOUCHED = {"music": "keep", "music_probability": 0}
"""Pauses of targets stay as they are where music is a target."""


@pytest.fixture
def mixtures(small_corpus, corpus_cache):
    def make(part="train", seed=0, **changes):
        config = MixtureConfig(
            root=str(small_corpus),
            cache=str(corpus_cache),
            **{"excerpt_samples": RATE, "rooms": 4, **changes},
        )
        return Mixtures(config, part, seed=seed, length=100)

    return make


def parts(mixture):
    return mixture.noisy.numpy()[0], mixture.clean.numpy()[0]


def test_depends_on_seed_and_index_alone(mixtures):
    first, again, other = mixtures(), mixtures(), mixtures(seed=1)
    for index in (7, 3, 12):
        one, two = first[index], again[index]
        assert torch.equal(one.noisy, two.noisy)
        assert torch.equal(one.clean, two.clean)
        assert (one.bandwidth_hz, one.snr_db) == (two.bandwidth_hz, two.snr_db)
        assert not torch.equal(one.noisy, other[index].noisy)
    assert not torch.equal(first[3].noisy, first[4].noisy)


def test_snr_is_the_stated_one(mixtures):
    made = mixtures(**PLAIN)
    stated = []
    for index in range(40):
        mixture = made[index]
        noisy, clean = parts(mixture)
        if math.isinf(mixture.snr_db):
            assert not clean.any()
            continue
        noise = noisy - clean
        measured = 20 * math.log10(active_rms(clean, RATE) / np.sqrt(np.mean(noise**2)))
        assert measured == pytest.approx(mixture.snr_db, abs=0.1)
        stated.append(mixture.snr_db)
    assert len(stated) > 30
    assert min(stated) >= -5
    assert max(stated) <= 40
    assert np.ptp(stated) > 25


def test_target_is_silent_above_its_bandwidth(mixtures):
    made = mixtures(no_speech=0)
    frequencies = np.fft.rfftfreq(RATE, 1 / RATE)
    seen = set()
    for index in range(40):
        mixture = made[index]
        power = np.abs(np.fft.rfft(parts(mixture)[1] * np.hanning(RATE))) ** 2
        above = power[frequencies > mixture.bandwidth_hz].sum()
        assert above <= 1e-7 * power.sum()
        seen.add(round(mixture.bandwidth_hz / 4000))
    assert len(seen) >= 4


def test_the_expander_quietens_room_tone_and_leaves_speech():
    generator = np.random.default_rng(0)
    signal = 0.01 * generator.standard_normal(3 * RATE).astype(np.float32)
    signal[RATE : 2 * RATE] *= 50
    gains = 20 * np.log10(_expander(signal, RATE))
    speech = slice(RATE - RATE // 50, 2 * RATE + RATE // 50)
    assert np.abs(gains[speech]).max() < 0.01
    # 34 dB under the speech: 8 dB too low, so 16 dB down; noise of 10 ms is not steady.
    pause = gains[: RATE // 2]
    assert -18 < pause.mean() < -13


def test_clean_speech_alone_is_left_alone(mixtures):
    made = mixtures(**{**PLAIN, **UNTOUCHED, "no_noise": 1})
    for index in range(8):
        mixture = made[index]
        assert mixture.snr_db in (math.inf, -math.inf)
        assert torch.equal(mixture.noisy, mixture.clean)
    assert sum(made[index].clean.any() for index in range(8)) >= 6


def test_in_a_room_the_target_stays_aligned_and_loses_the_tail(mixtures):
    made = mixtures(**{**PLAIN, **UNTOUCHED, "no_noise": 1, "room": 1})
    changed = 0
    for index in range(8):
        noisy, clean = parts(made[index])
        if not clean.any():
            continue
        spectrum = np.fft.rfft(noisy, 2 * RATE) * np.fft.rfft(clean, 2 * RATE).conj()
        correlation = np.fft.irfft(spectrum)
        assert np.argmax(correlation) == 0
        tail = noisy - clean
        assert np.sum(tail**2) < np.sum(clean**2)
        changed += tail.any()
    assert changed >= 6


def test_where_the_room_is_kept_nothing_is_taken_off(mixtures):
    always = {**PLAIN, **UNTOUCHED, "no_noise": 1, "room": 1}
    lost = []
    for share in (1, 0):
        made = mixtures(**always, room_kept=share)
        assert made[0].room_kept == bool(share)
        noisy, clean = (
            torch.stack(side)
            for side in zip(
                *((made[index].noisy, made[index].clean) for index in range(6)), strict=True
            )
        )
        lost.append(float((noisy - clean).square().sum() / noisy.square().sum()))
    # What is lost of a kept room is room tone, where nothing has been loud for a while.
    assert lost[0] < 1e-4
    assert lost[1] > 100 * lost[0]


def test_the_expander_lets_a_room_that_is_kept_fade():
    rng = np.random.default_rng(0)
    fade = np.concatenate([np.ones(RATE), 10 ** (-3 * np.arange(RATE) / (0.6 * RATE))])
    sound = (0.1 * rng.normal(size=2 * RATE) * fade).astype(np.float32)
    held, eager = (_expander(sound, RATE, hold_s) for hold_s in (0.5, 0.0))
    later = slice(RATE + int(0.35 * RATE), RATE + int(0.6 * RATE))
    np.testing.assert_array_equal(held[: later.stop], 1.0)
    assert eager[later].max() < 0.8
    assert held[-1] < 0.2


def test_microphone_faults_spare_the_target(mixtures):
    sound = mixtures(**PLAIN)
    clipped = mixtures(**{**PLAIN, "clipping": 1, "clipping_db": (3, 3)})
    soft = {**PLAIN, "level_dbfs": (-40, -40), "snr_db": (10, 20)}
    moved = mixtures(**{**soft, "offset": 1, "offset_level": (0.01, 0.01)})
    still = mixtures(**soft)
    for index in range(8):
        noisy, clean = parts(sound[index])
        flat, target = parts(clipped[index])
        np.testing.assert_array_equal(target, clean)
        most = np.abs(noisy).max() * 10 ** (-3 / 20)
        np.testing.assert_allclose(flat, np.clip(noisy, -most, most), atol=1e-6)
        off = moved[index]
        assert torch.equal(off.clean, still[index].clean)
        distance = (off.noisy - still[index].noisy).abs().numpy()
        np.testing.assert_allclose(distance, 0.01, atol=1e-5)


def test_levels_stay_in_range(mixtures):
    made = mixtures(level_dbfs=(-30, -20))
    for index in range(60):
        mixture = made[index]
        noisy, clean = parts(mixture)
        assert np.isfinite(noisy).all()
        assert np.isfinite(clean).all()
        assert max(np.abs(noisy).max(), np.abs(clean).max()) <= 1
        if mixture.snr_db > 10:
            assert -30.1 < 20 * math.log10(active_rms(clean, RATE)) < -19.9


def test_where_nobody_speaks_the_target_is_silent(mixtures):
    made = mixtures(**{**PLAIN, "no_speech": 1}, swell=0)
    for index in range(10):
        mixture = made[index]
        noisy, clean = parts(mixture)
        assert not clean.any()
        assert mixture.snr_db == -math.inf
        assert mixture.bandwidth_hz == RATE / 2
        assert -70.1 < 10 * math.log10(np.mean(noisy**2)) < -19


def test_a_faster_voice_reaches_higher(mixtures):
    made = mixtures(
        **PLAIN,
        shift=1,
        shift_factor=(1.2, 1.2),
        second_speaker=0,
        band_limit=0,
        music_probability=0,
    )
    frequencies = np.fft.rfftfreq(RATE, 1 / RATE)
    for index in range(10):
        mixture = made[index]
        nearest = min((9600, 14400, 24000), key=lambda hz: abs(hz - mixture.bandwidth_hz))
        assert mixture.bandwidth_hz == pytest.approx(nearest, rel=0.01)
        power = np.abs(np.fft.rfft(parts(mixture)[1])) ** 2
        below = (frequencies > 0.8 * nearest) & (frequencies < 0.9 * nearest)
        assert power[below].mean() > 0.01 * power[frequencies < 0.5 * nearest].mean()


def test_a_narrow_channel_is_narrow_for_both(mixtures):
    made = mixtures(**PLAIN, band_limit=1, band_limit_hz=(4000, 4000))
    frequencies = np.fft.rfftfreq(RATE, 1 / RATE)
    for index in range(10):
        mixture = made[index]
        limit_hz = 4000
        for side in parts(mixture):
            power = np.abs(np.fft.rfft(side * np.hanning(RATE))) ** 2
            if mixture.bandwidth_hz < RATE / 2:
                limit_hz = mixture.bandwidth_hz
            assert power[frequencies > limit_hz + 20].sum() <= 1e-6 * power.sum()


def test_dull_noise_gets_treble(mixtures):
    plain = {
        **PLAIN,
        "no_speech": 1,
        "generated_noise": 0,
        "second_noise": 0,
        "band_limit": 0,
        "music_probability": 0,
        "equalizer": 0,
        "noise_shift_factor": (1, 1),
    }
    dull, bright = mixtures(**plain, treble=0), mixtures(**plain, treble=1)
    high = np.fft.rfftfreq(RATE, 1 / RATE) > 8000

    def share(made, index):
        power = np.abs(np.fft.rfft(parts(made[index])[0] * np.hanning(RATE))) ** 2
        return power[high].sum() / power.sum()

    shares = np.array([(share(dull, index), share(bright, index)) for index in range(16)])
    murmur = shares[:, 0] < 1e-6
    assert 3 <= murmur.sum() <= 13
    assert (shares[:, 1] > 1e-4).all()


def test_music_is_kept_or_taken_off(mixtures):
    frequencies = np.fft.rfftfreq(RATE, 1 / RATE)
    tones = [0.05 * order * 44100 / (2 * np.pi) for order in (1, 2)]

    def tonal(mixture):
        """How far the strongest line near the song's tones stands out of the target."""
        power = np.abs(np.fft.rfft(parts(mixture)[1] * np.hanning(RATE))) ** 2
        return (
            max(power[abs(frequencies / tone - 1) < 0.4].max() for tone in tones)
            > 0.2 * power.sum()
        )

    plain = {**PLAIN, "music_probability": 1, "equalizer": 0}
    kept = mixtures(**plain, music="keep")
    assert sum(tonal(kept[index]) for index in range(20)) >= 5
    removed = mixtures(**plain, music="remove")
    assert not any(tonal(removed[index]) for index in range(20))


def test_noise_swells(mixtures):
    made = mixtures(**{**PLAIN, "no_speech": 1}, swell=1, excerpt_samples=2 * RATE)
    spans = []
    for index in range(10):
        frames = parts(made[index])[0].reshape(-1, RATE // 5)
        spans.append(np.ptp(10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)))
    assert np.median(spans) > 6


@pytest.mark.parametrize(("rate_hz", "length"), [(16000, 8000), (RATE, 256)])
def test_another_rate_and_length(mixtures, rate_hz, length):
    made = mixtures(rate_hz=rate_hz, excerpt_samples=length)
    for index in range(20):
        mixture = made[index]
        assert mixture.noisy.shape == mixture.clean.shape == (1, length)
        assert mixture.bandwidth_hz <= rate_hz / 2
        assert np.isfinite(parts(mixture)[0]).all()


def test_workers_get_a_path_and_not_the_sound(mixtures):
    made = mixtures()
    pickled = pickle.dumps(made)
    assert len(pickled) < 20000
    assert torch.equal(pickle.loads(pickled)[5].noisy, made[5].noisy)


def test_side_by_side(mixtures):
    made = mixtures()
    loader = torch.utils.data.DataLoader(made, batch_size=3, collate_fn=collate)
    batch = next(iter(loader))
    assert batch.noisy.shape == batch.clean.shape == (3, 1, RATE)
    wanted = [made[index].bandwidth_hz for index in range(3)]
    assert batch.bandwidth_hz.tolist() == pytest.approx(wanted)
    assert torch.equal(batch.noisy[2], made[2].noisy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"snr_db": (40, -5)},
        {"room": 1.5},
        {"loudness": 1},
        {"music": "maybe"},
        {"excerpt_samples": 10},
        {"band_limit_hz": (0, 4000)},
        {"shift_factor": (0.01, 1)},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        MixtureConfig(**{"root": "data", "excerpt_samples": 48000, **wrong})
