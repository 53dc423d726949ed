"""A codec small enough to check by hand: a quantiser of samples, two files by the contract."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from rtaudio.codec.model import read_codec
from rtaudio.models.contract.card import Card, Golden
from rtaudio.models.contract.check import check_model
from rtaudio.models.contract.metadata import write_metadata
from rtaudio.models.graph.builder import GraphBuilder

HOP, BOOKS, ENTRIES, RATE = 4, 5, 16, 16000
ID = "0123456789abcdef"


def digits(value):
    """Return the digits to base 16 of a number from 0 to 1: its codes, by arithmetic."""
    whole = int(np.floor(np.float32(value) * ENTRIES**BOOKS))
    whole = min(max(whole, 0), ENTRIES**BOOKS - 1)
    return [whole // ENTRIES ** (BOOKS - 1 - k) % ENTRIES for k in range(BOOKS)]


def encoder_graph(hop=HOP):
    """Code the mean of this frame and the last one, as digits; -1 from the book ``books`` on."""
    graph = GraphBuilder(17)
    graph.give("audio", [1, 1, hop])
    graph.give("params", [1, 1])
    past, following = graph.state([1, 1, 1], "mean")
    graph.op("ReduceMean", "audio", axes=[2], keepdims=1, to=following)
    mean = graph.op("Mul", graph.op("Add", past, following), graph.constant(0.5))
    unit = graph.op("Mul", graph.op("Add", mean, graph.constant(1.0)), graph.constant(0.5))
    whole = graph.op("Floor", graph.op("Mul", unit, graph.constant(float(ENTRIES**BOOKS))))
    whole = graph.op("Max", whole, graph.constant(0.0))
    whole = graph.cast(graph.op("Min", whole, graph.constant(float(ENTRIES**BOOKS - 1))), np.int64)
    powers = [[[ENTRIES ** (BOOKS - 1 - k)] for k in range(BOOKS)]]
    codes = graph.op("Div", whole, graph.constant(powers, np.int64))
    codes = graph.op("Mod", codes, graph.integers(ENTRIES))
    places = graph.constant(np.arange(BOOKS).reshape(1, BOOKS, 1))
    sent = graph.op("Less", places, graph.op("Reshape", "params", graph.integers(1, 1, 1)))
    graph.op("Where", sent, codes, graph.integers(-1), to="codes")
    graph.take("codes", [1, BOOKS, 1], np.int64)
    return graph.model()


def decoder_graph(hop=HOP):
    """Hold the number for a frame, and add a tenth of the last one; half of that for a loss."""
    graph = GraphBuilder(17)
    graph.give("codes", [1, BOOKS, 1], np.int64)
    past, following = graph.state([1, 1, 1], "value")
    weights = [[[2.0 * ENTRIES ** -(k + 1.0)] for k in range(BOOKS)]]
    kept = graph.op("Max", "codes", graph.integers(0))
    value = graph.op("Mul", graph.cast(kept, np.float32), graph.constant(weights))
    value = graph.op("ReduceSum", value, graph.integers(1), keepdims=1)
    value = graph.op("Sub", value, graph.constant(1.0))
    first = graph.op("Gather", "codes", graph.integers(0), axis=1)
    lost = graph.op("Less", first, graph.integers(0))
    graph.op("Where", lost, graph.op("Mul", past, graph.constant(0.5)), value, to=following)
    mixed = graph.op("Add", following, graph.op("Mul", past, graph.constant(0.1)))
    graph.op("Expand", mixed, graph.integers(1, 1, hop), to="audio_out")
    graph.take("audio_out", [1, 1, hop])
    return graph.model()


def write_side(path, proto, *, kind, hop=HOP, **card):
    """Write one file of a codec; ``card`` changes the card."""
    about = {
        "kind": kind,
        "name": "digits",
        "rate_hz": RATE,
        "channels": (1, 0) if kind == "encoder" else (0, 1),
        "hop": hop,
        "latency_samples": 0,
        "architecture": {"type": "digits", "codec": ID, "entries": ENTRIES},
        "license": "Apache-2.0",
        "provenance": {},
    }
    if kind == "encoder":
        about["parameters"] = (
            {"name": "books", "min": 1.0, "max": float(BOOKS), "default": 3.0, "unit": ""},
        )
    frames = -(-2048 // hop)
    audio = np.zeros((1, 2048), np.float32)
    codes = np.zeros((BOOKS, frames), np.int64)
    golden = Golden(audio, codes) if kind == "encoder" else Golden(codes, audio)
    write_metadata(proto, Card(**about | card), golden)
    file = check_model(proto, path)
    path.write_bytes(file.data)
    return dataclasses.replace(file, path=path)


@pytest.fixture(scope="session")
def toy(digits_codec):
    """Return what makes files of that codec, and what it makes of numbers."""
    return SimpleNamespace(
        digits=digits,
        encoder_graph=encoder_graph,
        decoder_graph=decoder_graph,
        write_side=write_side,
    )


@pytest.fixture(scope="session")
def digits_codec(tmp_path_factory):
    """Return the codec, read from its files."""
    folder = tmp_path_factory.mktemp("codec")
    write_side(folder / "digits.encoder.onnx", encoder_graph(), kind="encoder")
    write_side(folder / "digits.decoder.onnx", decoder_graph(), kind="decoder")
    return read_codec(folder / "digits")


@pytest.fixture(scope="session")
def calls_codec(tmp_path_factory):
    """Return the same codec with frames of 20 ms, as packets carry them."""
    folder = tmp_path_factory.mktemp("calls")
    write_side(folder / "calls.encoder.onnx", encoder_graph(320), kind="encoder", hop=320)
    write_side(folder / "calls.decoder.onnx", decoder_graph(320), kind="decoder", hop=320)
    return read_codec(folder / "calls")
