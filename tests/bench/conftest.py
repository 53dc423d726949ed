"""A codec small enough to know by heart: 24 means of 20 samples each, in 10 bits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile

from rtaudio.models.contract.card import GOLDEN_SAMPLES, Card, Golden
from rtaudio.models.contract.check import check_model
from rtaudio.models.contract.metadata import write_metadata
from rtaudio.models.graph.builder import GraphBuilder

RATE_HZ, HOP, BOOKS, ENTRIES = 24000, 480, 24, 1024
WIDTH, TOP = HOP // BOOKS, ENTRIES - 1.0


def encoder_graph():
    graph = GraphBuilder(17)
    graph.give("audio", [1, 1, HOP])
    graph.give("params", [1, 1])
    parts = graph.op("Reshape", "audio", graph.integers(1, BOOKS, WIDTH))
    means = graph.op("MatMul", parts, graph.constant(np.full((WIDTH, 1), 1.0 / WIDTH)))
    unit = graph.op("Mul", graph.op("Add", means, graph.constant(1.0)), graph.constant(TOP / 2))
    codes = graph.cast(graph.op("Round", unit), np.int64)
    places = graph.constant(np.arange(BOOKS).reshape(1, BOOKS, 1))
    sent = graph.op("Less", places, graph.op("Reshape", "params", graph.integers(1, 1, 1)))
    graph.op("Where", sent, codes, graph.integers(-1), to="codes")
    graph.take("codes", [1, BOOKS, 1], np.int64)
    return graph.model()


def decoder_graph():
    graph = GraphBuilder(17)
    graph.give("codes", [1, BOOKS, 1], np.int64)
    scaled = graph.op("Mul", graph.cast("codes", np.float32), graph.constant(2.0 / TOP))
    value = graph.op("Sub", scaled, graph.constant(1.0))
    arrived = graph.op("GreaterOrEqual", "codes", graph.integers(0))
    value = graph.op("Where", arrived, value, graph.constant(0.0))
    held = graph.op("MatMul", value, graph.constant(np.ones((1, WIDTH))))
    graph.op("Reshape", held, graph.integers(1, 1, HOP), to="audio_out")
    graph.take("audio_out", [1, 1, HOP])
    return graph.model()


def write_side(path, proto, kind):
    books = {"name": "books", "min": 3.0, "max": BOOKS, "default": 12.0, "unit": ""}
    card = Card(
        kind=kind,
        name="means",
        rate_hz=RATE_HZ,
        channels=(1, 0) if kind == "encoder" else (0, 1),
        hop=HOP,
        latency_samples=0,
        parameters=(books,) if kind == "encoder" else (),
        architecture={"type": "means", "codec": "0123456789abcdef", "entries": ENTRIES},
        license="Apache-2.0",
        provenance={},
    )
    audio = np.zeros((1, GOLDEN_SAMPLES), np.float32)
    codes = np.full((BOOKS, -(-GOLDEN_SAMPLES // HOP)), ENTRIES // 2, np.int64)
    write_metadata(proto, card, Golden(audio, codes) if kind == "encoder" else Golden(codes, audio))
    path.write_bytes(dataclasses.replace(check_model(proto, path), path=path).data)


@pytest.fixture(scope="session")
def means_codec(tmp_path_factory):
    """Return the common start of its two files."""
    start = tmp_path_factory.mktemp("codec") / "means"
    write_side(start.with_name("means.encoder.onnx"), encoder_graph(), "encoder")
    write_side(start.with_name("means.decoder.onnx"), decoder_graph(), "decoder")
    return start


@pytest.fixture(scope="session")
def syllables():
    """Return two seconds at 48 kHz of pulses through formants, as `pesq` and `stoi` need them."""
    from scipy import signal

    time = np.arange(96000) / 48000
    phase = np.cumsum(120.0 + 20.0 * np.sin(2 * np.pi * 0.7 * time)) / 48000
    sound = np.diff(np.floor(phase), prepend=0.0)
    for formant_hz in (600.0, 1400.0, 2600.0):
        sound = sound + signal.lfilter(*signal.iirpeak(formant_hz, 8.0, 48000), sound)
    sound = signal.sosfilt(signal.butter(6, 3400.0, fs=48000, output="sos"), sound)
    sound *= np.clip(np.sin(2 * np.pi * 2.5 * time), 0.05, None)
    return 0.3 * sound / np.abs(sound).max()


@pytest.fixture(scope="session")
def recordings_folder(tmp_path_factory, syllables):
    """Return a data folder with one voice that training knows, one it does not, and one music."""
    root = tmp_path_factory.mktemp("data")
    for name in ("speech/test/kathleen_36", "speech/test/ptdb_f2", "music/excerpts/tune"):
        file = root / f"{name}.flac"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, syllables, 48000, "PCM_16")
    return root
