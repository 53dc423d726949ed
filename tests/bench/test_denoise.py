"""The figures of denoisers: aligned by what a model reports, on mixtures as they say they are."""

from __future__ import annotations

import dataclasses
import math
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
from scipy import signal

from rtaudio.analysis.speech import si_sdr_db
from rtaudio.bench import denoise
from rtaudio.bench.denoise import System
from rtaudio.bench.macs import fourier_macs
from rtaudio.bench.recordings import EvalClip
from rtaudio.errors import MetricsError
from rtaudio.models.contract.card import GOLDEN_SAMPLES, Card, Golden
from rtaudio.models.contract.check import check_model
from rtaudio.models.contract.metadata import write_metadata
from rtaudio.models.graph.frames import FrameGraph
from rtaudio.models.onnx_player import model_node, play

RATE_HZ = 48000
HOP = 480

needs_pesq = pytest.mark.skipif(
    find_spec("pesq") is None, reason="pesq is not installed: pip install 'rtaudio[metrics]'"
)


def transparent(path, *, latency=HOP):
    """Write a model that changes nothing, 480 samples late, and says it is ``latency`` late."""
    graph = FrameGraph(2 * HOP, HOP, opset=17)
    window = np.sqrt(signal.windows.hann(2 * HOP, sym=False))
    bins = graph.transform(graph.frame(), window, [1, 2, HOP + 1])
    graph.overlap_add(graph.inverse(bins, window, pairs=False))
    proto = graph.model()
    card = Card(
        name="nothing", sample_rate=RATE_HZ, channels=(1, 1), hop=HOP, latency=latency,
        architecture={"n_fft": 2 * HOP}, license="CC0-1.0", provenance={},
    )  # fmt: skip
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, GOLDEN_SAMPLES)).astype(np.float32)
    write_metadata(proto, card, Golden(noise, np.zeros_like(noise)))
    file = check_model(proto, path)
    golden = play(file, lambda block, params: model_node(file, block, params), noise)
    write_metadata(proto, card, Golden(noise, golden))
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture(scope="module")
def nothing(tmp_path_factory):
    return System("nothing", transparent(tmp_path_factory.mktemp("models") / "nothing.onnx"))


@pytest.fixture(scope="module")
def speech():
    """Two seconds of pulses in syllables: as much speech as the measures need."""
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    pulses = np.diff(np.floor(np.cumsum(120.0 + 20.0 * np.sin(4 * time)) / RATE_HZ), prepend=0.0)
    voice = signal.lfilter(*signal.iirpeak(700.0, 5.0, RATE_HZ), pulses)
    voice *= np.clip(np.sin(2 * np.pi * 2.5 * time), 0.0, None)
    return 0.3 * voice / np.abs(voice).max()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, speech):
    """A data folder with one pair at 48 kHz, and a voice and a noise that were held out."""
    root = tmp_path_factory.mktemp("data")
    rest = 0.05 * np.random.default_rng(0).standard_normal(speech.size)
    for name, x in {
        "denoise_eval/dfns6/clean/a": speech, "denoise_eval/dfns6/noisy/a": speech + rest,
        "speech/test/nsd_f1": speech, "noise/test/blanket_wind": rest[: RATE_HZ // 2],
    }.items():  # fmt: skip
        file = root / f"{name}.flac"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, x, RATE_HZ, "PCM_24")
    return root


def test_a_model_is_shifted_back_by_what_it_reports(nothing, speech):
    y = denoise.enhance(nothing, speech, RATE_HZ)
    np.testing.assert_allclose(y, speech, atol=1e-5)
    # from another rate and back: the resampler cuts a little off the pulses, and adds latency
    slow = signal.resample_poly(speech, 1, 3)
    assert si_sdr_db(slow, denoise.enhance(nothing, slow, 16000)) > 40


def test_models_of_one_name_are_told_apart(tmp_path):
    more = [tmp_path / folder / "denoise.onnx" for folder in "ab"]
    found, _ = denoise.find_systems(tmp_path, more)
    names = {system.file: system.name for system in found}
    assert [names[file] for file in more] == [str(file) for file in more]
    assert len(set(names.values())) == len(found)


def test_a_wrong_report_costs(tmp_path, speech):
    liar = System("liar", transparent(tmp_path / "liar.onnx", latency=HOP - 5))
    assert si_sdr_db(speech, denoise.enhance(liar, speech, RATE_HZ)) < 20


def test_silence_stays_silent(nothing, speech):
    assert denoise.silence_peak_db(nothing, speech, RATE_HZ) == -200.0


def test_costs_are_those_of_the_model(nothing, speech):
    found = denoise.measure_costs([System("noisy"), nothing], speech, RATE_HZ, rounds=1)
    assert list(found) == ["nothing"]
    row = found["nothing"]
    assert (row["rate_hz"], row["hop_ms"], row["latency_ms"]) == (RATE_HZ, 10.0, 20.0)
    assert row["mmacs"] == pytest.approx(fourier_macs(2 * HOP) * 100 / 1e6)
    assert row["mmacs"] == pytest.approx(row["fourier_mmacs"])
    assert 0 < row["p50_us"] <= row["p99_us"]
    assert row["real_time_factor"] == pytest.approx(row["p50_us"] / 10_000)


@pytest.mark.data
def test_mixtures_hold_every_unheard_voice_and_noise_at_the_snr_they_state(data_folder):
    found = [r for r in denoise.recordings(data_folder) if r.group == "held_out"]
    assert len(found) == 44
    assert len({(r.noise, r.snr_db) for r in found}) == 44
    assert len({r.noise for r in found}) == 11
    voices = {r.noisy.stem for r in found}
    assert len(voices) == 17
    assert sum("_f" in name for name in voices) == 8  # women: 3 librispeech, 3 nsd, 2 ptdb
    for sound in found[::6]:
        noisy, clean, rate_hz = sound.read()
        assert rate_hz == RATE_HZ
        assert np.abs(noisy).max() <= 0.98
        snr_db = 10 * math.log10(np.sum(clean**2) / np.sum((noisy - clean) ** 2))
        assert snr_db == pytest.approx(sound.snr_db, abs=1e-6)
        np.testing.assert_array_equal(sound.read()[0], noisy)


def test_a_gain_is_one_of_both(folder):
    loud = EvalClip("dfns6", "a", *(folder / f"denoise_eval/dfns6/{k}/a.flac"
                                     for k in ("noisy", "clean")))  # fmt: skip
    quiet = dataclasses.replace(loud, gain_db=-40.0)
    for x, y in zip(loud.read()[:2], quiet.read()[:2], strict=True):
        np.testing.assert_allclose(0.01 * x, y)


def test_a_quick_run_takes_a_sixth_of_every_group(folder):
    everything, few = denoise.recordings(folder), denoise.recordings(folder, quick=True)
    assert {r.group for r in everything} == {r.group for r in few} == {
        "dfns6", "held_out", "clean", "quiet",
    }  # fmt: skip
    assert [r.snr_db for r in everything if r.group == "held_out"] == [0, 5, 10, 15]
    assert len([r for r in few if r.group == "held_out"]) == 1


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(MetricsError, match="holds no recordings"):
        denoise.recordings(tmp_path)


@needs_pesq
def test_what_changes_nothing_gains_nothing_and_what_is_nothing_is_the_noise(folder, nothing):
    chosen = [System("noisy"), nothing]
    rows = list(denoise.scores(chosen, denoise.recordings(folder), None))
    for name in ("noisy", "nothing"):
        found = denoise.summary([row for row in rows if row["system"] == name])
        for group in ("dfns6", "held_out"):
            assert found["groups"][group]["si_sdr_gain_db"] == pytest.approx(0.0, abs=1e-3)
            assert found["groups"][group]["snr_gain_db"] == pytest.approx(0.0, abs=1e-3)
        assert found["robustness"]["quiet_si_sdr_change_db"] == pytest.approx(0.0, abs=1e-3)
        assert found["robustness"]["clean_si_sdr_db"] > 90
        curve = [found["snr_curve"][snr]["si_sdr_db"] for snr in ("0", "5", "10", "15")]
        np.testing.assert_allclose(curve, [0, 5, 10, 15], atol=0.3)
        overall = found["groups"]["held_out"]["si_sdr_db"]
        assert found["parts"]["women"]["si_sdr_db"] == pytest.approx(overall)
        assert set(found["parts"]) == {"women", "blanket_wind"}


def test_means_leave_out_what_was_not_measured():
    def row(group, **measured):
        return {"system": "x", "group": group, "recording": "", "snr_db": None, **measured}

    found = denoise.summary([
        row("vbd17", pesq=2.0, stoi=0.9), row("vbd17", pesq=math.nan, stoi=0.7),
        row("dns4x6", ovr=3.0), row("dfns6", si_sdr_db=10.0), row("quiet", si_sdr_db=4.0),
        row("clean", si_sdr_db=25.0, ovr=3.1),
    ])  # fmt: skip
    assert found["groups"]["vbd17"] == {"pesq": 2.0, "stoi": pytest.approx(0.8), "count": 2}
    assert found["groups"]["dns4x6"] == {"ovr": 3.0, "count": 1}
    assert set(found["groups"]) == {"vbd17", "dfns6", "dns4x6"}
    assert found["robustness"] == {
        "clean_ovr": 3.1, "clean_si_sdr_db": 25.0, "quiet_si_sdr_change_db": -6.0,
    }  # fmt: skip
