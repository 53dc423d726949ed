"""The codec as two nets: streams, files, bitrates, losses of frames."""

from __future__ import annotations

import itertools

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from onnx import numpy_helper  # noqa: E402

from export.exporter import export_model  # noqa: E402
from rtaudio.models.contract.check import read_model  # noqa: E402
from training.codec.start import start_codec  # noqa: E402
from training.models.codec import CANDIDATES, Codec  # noqa: E402

CARD = {"name": "codec", "license": "Apache-2.0", "provenance": {}}
SIZES = {
    "books": 8,
    "entries": 32,
    "shape_dims": 12,
    "width": 16,
    "hidden": 24,
    "encoder_dilations": (1, 2),
    "decoder_dilations": (2, 3),
}
RATES = (16000, 48000)


def sound(rate_hz, frames, seed=0, batch=1):
    """Decaying tones over noise: (batch, 1, samples)."""
    generator = np.random.default_rng(seed)
    time = np.arange(frames * rate_hz // 50) / rate_hz
    hz = generator.uniform(100, 3000, (batch, 6, 1))
    tones = np.sin(2 * np.pi * hz * time) * np.exp(-6 * ((time * 5) % 1))
    x = 0.05 * tones.sum(axis=1) + 0.01 * generator.standard_normal((batch, len(time)))
    return torch.tensor(x[:, None], dtype=torch.float32)


def made(rate_hz, seed=0):
    torch.manual_seed(seed)
    codec = Codec(rate_hz=rate_hz, **SIZES)
    start_codec(codec, sound(rate_hz, 20, batch=12))
    return codec.eval()


@pytest.fixture(scope="module")
def codecs():
    return {rate_hz: made(rate_hz) for rate_hz in RATES}


def encode(codec, x, books):
    return codec.encode(x, codec.encoder_state(len(x)), books)[0]


def decode(codec, codes):
    return codec.decode(codes, codec.decoder_state(len(codes)))[0]


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("books", [3, 5, 8])
@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(1, 24), max_size=6, unique=True))
def test_any_cut_of_the_stream_gives_the_codes_and_samples_of_the_whole(
    codecs, rate_hz, books, cuts
):
    codec = codecs[rate_hz]
    x = sound(rate_hz, 25, seed=1)
    codes = encode(codec, x, books)
    whole = decode(codec, codes)
    edges = [0, *sorted(cuts), 25]
    lengths = [b - a for a, b in itertools.pairwise(edges)]
    state, pieces = codec.encoder_state(), []
    for piece in x.split([n * codec.hop for n in lengths], dim=2):
        found, state = codec.encode(piece, state, books)
        pieces.append(found)
    assert torch.equal(torch.cat(pieces, dim=2), codes)
    state, pieces = codec.decoder_state(), []
    for piece in codes.split(lengths, dim=2):
        y, state = codec.decode(piece, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces, dim=2), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate_hz", RATES)
def test_the_first_codes_of_many_are_the_codes_of_few(codecs, rate_hz):
    """Books are greedy with one candidate: a cut packet decodes like one of fewer books."""
    codec = codecs[rate_hz]
    levels, shape, _ = codec.latents(sound(rate_hz, 12), codec.encoder_state())
    greedy = codec.shape_quantiser.encode(shape[0])
    front = codec.level_quantiser.encode_frames(levels, torch.zeros(1, levels.shape[2]))[0]
    codes = torch.cat([front[0], greedy], dim=1).T[None]
    for books in range(3, 9):
        depth = torch.tensor(books - 3)
        few = codec.shape_quantiser.search(shape[0], depth, 1)
        cut = codes.clone()
        cut[:, books:] = -1
        torch.testing.assert_close(
            decode(codec, cut), decode(codec, torch.cat([front[0], few], dim=1).T[None])
        )


@pytest.mark.parametrize("rate_hz", RATES)
def test_more_books_and_candidates_come_closer(codecs, rate_hz):
    codec, x = codecs[rate_hz], sound(rate_hz, 20, batch=12)
    quantiser = codec.shape_quantiser
    shape = codec.latents(x, codec.encoder_state(12))[1].detach().reshape(-1, quantiser.dims)

    def error(depth, candidates):
        codes = quantiser.search(shape, torch.tensor(depth), candidates)
        return float((shape - quantiser.decode(codes)).square().mean())

    errors = [error(depth, CANDIDATES) for depth in range(6)]
    assert errors == sorted(errors, reverse=True)
    assert error(5, CANDIDATES) < error(5, 1)


@pytest.mark.parametrize("rate_hz", RATES)
def test_the_delay_is_the_reported_one(codecs, rate_hz):
    """The output correlates best with the input at exactly the latency."""
    codec, x = codecs[rate_hz], sound(rate_hz, 60, seed=3)
    y = decode(codec, encode(codec, x, 8))[0, 0].numpy()
    spectra = np.fft.rfft(y, 2 * len(y)) * np.conj(np.fft.rfft(x[0, 0].numpy(), 2 * len(y)))
    assert int(np.argmax(np.fft.irfft(spectra))) == codec.latency_samples
    assert codec.hop + codec.latency_samples == 30 * rate_hz // 1000


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_frame_changes_nothing_before_it(codecs, rate_hz):
    codec, x = codecs[rate_hz], sound(rate_hz, 20)
    changed = x.clone()
    changed[..., 10 * codec.hop + 7] += 0.5
    a, b = encode(codec, x, 8), encode(codec, changed, 8)
    assert torch.equal(a[..., :10], b[..., :10])
    assert not torch.equal(a[..., 10], b[..., 10])
    y, z = decode(codec, a), decode(codec, b)
    assert torch.equal(y[..., : 10 * codec.hop], z[..., : 10 * codec.hop])


def test_two_instances_share_nothing(codecs):
    """Streams in turn give the codes and samples of streams alone."""
    codec = codecs[16000]
    sounds = [sound(16000, 10, seed=seed) for seed in (4, 5)]
    alone = [encode(codec, x, 8) for x in sounds]
    states = [codec.encoder_state(), codec.encoder_state()]
    played = [codec.decoder_state(), codec.decoder_state()]
    outputs = [[], []]
    for number in range(10):
        for one in (0, 1):
            frame = sounds[one][..., number * 320 : number * 320 + 320]
            codes, states[one] = codec.encode(frame, states[one], 8)
            assert torch.equal(codes[..., 0], alone[one][..., number])
            y, played[one] = codec.decode(codes, played[one])
            outputs[one].append(y)
    for one in (0, 1):
        torch.testing.assert_close(
            torch.cat(outputs[one], dim=2), decode(codec, alone[one]), rtol=0, atol=1e-5
        )


def test_it_recovers_from_lost_frames_in_the_frames_that_its_net_looks_back(codecs):
    """But for the levels, whose error dies out as fast as their factors."""
    codec, x = codecs[16000], sound(16000, 60, seed=6)
    codes = encode(codec, x, 8)
    broken = codes.clone()
    broken[..., 20:23] = -1
    codec.level_quantiser.factor, kept = torch.zeros(14), codec.level_quantiser.factor
    try:
        whole, y = decode(codec, codes), decode(codec, broken)
    finally:
        codec.level_quantiser.factor = kept
    first, reach = 20 * 320, codec.decoder.reach_frames
    # One frame more: the second slope of the last one that differs.
    end = (23 + reach) * 320 + codec.mdct.overlap
    assert torch.equal(whole[..., :first], y[..., :first])
    assert not torch.equal(whole[..., first:end], y[..., first:end])
    torch.testing.assert_close(whole[..., end:], y[..., end:], rtol=0, atol=1e-6)
    with_levels = (decode(codec, codes) - decode(codec, broken)).abs()[0, 0]
    assert float(codec.level_quantiser.factor.max()) <= 0.9
    assert float(with_levels[-320:].max()) < 0.05 * float(with_levels.max())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 10))
def test_no_codes_make_a_burst(codecs, seed, lost):
    """Random codes, lost frames, codes out of range: finite, and below a fixed bound."""
    codec = codecs[16000]
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(-2, 40, (1, 8, 40), generator=generator)
    codes[..., torch.rand(40, generator=generator) < lost / 10] = -1
    y = decode(codec, codes)
    assert torch.isfinite(y).all()
    # Every line at e^4, in two frames that overlap.
    assert float(y.abs().max()) <= 2 * float(np.exp(4)) * np.sqrt(2 * 320)


def test_only_lost_frames_fade(codecs):
    codec = codecs[16000]
    codes = encode(codec, sound(16000, 10, seed=7), 8)
    silence = torch.full((1, 8, 90), -1)
    y = decode(codec, torch.cat([codes, silence], dim=2))[0, 0]
    rest = decode(codec, torch.full((1, 8, 200), -1))[0, 0, -320:]
    torch.testing.assert_close(y[-320:], rest, rtol=0, atol=1e-3)


def test_silence_and_overload_keep_finite(codecs):
    codec = codecs[16000]
    for x in (torch.zeros(1, 1, 3200), torch.full((1, 1, 3200), 1.0), 1e4 * sound(16000, 10)):
        codes = encode(codec, x, 8)
        assert bool((codes >= 0).all())
        assert torch.isfinite(decode(codec, codes)).all()


def test_the_whole_net_is_both_parts(codecs):
    codec, x = codecs[16000], sound(16000, 12)
    y, _ = codec(x, codec.initial_state(), torch.tensor([[5.0]]))
    torch.testing.assert_close(y, decode(codec, encode(codec, x, 5)), rtol=0, atol=1e-6)


def test_depth_is_rounded_and_limited(codecs):
    codec, x = codecs[16000], sound(16000, 4)
    for asked, got in ((0.0, 3), (3.4, 3), (4.6, 5), (99.0, 8)):
        assert int((encode(codec, x, asked)[0, :, 0] >= 0).sum()) == got


@pytest.fixture(scope="module")
def files(codecs, tmp_path_factory):
    found = {}
    for rate_hz, codec in codecs.items():
        folder = tmp_path_factory.mktemp(str(rate_hz))
        for name, part in codec.parts().items():
            path = folder / f"{name}.onnx"
            parity = export_model(part, {**CARD, "sample_rate": rate_hz}, path)
            assert parity.onnx_error <= (0 if name == "encoder" else 2e-5)
            found[rate_hz, name] = read_model(path)
    return found


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])


def played(model, output, frames):
    """Feed frames, dictionaries of inputs, one after the other; returns all outputs."""
    run = session(model)
    state = {s.input_name: s.zeros() for s in model.states}
    names = [output, *(s.output_name for s in model.states)]
    found = []
    for frame in frames:
        y, *following = run.run(names, {**frame, **state})
        state = dict(zip(state, following, strict=True))
        found.append(y)
    return np.concatenate(found, axis=2)


@pytest.mark.parametrize("rate_hz", RATES)
def test_the_files_give_the_codes_and_samples_of_the_net_while_the_bitrate_changes(
    codecs, files, rate_hz
):
    codec, x = codecs[rate_hz].rounded(), sound(rate_hz, 30, seed=8)
    depths = np.random.default_rng(0).integers(3, 9, 30)
    state, wanted = codec.encoder_state(), []
    for frame, books in zip(x.split(codec.hop, dim=2), depths, strict=True):
        codes, state = codec.encode(frame, state, float(books))
        wanted.append(codes)
    wanted = torch.cat(wanted, dim=2)
    frames = (
        {"audio": frame.numpy(), "params": np.array([[books]], np.float32)}
        for frame, books in zip(x.split(codec.hop, dim=2), depths, strict=True)
    )
    codes = played(files[rate_hz, "encoder"], "codes", frames)
    np.testing.assert_array_equal(codes, wanted.numpy())
    frames = ({"codes": np.ascontiguousarray(codes[..., n : n + 1])} for n in range(30))
    y = played(files[rate_hz, "decoder"], "audio_out", frames)
    np.testing.assert_allclose(y, decode(codec, wanted).numpy(), rtol=0, atol=1e-5)


def test_the_cards_tell_which_files_belong_together(codecs, files):
    encoder, decoder = (files[16000, name].card for name in ("encoder", "decoder"))
    assert (encoder.kind, encoder.channels, encoder.latency_samples) == ("encoder", (1, 0), 0)
    assert (decoder.kind, decoder.channels, decoder.latency_samples) == ("decoder", (0, 1), 160)
    assert files[16000, "encoder"].codes_shape == files[16000, "decoder"].codes_shape == (8, 1)
    differ = {"dilations", "weights"}  # of each file's own net
    one, two = (
        {key: value for key, value in card.architecture.items() if key not in differ}
        for card in (encoder, decoder)
    )
    assert one == two
    assert [(p.name, p.min, p.max, p.default) for p in encoder.parameters] == [
        ("books", 3.0, 8.0, 8.0)
    ]
    assert decoder.parameters == ()
    other = files[48000, "decoder"].card.architecture
    assert encoder.architecture["codec"] != other["codec"]
    assert {"type": "mdct-codec", "books": 8, "level_books": 3, "entries": 32}.items() <= (
        encoder.architecture.items()
    )


def test_the_id_follows_the_decoder_and_the_books_alone(codecs):
    codec = made(16000)
    before = codec.identity()
    with torch.no_grad():
        codec.encoder.inputs.weight.add_(1)
        codec.shape_quantiser.count.add_(1)
    assert codec.identity() == before
    with torch.no_grad():
        codec.decoder.norm.bias[0] += 1e-3
    changed = codec.identity()
    codec.shape_quantiser.book[0, 0, 0] += 1
    assert len({before, changed, codec.identity()}) == 3


def test_large_tensors_are_exported_in_half_precision_and_the_id_stays(codecs, files):
    codec = codecs[48000]
    rounded = codec.rounded()
    assert rounded.identity() == codec.identity() == rounded.rounded().identity()
    assert files[48000, "decoder"].card.architecture["codec"] == codec.identity()
    large = 0
    for name, value in codec.state_dict().items():
        held = rounded.state_dict()[name]
        if value.numel() > 1000:
            large += value.numel()
            assert torch.equal(held, held.half().float()), name
            torch.testing.assert_close(held, value, rtol=2**-11, atol=1e-7)
        else:
            assert torch.equal(held, value), name
    assert large > 0.9 * sum(map(torch.numel, codec.state_dict().values()))
    values = [numpy_helper.to_array(t) for t in files[48000, "decoder"].proto.graph.initializer]
    books = next(value for value in values if value.size == rounded.shape_quantiser.book.numel())
    np.testing.assert_array_equal(books, books.astype(np.float16))


def test_the_graphs_hold_standard_operators_only(files):
    for model in files.values():
        assert {node.domain for node in model.proto.graph.node} <= {"", "ai.onnx"}


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="level_books 5: fewer than books, 5"):
        Codec(books=5, level_books=5)
    with pytest.raises(ValueError, match="level_dims 22: at most the 21 bands"):
        Codec(rate_hz=16000, level_dims=22)
