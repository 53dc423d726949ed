"""The native kernels of the codec: torch, ONNX Runtime and brute force are their oracles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.exporter import export_model
from rtaudio.codec import engines
from rtaudio.codec.model import FrameDecoder, FrameEncoder, read_codec
from rtaudio.codec.round_trip import round_trip
from rtaudio.models.contract.check import read_model
from rtaudio.models.loader import LoadedModel
from rtaudio.models.net.codec import (
    CodecDecoder,
    CodecEncoder,
    FrameBlock,
    FrameNet,
    LayerNorm,
    Linear,
)
from rtaudio.models.net.from_codec_graph import codec_net_of
from rtaudio.models.onnx_player import play
from rtaudio.runtime.kernels.codec.decoder import PackedDecoder
from rtaudio.runtime.kernels.codec.encoder import PackedEncoder
from rtaudio.runtime.kernels.codec.guard import guard_memory, hold
from rtaudio.runtime.memory import aligned
from rtaudio.runtime.stepped import Stepped
from training.models.codec import Codec

SHIPPED = Path(__file__).parents[2] / "presets" / "codecs" / "codec-voice"
SIZES = {
    "small": {"rate_hz": 16000, "books": 6, "entries": 64, "width": 64, "hidden": 64},
    "in no whole tiles": {
        "rate_hz": 8000, "books": 5, "level_books": 2, "entries": 27, "level_dims": 5,
        "shape_dims": 7, "width": 37, "hidden": 101, "encoder_dilations": (3,),
        "decoder_dilations": (1, 5),
    },
    "a hop with a large prime": {
        "rate_hz": 18800, "books": 5, "entries": 32, "width": 64, "hidden": 64,
    },
    "as shipped": {"rate_hz": 48000, "books": 24, "entries": 1024},
}  # fmt: skip


def codec_of(*, half, **sizes):
    """Make a codec of random weights, which half precision keeps if asked."""
    torch.manual_seed(1)
    net = Codec(**sizes).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for name, buffer in net.named_buffers():
            if name.endswith(("book", "level_axes", "level_mean")):
                buffer.copy_(torch.randn_like(buffer))
        net.level_quantiser.factor.uniform_(0.0, 0.9)
        net.shape_gain.fill_(2.0)
        # Later books are finer, as in a trained codec.
        for quantiser in (net.level_quantiser, net.shape_quantiser):
            quantiser.book *= 0.8 ** torch.arange(float(quantiser.books))[:, None, None]
        if half:
            for tensor in net.state_dict().values():
                tensor.copy_(tensor.half().float())
    return net


def frame_net(net):
    def linear(module):
        return Linear(module.weight.detach().numpy(), module.bias.detach().numpy())

    def norm(module):
        return LayerNorm(module.weight.detach().numpy(), module.bias.detach().numpy())

    blocks = tuple(
        FrameBlock(norm(block.norm), linear(block.up), linear(block.down), block.dilation)
        for block in net.blocks
    )
    ends = linear(net.inputs), blocks, norm(net.norm), linear(net.outputs), linear(net.skip)
    return FrameNet(*ends)


def nets(net):
    """Return the nets of both sides in plain data."""
    common = {
        "hop": net.hop,
        "overlap": net.mdct.overlap,
        "bands": tuple(net.band.bincount().tolist()),
        "level_mean": net.level_mean.numpy(),
        "level_factor": net.level_quantiser.factor.numpy(),
        "level_books": net.level_quantiser.book.numpy(),
        "shape_books": net.shape_quantiser.book.numpy(),
    }
    encoder = CodecEncoder(
        **common,
        compression=net.compression,
        shape_gain=float(net.shape_gain),
        level_axes=net.level_axes.numpy(),
        net=frame_net(net.encoder),
    )
    return encoder, CodecDecoder(**common, net=frame_net(net.decoder))


def encoded(stepped, slot, frames, books):
    """Return int64 [books, frames]."""
    slot[0] = books
    codes = []
    for frame in frames:
        stepped.source[:] = frame
        stepped.step()
        codes.append(stepped.result.astype(np.int64))
    return np.transpose(codes)


def sound(hop, frames, seed=0):
    """Return tones and noise that come and go, float32 [frames, hop]."""
    random = np.random.default_rng(seed)
    time = np.arange(frames * hop) / hop
    tone = np.sin(2 * np.pi * (5 + np.sin(time / 7)) * time) * (np.sin(time / 5) > -0.3)
    noise = random.standard_normal(time.size) * 10.0 ** random.uniform(-4, -1, frames).repeat(hop)
    return (0.2 * tone + noise).astype(np.float32).reshape(frames, hop)


@pytest.mark.parametrize("half", [True, False], ids=["float16", "float32"])
@pytest.mark.parametrize("name", SIZES)
def test_it_codes_what_torch_codes(name, half):
    net = codec_of(half=half, **SIZES[name])
    encoder, decoder = nets(net)
    slot = aligned(1)
    encode = Stepped(PackedEncoder(encoder).node(slot), net.hop, net.books)
    decode = Stepped(PackedDecoder(decoder).node(), net.books, net.hop)
    frames = sound(net.hop, 24)
    state, played = net.encoder_state(), net.decoder_state()
    most = net.books
    for at, books in ((0, most), (8, net.level_books), (16, net.level_books + 1)):
        part = frames[at : at + 8]
        wanted, state = net.encode(torch.tensor(part).reshape(1, 1, -1), state, books)
        found = encoded(encode, slot, part, books)
        np.testing.assert_array_equal(found, wanted[0].numpy())
        codes = wanted.clone()
        codes[0, :, 3] = -1  # a frame is lost, and of another one a book
        codes[0, -1, 5] = -1
        y, played = net.decode(codes, played)
        for column, audio in zip(codes[0].T.numpy(), y.reshape(8, -1).numpy(), strict=True):
            decode.source[:] = column
            decode.step()
            np.testing.assert_allclose(decode.result, audio, atol=2e-5 * max(1, abs(audio).max()))


def brute_force(vector, books, width):
    """Return the codes of M-best search: all sums are made, and the best are kept."""
    kept = [((), np.zeros_like(vector, np.float64))]
    for book in books.astype(np.float64):
        sums = [((*codes, n), y + b) for codes, y in kept for n, b in enumerate(book)]
        kept = sorted(sums, key=lambda one: np.sum((vector - one[1]) ** 2))[:width]
    return kept[0][0]


def test_the_search_is_that_of_four_best_sums():
    net = codec_of(half=True, **SIZES["in no whole tiles"])
    encoder, _ = nets(net)
    slot = aligned(1)
    stepped = Stepped(PackedEncoder(encoder).node(slot), net.hop, net.books)
    frames = sound(net.hop, 40, seed=3)
    codes = encoded(stepped, slot, frames, net.books)
    audio = torch.tensor(frames).reshape(1, 1, -1)
    with torch.no_grad():
        latents = net.latents(audio, net.encoder_state())[1][0].double().numpy()
    wanted = [brute_force(latent, encoder.shape_books, 4) for latent in latents]
    np.testing.assert_array_equal(codes[net.level_books :].T, wanted)
    greedy = [brute_force(latent, encoder.shape_books, 1) for latent in latents]
    assert greedy != wanted  # or the search would not have been needed


def test_codes_of_any_value_are_decoded():
    _, decoder = nets(codec_of(half=True, **SIZES["small"]))
    stepped = Stepped(PackedDecoder(decoder).node(), 6, 320)
    for value, same in ((1e9, 63.0), (63.0, 63.0), (-5.0, -1.0)):
        stepped.clear()
        stepped.source[:] = value
        stepped.step()
        found = stepped.result.copy()
        stepped.clear()
        stepped.source[:] = same
        stepped.step()
        np.testing.assert_array_equal(found, stepped.result)


@pytest.fixture(scope="module")
def shipped():
    return read_codec(SHIPPED)


def test_the_shipped_codec_plays_natively(shipped):
    assert (shipped.encoder_engine.name, shipped.decoder_engine.name) == ("native", "native")


def test_it_codes_what_onnx_runtime_codes(shipped):
    """More than 99.9 % of the frames: sums that are equally close may change places."""
    frames = sound(shipped.hop, 300)
    one = shipped.encoder_engine.stream()
    other = engines._OnnxEncoderEngine(shipped.encoder).stream()
    native = np.array([one.encode(frame, 12).astype(np.int64) for frame in frames])
    onnx = np.array([other.encode(frame, 12) for frame in frames])
    assert (native != onnx).any(axis=1).mean() < 0.001
    one = shipped.decoder_engine.stream()
    other = engines._OnnxDecoderEngine(shipped.decoder).stream()
    for codes in onnx:
        np.testing.assert_allclose(one.decode(codes), other.decode(codes), atol=2e-5)


def test_streams_share_weights_and_nothing_else(shipped):
    frames = sound(shipped.hop, 12)
    one = FrameEncoder(shipped)
    whole = one.encode(frames.reshape(-1), 24)
    other = one.twin()
    pieces = []
    for frame in frames:
        pieces.append(other.encode(frame, 24))
        one.encode(frame[::-1].copy(), 24)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    decoder = FrameDecoder(shipped)
    played = decoder.decode(whole)
    twin = decoder.twin()
    decoder.decode(whole[:, ::-1])
    again = np.concatenate([twin.decode(whole[:, k : k + 1]) for k in range(12)])
    np.testing.assert_array_equal(again, played)
    decoder.clear()
    np.testing.assert_array_equal(decoder.decode(whole), played)


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
def test_a_faulty_frame_is_forgotten(shipped, fault):
    frames = sound(shipped.hop, 30)
    clean = FrameEncoder(shipped).encode(frames.reshape(-1), 12)
    frames[5, 100] = fault
    codes = FrameEncoder(shipped).encode(frames.reshape(-1), 12)
    reach = 1 + sum((1, 2, 4, 1))
    assert codes[:12].min() >= 0
    assert codes[:12].max() < 1024
    np.testing.assert_array_equal(codes[:, :5], clean[:, :5])
    np.testing.assert_array_equal(codes[3:, 6 + reach :], clean[3:, 6 + reach :])
    assert np.isfinite(FrameDecoder(shipped).decode(codes)).all()


def lost_frames(count, percent):
    """Which frames the line loses: the chain of Gilbert, with the random numbers of ISO C."""
    loss, number, lost = np.float32(0.01 * percent), 0, []
    for _ in range(count):
        number = (1103515245 * number + 12345) % (1 << 31)
        chance = 0.5 * (loss > 0) if lost and lost[-1] else loss / (1 - loss) / 2
        lost.append(bool(number / (1 << 31) < chance))
    return lost


@pytest.mark.parametrize("percent", [0.0, 20.0])
def test_in_place_it_plays_what_the_joined_graph_plays_behind_the_guard(shipped, percent):
    model = LoadedModel(round_trip(shipped))
    assert model.engine == "native"
    x = sound(shipped.hop, 60).reshape(1, -1)
    params = np.array([6.0, percent], np.float32)
    native, joined = (
        play(model.file, lambda block, _, make=make: make(block, params), x)
        for make in (model._native, model._onnx)
    )
    lost = lost_frames(60, percent)
    assert any(lost) == (percent > 0)
    memory, guarded = guard_memory(), joined.reshape(-1, shipped.hop).copy()
    for frame, missing in zip(guarded, lost, strict=True):
        hold(memory, frame, frame.size, not missing, np.inf)
    np.testing.assert_allclose(native, guarded.reshape(1, -1), atol=2e-5)


def test_a_file_names_its_net_and_another_hint_is_no_net(tmp_path):
    net = codec_of(half=False, **SIZES["in no whole tiles"] | {"entries": 32})
    with torch.no_grad():  # equal weights are one tensor in a traced graph
        net.encoder.skip.bias.copy_(net.encoder.outputs.bias)
    card = {"name": "codec", "sample_rate": 8000, "license": "MIT", "provenance": {}}
    for kind, part in net.parts().items():
        export_model(part, card, tmp_path / f"x.{kind}.onnx")
    codec = read_codec(tmp_path / "x")
    assert (codec.encoder_engine.name, codec.decoder_engine.name) == ("native", "native")
    for kind, wanted in zip(("encoder", "decoder"), nets(net), strict=True):
        file = read_model(tmp_path / f"x.{kind}.onnx")
        found = codec_net_of(file)
        np.testing.assert_array_equal(found.net.skip.bias, wanted.net.skip.bias)
        np.testing.assert_array_equal(found.shape_books, wanted.shape_books)
        hint = file.card.architecture
        for key, value in (("bands", [1, 2]), ("width", 38), ("dilations", [1, 1, 1]), ("hop", 0)):
            changed = file.card.model_copy(update={"architecture": hint | {key: value}})
            other = type(file)(**{**vars(file), "card": changed})
            assert (codec_net_of(other) is None) == (key != "hop")
