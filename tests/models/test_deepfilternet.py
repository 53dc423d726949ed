"""DeepFilterNet3 in one streaming graph against its three published graphs over a whole recording.

The reference follows the published description: transform, features, gains, filter and overlap-add
in float64, and the three graphs by ONNX Runtime over all frames at once.
"""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
from onnx import numpy_helper

from rtaudio.effects.model import Model
from rtaudio.errors import ContractError, FormatError
from rtaudio.models.loader import load_model
from rtaudio.runtime.offline import run

pytestmark = pytest.mark.data

N_FFT, HOP, LOOK_AHEAD, ORDER, BANDS, LOWER = 960, 480, 2, 5, 32, 96
LATENCY = N_FFT - HOP + LOOK_AHEAD * HOP
GRAPHS = ("enc.onnx", "erb_dec.onnx", "df_dec.onnx")
# Bins per band, from the authors' library.
WIDTHS = [2] * 13 + [5, 5, 7, 7, 8, 10, 12, 13, 15, 18, 20, 24, 28, 31, 37, 42, 50, 56, 67]


@pytest.fixture(scope="module")
def folder(data_folder):
    return data_folder / "models" / "deepfilternet3"


@pytest.fixture(scope="module")
def copy(folder, tmp_path_factory):
    """Return a function that copies the folder, so that files can be changed."""

    def make():
        target = tmp_path_factory.mktemp("net")
        for name in (*GRAPHS, "config.ini"):
            shutil.copyfile(folder / name, target / name)
        return target

    return make


@pytest.fixture(scope="module")
def noisy(data_folder):
    file = sorted((data_folder / "denoise_eval" / "dfns6" / "noisy").glob("*.flac"))[0]
    return soundfile.read(file, dtype="float32")[0][: 150 * HOP]


def sessions(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return [
        onnxruntime.InferenceSession(str(folder / name), options, ["CPUExecutionProvider"])
        for name in GRAPHS
    ]


def whole_file(folder, x, look_ahead=LOOK_AHEAD, filter_ahead=2):
    """Enhance x; sample n of the result is sample n - 480 of x."""
    window = np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(N_FFT) + 0.5) / N_FFT) ** 2)
    frames = len(x) // HOP
    late = np.r_[np.zeros(HOP), x]
    spectra = np.stack(
        [np.fft.rfft(late[t * HOP : t * HOP + N_FFT] * window) / N_FFT for t in range(frames)]
    )
    starts = np.cumsum([0, *WIDTHS[:-1]])
    power = np.add.reduceat(np.abs(spectra) ** 2, starts, axis=1) / WIDTHS
    level = 10 * np.log10(power + 1e-10)
    mean, unit = np.linspace(-60, -90, BANDS), np.linspace(1e-3, 1e-4, LOWER)
    bands, bins = np.empty_like(level), np.empty((frames, LOWER), complex)
    for t in range(frames):
        mean = 0.99 * mean + 0.01 * level[t]
        unit = 0.99 * unit + 0.01 * np.abs(spectra[t, :LOWER])
        bands[t] = (level[t] - mean) / 40
        bins[t] = spectra[t, :LOWER] / np.sqrt(unit)
    ahead = ((0, look_ahead), (0, 0))
    bands, bins = (np.pad(feature[look_ahead:], ahead) for feature in (bands, bins))

    enc, erb_dec, df_dec = sessions(folder)
    inputs = {
        "feat_erb": bands[None, None].astype("f4"),
        "feat_spec": np.stack([bins.real, bins.imag])[None].astype("f4"),
    }
    names = ["e0", "e1", "e2", "e3", "emb", "c0"]
    made = dict(zip(names, enc.run(names, inputs), strict=True))
    gains = erb_dec.run(["m"], {name: made[name] for name in names[:5]})[0][0, 0]
    pairs = df_dec.run(["coefs"], {"emb": made["emb"], "c0": made["c0"]})[0][0].astype("f8")
    coefficients = pairs[..., 0::2] + 1j * pairs[..., 1::2]

    enhanced = spectra * np.repeat(gains, WIDTHS, axis=1)
    around = np.pad(spectra[:, :LOWER], ((ORDER - 1 - filter_ahead, filter_ahead), (0, 0)))
    enhanced[:, :LOWER] = sum(around[i : i + frames] * coefficients[..., i] for i in range(ORDER))
    out = np.zeros(len(x) + HOP)
    for t in range(frames):
        out[t * HOP : t * HOP + N_FFT] += np.fft.irfft(enhanced[t] * N_FFT) * window
    return out[: len(x)]


@pytest.fixture(scope="module")
def wanted(folder, noisy):
    """The reference output for the recording and the silence after it."""
    return whole_file(folder, ended(noisy))[: HOP + len(noisy)]


def ended(x, look_ahead=LOOK_AHEAD):
    return np.r_[x, np.zeros((look_ahead + 2) * HOP)]


def played(program, x):
    """Play x to its end, and drop the latency except for the hop before x.

    The filter already answers there: its first frame begins there, and depends on later ones.
    """
    late = program.latency_samples
    block = program.block
    samples = len(x) + late
    out = run(program, np.pad(x, (0, late + (-samples) % block))[None])[0]
    assert np.abs(out[: late - HOP]).max(initial=0) == 0
    return out[late - HOP : late + len(x)]


@pytest.mark.parametrize("block", [17, 64, 480, 512, 24_000])
def test_any_block_size_gives_the_output_of_the_whole_recording(folder, noisy, wanted, block):
    program = Model(folder).compile(48_000, block, offline=True)
    assert program.latency_samples == LATENCY + HOP - np.gcd(HOP, block)
    assert np.abs(played(program, noisy) - wanted).max() <= 1e-4
    assert np.abs(wanted).max() > 0.1


def test_a_reset_forgets_everything(folder, noisy):
    x = noisy[: 60 * HOP]
    program = Model(folder).compile(48_000, HOP, offline=True)
    first = run(program, x[None])
    changed = run(program, x[None])
    run(program, np.full((1, HOP), np.nan, np.float32))
    assert sum(program.faults.values()) == 1
    np.testing.assert_array_equal(run(program, x[None]), first)
    assert np.abs(changed - first).max() > 0.01


def test_speech_is_late_by_the_latency_to_the_sample(folder, noisy):
    program = Model(folder).compile(48_000, HOP, offline=True)
    out = run(program, noisy[None])[0]
    size = 2 * len(noisy)
    product = np.fft.rfft(out, size) * np.conj(np.fft.rfft(noisy, size))
    assert np.argmax(np.fft.irfft(product)) == LATENCY == program.latency_samples


@pytest.mark.parametrize(("look_ahead", "filter_ahead"), [(0, 0), (1, 0), (3, 2)])
def test_the_look_ahead_is_that_of_the_config(copy, noisy, look_ahead, filter_ahead):
    folder = copy()
    text = (folder / "config.ini").read_text()
    for key, value in (("conv_lookahead", look_ahead), ("df_lookahead", filter_ahead)):
        assert f"{key} = 2" in text
        text = text.replace(f"{key} = 2", f"{key} = {value}")
    (folder / "config.ini").write_text(text)
    x = noisy[: 40 * HOP]
    program = Model(folder).compile(48_000, HOP, offline=True)
    assert program.latency_samples == HOP + look_ahead * HOP
    wanted = whole_file(folder, ended(x, look_ahead), look_ahead, filter_ahead)
    wanted = wanted[: HOP + len(x)]
    assert np.abs(played(program, x) - wanted).max() <= 1e-4


def test_minutes_of_silence_do_no_harm(folder, noisy):
    """By then the running levels have underflowed."""
    file = load_model(folder).file
    session = onnxruntime.InferenceSession(file.data, providers=["CPUExecutionProvider"])
    states = {state.input_name: state.zeros() for state in file.states}
    states["state.started"] += 1
    states["state.norm"][:, :BANDS] = np.log(1e-10)
    names = [state.output_name for state in file.states]
    for k in range(20):
        x = noisy[k * HOP : (k + 1) * HOP] if k > 10 else np.zeros(HOP, "f4")
        out, *following = session.run(["audio_out", *names], {"audio": x[None, None], **states})
        states = dict(zip(states, following, strict=True))
        assert np.isfinite(out).all()
        assert (np.abs(out).max() == 0) == (k <= 10)


def test_the_card_is_complete(folder):
    card = load_model(folder).file.card
    assert (card.name, card.rate_hz, card.hop) == ("DeepFilterNet3", 48_000, HOP)
    assert card.latency_samples == LATENCY
    assert card.architecture["weights"] == pytest.approx(2.13e6, rel=0.01)
    assert load_model(folder / "df_dec.onnx").file.card.latency_samples == LATENCY


def remove(name):
    return lambda folder: (folder / name).unlink()


def rewrite(old, new):
    def change(folder):
        config = folder / "config.ini"
        assert old in config.read_text()
        config.write_text(config.read_text().replace(old, new))

    return change


def cut(folder):
    data = (folder / "erb_dec.onnx").read_bytes()
    (folder / "erb_dec.onnx").write_bytes(data[: len(data) // 2])


def edit(name, change):
    def changed(folder):
        proto = onnx.load(folder / name)
        change(proto.graph)
        (folder / name).write_bytes(proto.SerializeToString())

    return changed


def transposed(graph):
    tensor = next(t for t in graph.initializer if list(t.dims) == [64, 64, 1, 1])
    values = numpy_helper.to_array(tensor)[:, :32]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def giant(graph):
    graph.initializer[0].dims[0] = 1 << 40


def elsewhere(graph):
    tensor = next(t for t in graph.initializer if list(t.dims) == [64, 64, 1, 1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="config.ini")


def infinite(graph):
    for tensor in graph.initializer:
        if list(tensor.dims) == [64, 64, 1, 1]:
            values = np.full((64, 64, 1, 1), np.nan, np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def other_operator(graph):
    next(node for node in graph.node if node.op_type == "Sigmoid").op_type = "Tanh"


def constant_of_nothing(graph):
    del next(node for node in graph.node if node.op_type == "Constant").output[:]


def circle(graph):
    relu = next(node for node in graph.node if "e3" in node.output)
    relu.input[0] = "e3"


BROKEN = {
    "no decoder": (remove("df_dec.onnx"), "decoder of coefficients of DeepFilterNet3 is missing"),
    "no config": (remove("config.ini"), "config.ini is missing"),
    "damaged config": (rewrite("[train]", "train"), "config.ini is damaged"),
    "another net's config": (rewrite("model = deepfilternet3", "model = deepfilternet2"), "model"),
    "config without a key": (rewrite("nb_df = 96", ""), "nb_df"),
    "huge": (rewrite("nb_erb = 32", "nb_erb = 100000000"), "nb_erb"),
    "too far ahead": (rewrite("df_lookahead = 2", "df_lookahead = 3"), "df_lookahead 3"),
    "another size": (rewrite("conv_ch = 64", "conv_ch = 32"), "not float32 of shape"),
    "post-filter": (rewrite("mask_pf = False", "mask_pf = True"), "post-filter is not supported"),
    "cut short": (cut, "not an ONNX file, or cut short"),
    "weights of another shape": (edit("enc.onnx", transposed), "not float32 of shape"),
    "weights that claim memory": (edit("erb_dec.onnx", giant), "not float32 of shape"),
    "weights in another file": (edit("enc.onnx", elsewhere), "not float32 of shape"),
    "weights of no number": (edit("enc.onnx", infinite), "no usable signal"),
    "another operator": (edit("erb_dec.onnx", other_operator), "Tanh where Sigmoid was expected"),
    "circle": (edit("enc.onnx", circle), "e3"),
}


def test_a_constant_without_output_is_ignored(copy):
    folder = copy()
    edit("erb_dec.onnx", constant_of_nothing)(folder)
    assert load_model(folder).file.card.name == "DeepFilterNet3"


@pytest.mark.parametrize(("damage", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_damaged_files_are_refused_in_one_line(copy, damage, reason):
    folder = copy()
    damage(folder)
    with pytest.raises((FormatError, ContractError)) as caught:
        load_model(folder)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(str(folder))
    assert "\n" not in message
    assert len(message) < 300 + len(str(folder))
