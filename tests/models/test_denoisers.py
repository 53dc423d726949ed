"""Third-party denoisers against their authors' pipelines: loops over frames, with own transform."""

from __future__ import annotations

import os
import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
from scipy.signal import correlate, resample_poly

from rtaudio.analysis.speech import si_sdr_db
from rtaudio.effects.model import Model
from rtaudio.errors import ContractError, FormatError, PresetError
from rtaudio.models.loader import load_model
from rtaudio.preset.load import load_preset
from rtaudio.preset.save import save_preset
from rtaudio.runtime.offline import run

pytestmark = pytest.mark.data

RATE = 16_000
SCORES_DB = {
    "dtln": {"p232_005": 15.90, "p257_004": 15.49},
    "gtcrn": {"p232_005": 11.88, "p257_004": 13.07},
    "ulunas": {"p232_005": 13.37, "p257_004": 16.65},
}


@pytest.fixture(scope="module")
def recording(data_folder):
    """Return ``recording(kind, clip)``, kind noisy or clean."""

    def read(kind, clip):
        return soundfile.read(
            data_folder / "denoise_eval" / "vbd17" / kind / f"{clip}.flac", dtype="float32"
        )[0]

    return read


def sessions(*paths):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return [onnxruntime.InferenceSession(str(p), options, ["CPUExecutionProvider"]) for p in paths]


def dtln(folder, x):
    first, second = sessions(folder / "dtln" / "model_1.onnx", folder / "dtln" / "model_2.onnx")
    states = np.zeros((1, 2, 128, 2), "f4"), np.zeros((1, 2, 128, 2), "f4")
    seen, summed, out = np.zeros(512), np.zeros(512), []
    for hop in x.reshape(-1, 128):
        seen = np.r_[seen[128:], hop]
        spectrum = np.fft.rfft(seen)
        size, phase = np.abs(spectrum)[None, None].astype("f4"), np.angle(spectrum)
        mask, following = first.run(None, {"input_2": size, "input_3": states[0]})
        frame = np.fft.irfft(size * mask * np.exp(1j * phase)).astype("f4")
        made, last = second.run(None, {"input_4": frame, "input_5": states[1]})
        states = following, last
        summed = np.r_[summed[128:], np.zeros(128)] + made.ravel()
        out.append(summed[:128])
    return np.concatenate(out)


def gtcrn(folder, x):
    (session,) = sessions(folder / "gtcrn" / "gtcrn_simple.onnx")
    root = np.sqrt(np.hanning(513)[:-1])
    return cached(session, root, root, x)


def ulunas(folder, x):
    (session,) = sessions(folder / "ulunas" / "ulunas_stream_simple.onnx")
    hann = np.hanning(513)[:-1]
    return cached(session, hann, hann / (hann**2 + np.roll(hann, 256) ** 2), x)


def cached(session, analysis, synthesis, x):
    """Frames of 512 at a hop of 256, with caches as state."""
    _, *caches = session.get_inputs()
    state = {cache.name: np.zeros(cache.shape, "f4") for cache in caches}
    seen, summed, out = np.zeros(512), np.zeros(512), []
    for hop in x.reshape(-1, 256):
        seen = np.r_[seen[256:], hop]
        spectrum = np.fft.rfft(seen * analysis)
        pairs = np.stack([spectrum.real, spectrum.imag], -1).reshape(1, 257, 1, 2)
        made, *following = session.run(None, {"mix": pairs.astype("f4"), **state})
        state = dict(zip(state, following, strict=True))
        made = made[0, :, 0]
        frame = np.fft.irfft(made[:, 0] + 1j * made[:, 1]) * synthesis
        summed = np.r_[summed[256:], np.zeros(256)] + frame
        out.append(summed[:256])
    return np.concatenate(out)


FAMILIES = {"dtln": (dtln, 128, 384), "gtcrn": (gtcrn, 256, 256), "ulunas": (ulunas, 256, 256)}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def folder(family, data_folder):
    return data_folder / "models" / family


@pytest.fixture(scope="module")
def latency(family):
    return FAMILIES[family][2]


@pytest.fixture(scope="module")
def heard(family, data_folder, recording):
    """1.5 s of noisy speech, and the output of the authors' pipeline for it."""
    pipeline, hop, _ = FAMILIES[family]
    x = recording("noisy", "p232_001")[: 24_000 // hop * hop]
    return x, pipeline(data_folder / "models", x)


@pytest.mark.parametrize("block", [17, 64, 480, 512, 24_000])
def test_any_block_size_gives_the_output_of_the_authors_loop(folder, latency, heard, block):
    x, wanted = heard
    program = Model(folder).compile(RATE, block, offline=True)
    late = program.latency_samples - latency
    out = run(program, np.pad(x, (0, -len(x) % block))[None])[0]
    assert np.abs(out[late : len(x)] - wanted[: len(x) - late]).max() <= 1e-5
    assert np.abs(out[:late]).max(initial=0) == 0


@pytest.mark.parametrize("rate", [8000, 11025])
def test_speech_of_a_narrow_band_is_no_noise(data_folder, recording, rate):
    """Clean speech without anything above its band: of it the bare net leaves -42 to -61 dB."""
    x = resample_poly(recording("clean", "p232_001")[: 3 * RATE], rate, RATE).astype("f4")
    y = Model(data_folder / "models" / "ulunas")(x, rate)
    assert 10 * np.log10(np.mean(y**2) / np.mean(x**2)) > -1


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_the_reported_latency_is_the_measured_one(folder, latency, recording, rate):
    """Clean speech passes unchanged, so input and output correlate most when they are aligned."""
    clean = resample_poly(recording("clean", "p257_004")[:32_000], rate // RATE, 1)
    program = Model(folder).compile(rate, 480, offline=True)
    out = run(program, np.pad(clean, (0, 4800))[None].astype("f4"))[0]
    measured = int(np.argmax(correlate(out, clean, method="fft"))) - len(clean) + 1
    assert measured == program.latency_samples
    assert load_model(folder).file.card.latency_samples == latency


def test_a_host_at_another_rate_hears_the_same_at_every_block_size(folder, recording):
    x = resample_poly(recording("noisy", "p232_001")[:16_000], 3, 1).astype("f4")
    whole = Model(folder)(x, 48_000, block=len(x))
    for block in (17, 480, 512):
        np.testing.assert_allclose(Model(folder)(x, 48_000, block=block), whole, atol=1e-5)


def test_a_reset_restores_the_start_state(folder, heard):
    """NaN resets a model: after it, the model plays as from the start."""
    x = heard[0][: 20 * 512]
    first = run(Model(folder).compile(RATE, 512, offline=True), x[None])[0]
    program = Model(folder, name="denoise").compile(RATE, 512, offline=True)
    again = run(program, np.concatenate([x, np.full(512, np.nan, "f4"), x])[None])[0]
    assert program.faults
    np.testing.assert_array_equal(again[len(x) + 512 :], first)
    assert np.isfinite(again).all()


@pytest.mark.parametrize("clip", ["p232_005", "p257_004"])
def test_it_removes_as_much_noise_as_in_the_authors_loop(family, folder, recording, clip):
    noisy, clean = recording("noisy", clip), recording("clean", clip)
    got = si_sdr_db(clean, Model(folder)(noisy, RATE))
    assert got == pytest.approx(SCORES_DB[family][clip], abs=0.01)
    assert got >= si_sdr_db(clean, noisy) + 10


def test_silence_stays_silent(folder):
    assert np.abs(Model(folder)(np.zeros(RATE, "f4"), RATE)).max() <= 1e-4


# Files


@pytest.fixture
def copied(folder, tmp_path):
    """A copy of the folder whose files can be changed."""
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    return copy


def test_each_file_is_the_whole_denoiser(folder, copied):
    card = load_model(folder).file.card
    for number, file in enumerate(sorted(copied.glob("*.onnx"))):
        file.rename(copied / f"renamed {number}.onnx")
    for file in copied.glob("*.onnx"):
        named = load_model(file).file.card
        assert named.model_dump(exclude={"provenance"}) == card.model_dump(exclude={"provenance"})
        assert "renamed 0.onnx" in named.provenance["files"]


def test_links_into_a_store_count_by_their_own_names(copied, tmp_path):
    files = sorted(copied.glob("*.onnx"))
    for number, file in enumerate(files):
        stored = file.rename(tmp_path / str(number))
        file.symlink_to(stored)
    assert load_model(files[0]).file.card.hop == load_model(copied).file.card.hop


def test_a_changed_file_is_read_again(copied):
    files = sorted(copied.glob("*.onnx"))
    named, other = files[0], files[-1]
    first = load_model(named)
    assert load_model(named) is first
    os.utime(other, (0, 0))
    assert load_model(named) is not first


def test_a_folder_plays_as_a_preset_and_inside_one(copied, heard, tmp_path):
    chain = load_preset(copied)
    assert [effect.kind for effect in chain.effects] == ["denoise"]
    wet = chain(heard[0], RATE)
    np.testing.assert_allclose(wet, Model(copied)(heard[0], RATE), atol=2e-6)
    save_preset(chain, tmp_path / "voice.yaml")
    np.testing.assert_array_equal(load_preset(tmp_path / "voice.yaml")(heard[0], RATE), wet)
    with pytest.raises(PresetError, match="plays without a cabinet"):
        load_preset(copied, cabinet="british-4x12")


def test_it_becomes_a_model_file_of_ours(data_folder, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed (extra: train)")
    from export.cli import export

    source, ours = data_folder / "models" / "gtcrn", tmp_path / "ours.onnx"
    export(source, ours)
    assert ours.read_bytes() == load_model(source).file.data
    assert load_model(ours).file.card == load_model(source).file.card
    with pytest.raises(ValueError, match="is a model file already"):
        export(ours, tmp_path / "again.onnx")
    with pytest.raises(ValueError, match=r"GTCRN cannot be written as \.nam"):
        export(source, tmp_path / "gtcrn.nam")
    assert list(tmp_path.iterdir()) == [ours]


def refusal(path):
    with pytest.raises((FormatError, ContractError)) as told:
        load_model(path)
    text = str(told.value)
    assert "\n" not in text
    assert text.startswith(str(path.parent))
    return text


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(copied, share):
    file = min(copied.glob("*.onnx"))
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    for path in (file, copied):
        assert "empty" in refusal(path) if share == 0 else "cut short" in refusal(path)


def changed(folder, change):
    file = min(folder.glob("*.onnx"))
    proto = onnx.load(file)
    change(proto)
    file.write_bytes(proto.SerializeToString())
    return file


def test_a_damaged_weight_is_refused(copied):
    def spoil(proto):
        for tensor in proto.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                nothing = np.full(tuple(tensor.dims), np.nan, "f4")
                tensor.CopyFrom(onnx.numpy_helper.from_array(nothing, tensor.name))

    assert "no usable signal" in refusal(changed(copied, spoil))


def test_a_weight_that_is_not_there_is_refused(copied):
    def swell(proto):
        proto.graph.initializer[0].dims[:] = [1 << 40]

    assert "which its data do not fill" in refusal(changed(copied, swell))


def test_a_missing_output_is_refused(copied):
    file = changed(copied, lambda proto: proto.graph.output.pop())
    assert "as published" in refusal(file)


def test_another_input_is_another_net(copied):
    def rename(proto):
        proto.graph.input[0].type.tensor_type.shape.dim[-1].dim_value += 1

    file = changed(copied, rename)
    assert "no metadata 'rtaudio'" in refusal(file)


def test_a_lone_stage_is_refused(data_folder, tmp_path):
    for name, other in (("model_1", "second stage"), ("model_2", "first stage")):
        alone = tmp_path / name
        alone.mkdir()
        file = shutil.copy(data_folder / "models" / "dtln" / f"{name}.onnx", alone / "a.onnx")
        for path in (file, alone):
            assert f"the {other} of DTLN is missing" in refusal(path)


def test_a_folder_of_several_denoisers_is_refused(data_folder, tmp_path):
    both = tmp_path / "both"
    for name in ("gtcrn", "ulunas"):
        shutil.copytree(data_folder / "models" / name, both, dirs_exist_ok=True)
    assert "name one of the files" in refusal(both)
    assert load_model(both / "gtcrn_simple.onnx").file.card.name == "GTCRN"
    shutil.copy(both / "gtcrn_simple.onnx", both / "gtcrn.onnx")
    (both / "ulunas_stream_simple.onnx").unlink()
    assert "gtcrn.onnx and gtcrn_simple.onnx are both GTCRN" in refusal(both)


def test_a_folder_without_one_is_refused(tmp_path):
    assert "DTLN" in refusal(tmp_path)
    with pytest.raises(PresetError, match="not a file"):
        load_preset(tmp_path)


def test_a_net_that_is_no_denoiser_is_refused(data_folder):
    refusal(data_folder / "models" / "silero_vad" / "silero_vad_op18_ifless.onnx")
