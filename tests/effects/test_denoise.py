"""Denoise: what is heard of a denoiser, against the model alone and the delayed noisy signal."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

import rtaudio as rt
from export.exporter import export_model
from export.spectral import OverlapAdd
from export.streaming import StreamingModule
from rtaudio.effects.model_player import ModelPlayer
from rtaudio.runtime.abi import Node, kernel, state_dtype
from rtaudio.runtime.offline import run
from rtaudio.runtime.system import now_ns
from rtaudio.runtime.words import address_of, call_process, f32_at, struct_at

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 24000).astype(np.float32)


class Shrink(StreamingModule):
    """Large coefficients pass, small ones go: a denoiser of steady noise. 0 is a wire."""

    def __init__(self, power):
        super().__init__()
        self.power = power

    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        if not self.power:
            return x, {}
        power = x.square().sum(1, keepdim=True)
        return x * 0.5 * power / (power + self.power), {}


class Leave(StreamingModule):
    """Below 4 kHz is noise, of which this share is left; above are words, which pass."""

    def __init__(self, share):
        super().__init__()
        gains = torch.ones(RATE // 100 + 1)
        gains[: 4000 // 50] = share
        self.register_buffer("gains", gains)

    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        return x * self.gains, {}


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory):
    """Return ``make(rate=48000, power=0.0)``: a spectral model of 20 ms windows, 10 ms hops.

    With ``share`` its net is `Leave`.
    """
    folder = tmp_path_factory.mktemp("denoisers")

    def make(rate=RATE, power=0.0, share=None):
        path = folder / f"{rate}-{power}-{share}.onnx"
        if not path.exists():
            torch.manual_seed(0)
            inner = Shrink(power) if share is None else Leave(share)
            net = OverlapAdd(inner, n_fft=rate // 50, hop=rate // 100).eval()
            about = {"license": "Apache-2.0", "provenance": {"data": "none"}}
            export_model(net, {"name": "denoiser", "sample_rate": rate, **about}, path)
        return path

    return make


def band_limited(rate, frames, below_hz):
    """Return noise without anything that a resampler would take away."""
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(frames))
    spectrum[np.fft.rfftfreq(frames, 1 / rate) > below_hz] = 0.0
    x = np.fft.irfft(spectrum, frames) * np.hanning(frames)
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


def delayed(effect, x, rate, block):
    """Play in blocks; return what came ``latency_samples`` late, and the latency."""
    program = effect.compile(rate, block, in_channels=np.atleast_2d(x).shape[0], offline=True)
    frames = x.shape[-1] // block * block
    late = program.latency_samples
    return run(program, np.atleast_2d(x)[:, :frames])[:, late:], late


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("model_rate", [16000, 48000])
@pytest.mark.parametrize("worker", [False, True])
def test_without_attenuation_it_is_a_pure_delay(denoiser, rate, model_rate, worker):
    for block in (64, 480, 1000):
        for setting in ({"attenuation_limit_db": 0.0}, {"mix": 0.0}, {"bypass": True}):
            effect = rt.Denoise(denoiser(model_rate), worker=worker, **setting)
            y, late = delayed(effect, NOISE, rate, block)
            assert late > 0
            np.testing.assert_array_equal(y[0], NOISE[: y.shape[1]])


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("model_rate", [16000, 48000])
@pytest.mark.parametrize("worker", [False, True])
def test_clean_and_noisy_signal_are_in_time(denoiser, rate, model_rate, worker):
    """A model that changes nothing cannot be heard at any limit: nothing combs."""
    x = band_limited(rate, 12000, 0.4 * model_rate)
    tolerance = 1e-6 if rate == model_rate else 3e-3
    for block in (64, 480, 1000):
        for limit_db in (100.0, 6.0):
            effect = rt.Denoise(denoiser(model_rate), worker=worker, attenuation_limit_db=limit_db)
            y, late = delayed(effect, x, rate, block)
            assert np.abs(y[0] - x[: y.shape[1]]).max() <= tolerance
        assert np.abs(y[0, 1:] - x[: y.shape[1] - 1]).max() > 10 * tolerance
        alone = rt.Model(denoiser(model_rate), worker=worker)
        assert alone.compile(rate, block, offline=True).latency_samples == late


def test_the_latency_is_window_and_hop(denoiser):
    effect = rt.Denoise(denoiser(), worker=False)
    assert effect.compile(RATE, 480).latency_samples == 480
    assert effect.compile(RATE, 64).latency_samples == 480 + 480 - 32


@pytest.mark.parametrize("channels", [1, 2])
def test_each_microphone_is_cleaned_by_itself_for_any_output(denoiser, channels):
    file = denoiser(power=1.0)
    x = np.stack([NOISE, np.flip(NOISE)])[:channels]
    program = rt.Denoise(file).compile(RATE, 480, in_channels=channels, out_channels=2)
    y = run(program, x)[:, program.latency_samples :]
    for heard, said in zip(y, x if channels == 2 else (x[0], x[0]), strict=True):
        wanted = rt.Model(file)(said, RATE, block=480)
        np.testing.assert_allclose(heard, wanted[: heard.size], atol=1e-6)


# -- what is mixed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limit_db", [0.0, 3.0, 12.0, 60.0, 100.0])
def test_the_attenuation_limit_is_a_share_of_the_noisy_signal(denoiser, limit_db):
    file = denoiser(power=1.0)
    wet = rt.Model(file)(NOISE, RATE)
    share = 10 ** (-limit_db / 20) if limit_db < 100 else 0.0
    y = rt.Denoise(file, attenuation_limit_db=limit_db, gain_db=6.0)(NOISE, RATE)
    wanted = (wet + (NOISE - wet) * share) * 10 ** (6 / 20)
    np.testing.assert_allclose(y, wanted, atol=2e-6)


def test_compare_plays_the_speech_as_loud_as_it_is_cleaned(denoiser, play):
    """This model halves what it keeps; the noisy signal is brought down to that, and no more."""
    time = np.arange(4 * RATE) / RATE
    said = 0.3 * np.sin(2 * np.pi * 500.0 * time) * (np.sin(2 * np.pi * 1.5 * time) > -0.5)
    noise = 0.02 * np.random.default_rng(2).standard_normal(time.size)
    for limit_db in (100.0, 12.0):
        effect = rt.Denoise(
            denoiser(power=20.0), name="d", gain_db=3.0, attenuation_limit_db=limit_db
        )
        program = effect.compile(RATE, 480, offline=True)
        half = 2 * RATE
        y = play(program, said + noise, [480], {half: {("d", "compare"): 1.0}})[0]
        late = program.latency_samples
        heard = [y[late + at : late + at + RATE] for at in (RATE - 4800, half + 4800)]
        spoken = [said[at : at + RATE] for at in (RATE - 4800, half + 4800)]
        cleaned, compared = (h @ s / (s @ s) for h, s in zip(heard, spoken, strict=True))
        assert compared == pytest.approx(cleaned, rel=0.03)
        residue = heard[1] / compared - (said + noise)[half + 4800 : half + 4800 + RATE]
        assert np.abs(residue).max() < 0.01


# -- pauses ----------------------------------------------------------------------------------------


def test_pauses_are_turned_down_behind_the_hold_and_words_are_not(denoiser):
    """Words of a tone in noise: 20 dB less noise between them, not a sample less of a word."""
    hold_ms, pause_db = 200.0, 20.0
    random = np.random.default_rng(3)
    x = 0.003 * random.standard_normal(8 * RATE)
    words = [round(at * RATE) for at in (4.5, 6.0)]
    length = RATE // 2
    for at in words:
        x[at : at + length] += 0.3 * np.sin(2 * np.pi * 300.0 / RATE * np.arange(length))
    x = x.astype(np.float32)
    plain = rt.Denoise(denoiser())(x, RATE)
    gated = rt.Denoise(denoiser(), pause_db=pause_db, hold_ms=hold_ms)(x, RATE)

    def change_db(start, end):
        return 10 * np.log10(np.mean(gated[start:end] ** 2) / np.mean(plain[start:end] ** 2))

    ms = RATE // 1000
    for at in words:
        assert change_db(at - 300 * ms, at - 100 * ms) == pytest.approx(-pause_db, abs=1.0)
        assert change_db(at, at + 50 * ms) > -0.05
        assert change_db(at + 50 * ms, at + length + 180 * ms) > -0.01
        assert change_db(at + length + 600 * ms, at + length + 800 * ms) < -pause_db + 1.0
    limited = rt.Denoise(denoiser(), pause_db=40.0, attenuation_limit_db=12.0)
    quiet = slice(words[0] - 300 * ms, words[0] - 100 * ms)
    floor = limited(x, RATE)[quiet] / x[quiet]
    np.testing.assert_allclose(floor, 10 ** (-12 / 20), rtol=0.05)


def low_noise(seconds):
    """Return noise below 3 kHz of power 1."""
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(round(seconds * RATE)))
    spectrum[round(3000 * seconds) :] = 0.0
    x = np.fft.irfft(spectrum)
    return x / np.sqrt(np.mean(x**2))


def tone(seconds, power_db):
    """Return a part of a word: 6 kHz of that power."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.sqrt(2.0) * 10 ** (power_db / 20) * np.sin(2 * np.pi * 6000.0 * time)


def put(x, at_seconds, *parts):
    """Add these parts, one after the other."""
    at = round(at_seconds * RATE)
    for part in parts:
        x[at : at + part.size] += part
        at += part.size


def lost_db(plain, gated, start, end):
    part = slice(round(start * RATE), round(end * RATE))
    return 10 * np.log10(np.mean(plain[part] ** 2) / np.mean(gated[part] ** 2))


@pytest.mark.parametrize("share", [0.05, 0.1])
@pytest.mark.parametrize(("start_db", "loud_db"), [(-10.0, 24.0), (0.0, 34.0), (6.0, 25.0)])
def test_a_start_as_weak_as_the_rest_of_the_noise_is_kept(denoiser, share, start_db, loud_db):
    """Words begin near the level of what the model leaves of the noise, and go on loud."""
    file, pause_db, rest_db = denoiser(share=share), 20.0, -45.0
    x = 10 ** (rest_db / 20) / share * low_noise(9.0)
    starts = (5.5, 7.0, 8.5)
    put(x, 4.0, tone(0.5, rest_db + loud_db))
    for at in starts:
        put(x, at, tone(0.06, rest_db + start_db), tone(0.4, rest_db + loud_db))
    x = x.astype(np.float32)
    plain, gated = (rt.Denoise(file, pause_db=down)(x, RATE) for down in (0.0, pause_db))
    for at in starts:
        assert lost_db(plain, gated, at - 0.3, at - 0.1) == pytest.approx(pause_db, abs=0.5)
        assert lost_db(plain, gated, at, at + 0.05) < 0.2
        assert lost_db(plain, gated, at + 0.05, at + 0.6) < 0.01


def test_soft_speech_taken_for_noise_does_not_hold_the_gate_open(denoiser):
    """All of it is left, so the share in pauses seems large; then comes noise, and it is learnt."""
    file, pause_db, share = denoiser(share=0.05), 20.0, 0.05
    x = 1e-6 * np.random.default_rng(8).standard_normal(8 * RATE)
    put(x, 3.2, tone(0.8, -15.0), tone(2.0, -60.0))
    put(x, 4.8, 10 ** (-60.0 / 20) / share * low_noise(3.2))
    x = x.astype(np.float32)
    plain, gated = (rt.Denoise(file, pause_db=down)(x, RATE) for down in (0.0, pause_db))
    assert lost_db(plain, gated, 5.2, 5.9) > pause_db - 0.5


def starts_of_words(clean, rate):
    """Return where speech rises above -30 dB of its loud parts after 150 ms below that."""
    step = rate // 1000
    power = np.convolve(clean.astype(np.float64) ** 2, np.ones(10 * step) / (10 * step), "same")
    loud = power[::step] > 1e-3 * np.percentile(power, 95)
    found, quiet = [], 0
    for at, now in enumerate(loud):
        if now and quiet > 150:
            found.append(at * step)
        quiet = 0 if now else quiet + 1
    return found


@pytest.mark.data
@pytest.mark.parametrize(
    ("voice", "noise", "snr_db"),
    [("kathleen_03", "moodist_fan", 20.0), ("kerstin_01", "moodist_rain", 10.0)],
)
def test_words_lose_nothing_of_their_starts(data_folder, voice, noise, snr_db):
    """Real speech in real noise, through the shipped denoiser: only pauses are turned down."""
    said = soundfile.read(data_folder / f"speech/test/{voice}.flac", dtype="float32")[0]
    said = said[: 3 * RATE]
    rest = np.zeros(3 * RATE // 2, np.float32)
    clean = np.concatenate([rest, said, rest, said])
    about = soundfile.read(data_folder / f"noise/test/{noise}.flac", dtype="float32")[0]
    about = np.resize(about, clean.size)
    share = np.sqrt(np.mean(clean**2) / np.mean(about**2)) * 10 ** (-snr_db / 20)
    noisy = clean + np.float32(share) * about
    plain = rt.Denoise()(noisy, RATE, block=480)
    gated = rt.Denoise(pause_db=20.0)(noisy, RATE, block=480)

    def change_db(part):
        return 10 * np.log10(np.mean(gated[part] ** 2) / np.mean(plain[part] ** 2))

    starts = starts_of_words(clean, RATE)
    assert len(starts) >= 2
    assert min(change_db(slice(at, at + RATE // 20)) for at in starts) > -0.3
    second = rest.size + said.size + rest.size
    pause = slice(second - RATE, second)
    assert np.median(np.abs(gated[pause]) / (np.abs(plain[pause]) + 1e-12)) < 0.2


# -- the worker, silence, bad files ----------------------------------------------------------------

STALLED = state_dtype(("process", "i8"), ("callee", "i8"))
stalled_at = struct_at(STALLED)


@kernel(STALLED)
def stalled(state, src, dst, frames):
    """Run the node inside, after params[0] microseconds of something else."""
    s = stalled_at(address_of(state))
    end = now_ns() + np.int64(1000.0 * f32_at(s.params)[0])
    while now_ns() < end:
        pass
    return call_process(s.process, s.callee, address_of(src), address_of(dst), frames)


def test_late_work_gives_its_delay_back(denoiser, monkeypatch, tmp_path):
    """While the worker is held up, sound is lost; afterwards it is as late as reported again."""
    pause_us = np.zeros(1, np.float32)
    make = ModelPlayer._inline_node

    def held_up(model, builder, block, params):
        inner = make(model, builder, block, params)
        inner.record["channels"], inner.record["stride"] = 1, block
        return Node(
            stalled,
            params=pause_us,
            latency_samples=inner.latency_samples,
            process=inner.kernel,
            callee=inner,
            inner=[inner],
        )

    monkeypatch.setattr(ModelPlayer, "_inline_node", held_up)
    noise = np.random.default_rng(5).uniform(-0.5, 0.5, 20 * RATE).astype(np.float32)
    effect = rt.Denoise(denoiser(), name="voice", worker=True)
    path = tmp_path / "heard.wav"
    with rt.Host(effect, "clock", RATE, 64, source=noise, record=path) as host:
        host.wait(0.8)
        pause_us[0] = 50_000.0
        host.wait(0.6)
        pause_us[0] = 0.0
        for _ in range(10):  # until it is hardly ever late
            before = host.stats().faults["voice: late"]
            host.wait(1.2)
            stats = host.stats()
            if stats.faults["voice: late"] < before + 5:
                break
    assert stats.faults["voice: late"] > 0
    heard = soundfile.read(path, dtype="float32")[0]
    late = stats.latency_samples

    def right(start, end):
        """Return which share of the samples is the right one at the right time."""
        part = slice(round(start * RATE), round(end * RATE))
        wanted = noise[part.start - late : part.stop - late]
        return np.mean(np.abs(heard[part] - wanted) < 1e-5)

    assert right(1.0, 1.3) < 0.3
    played = heard.size / RATE
    assert right(played - 0.6, played - 0.1) > 0.8


def test_silence_in_is_silence_out(denoiser):
    x = np.concatenate([NOISE, np.zeros(RATE, np.float32)])
    for setting in ({}, {"pause_db": 12.0}, {"attenuation_limit_db": 20.0}, {"compare": True}):
        y = rt.Denoise(denoiser(power=1.0), **setting)(x, RATE)
        assert np.abs(y[: NOISE.size]).max() > 0.01
        assert not y[NOISE.size + 960 :].any()


def test_any_sizes_of_block_give_the_same_sound(denoiser, play):
    """Behind a worker, whose calls may have any size."""
    x = np.tile(NOISE, 3) * np.repeat([0.01, 1.0, 0.01], NOISE.size).astype(np.float32)
    effect = {"pause_db": 20.0, "hold_ms": 60.0, "attenuation_limit_db": 30.0, "gain_db": -3.0}

    def program():
        return rt.Denoise(denoiser(), worker=True, **effect).compile(RATE, 960, offline=True)

    whole = play(program(), x, [960])
    pieces = play(program(), x, [480, 100, 380, 960, 1, 959])
    np.testing.assert_array_equal(pieces, whole)


def test_a_file_that_is_no_denoiser_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.onnx: no such model file"):
        rt.Denoise(tmp_path / "absent.onnx")
    with pytest.raises(
        ValueError, match=r"attenuation_limit_db = 101 is out of range 0 \.\. 100 dB"
    ):
        rt.Denoise(attenuation_limit_db=101.0)
