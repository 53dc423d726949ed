"""Coded files of sound: codes, length, place and level against oracles; damage; memory."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtaudio.analysis.speech import si_sdr_db
from rtaudio.audio.resampler import Resampler
from rtaudio.audio.writer import create_audio, write_audio
from rtaudio.batch.decode_file import decode_file
from rtaudio.batch.encode_file import LEVEL_DB, MAX_GAIN_DB, encode_file
from rtaudio.codec.container import read_rtc, write_rtc
from rtaudio.codec.find import find_codec
from rtaudio.codec.model import FrameEncoder, read_codec
from rtaudio.codec.rtc_writer import RtcWriter
from rtaudio.errors import AudioFileError, CodecFileError, ParameterError
from rtaudio.shipped import shipped_codecs

RATE, HOP, BOOKS = 16000, 4, 5
FULL_KBPS, FULL_WIRE_KBPS = 80.0, 320.0
SLOW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def wire_codec(toy, tmp_path_factory):
    """The toy codec with frames of one sample: a filter of three taps, and 20 bits."""
    folder = tmp_path_factory.mktemp("wire")
    for kind, graph in (("encoder", toy.encoder_graph), ("decoder", toy.decoder_graph)):
        toy.write_side(folder / f"wire.{kind}.onnx", graph(1), kind=kind, hop=1)
    return read_codec(folder / "wire")


def noise(channels, samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, (channels, samples)).astype(np.float32)


def response(hz):
    """What the toy codec with frames of one sample does to a sine."""
    late = np.exp(-2j * np.pi * hz / RATE)
    return (1 + late) / 2 * (1 + 0.1 * late)


def phasor(x, hz, rate_hz):
    """Return the complex amplitude of a sine in the middle of a signal, by least squares."""
    time_s = np.arange(len(x)) / rate_hz
    inside = slice(len(x) // 4, -len(x) // 4)
    waves = np.stack([np.cos(2 * np.pi * hz * time_s), -np.sin(2 * np.pi * hz * time_s)], 1)
    return complex(*np.linalg.lstsq(waves[inside], x[inside], rcond=None)[0])


# -- against oracles -------------------------------------------------------------------------------


@SLOW
@given(
    st.sampled_from([8000, 16000, 22050, 44100, 48000, 96000]) | st.integers(8000, 96000),
    st.integers(1, 2500),
    st.integers(1, 2),
    st.integers(1, BOOKS),
    st.integers(0, 40),
)
def test_codes_are_those_of_the_encoder_and_the_length_that_of_the_original(
    digits_codec, tmp_path, rate_hz, samples, channels, books, latency_samples
):
    codec = replaced(digits_codec, latency_samples=latency_samples)
    sound = noise(channels, samples)
    write_audio(tmp_path / "in.wav", sound, rate_hz)
    done = encode_file(
        codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=codec.kbps(books)
    )
    header, codes = read_rtc(tmp_path / "x.rtc")
    assert (header.original_samples, header.original_rate_hz) == (samples, rate_hz)
    assert done.file_bytes == (tmp_path / "x.rtc").stat().st_size
    gains = 10 ** (np.float32(header.gains_db) / 20)
    for channel in range(channels):
        raised = Resampler(rate_hz, RATE).process(gains[channel] * sound[channel], last=True)
        padded = np.pad(raised, (0, header.frames * HOP - raised.size))
        by_hand = FrameEncoder(codec).encode(padded, books)
        np.testing.assert_array_equal(codes[channel], by_hand[:books])
    decode_file(codec, tmp_path / "x.rtc", tmp_path / "out.wav")
    out, out_hz = soundfile.read(tmp_path / "out.wav", always_2d=True)
    assert (out.shape, out_hz) == ((samples, channels), rate_hz)


def replaced(codec, **values):
    """Return a codec with other attributes."""
    other = read_codec(codec.encoder.path)
    for name, value in values.items():
        setattr(other, name, value)
    return other


@SLOW
@given(
    st.sampled_from([8000, 11025, 44100, 48000, 96000]) | st.integers(8000, 96000),
    st.lists(st.integers(-70, 0), min_size=1, max_size=3).filter(lambda levels: len(levels) != 2),
    st.integers(50, 1500),
)
def test_what_is_decoded_has_its_place_and_its_level(wire_codec, tmp_path, rate_hz, levels_db, hz):
    """Time and level are those of the original, but for the known filter of the toy codec."""
    wave = np.sin(2 * np.pi * hz / rate_hz * np.arange(rate_hz // 10))
    sound = np.stack([10 ** (level_db / 20) * wave for level_db in levels_db])
    write_audio(tmp_path / "in.wav", sound, rate_hz)
    encode_file(wire_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=FULL_WIRE_KBPS)
    decode_file(wire_codec, tmp_path / "x.rtc", tmp_path / "out.wav")
    out, _ = soundfile.read(tmp_path / "out.wav", always_2d=True)
    for before, after in zip(sound, out.T, strict=True):
        found = phasor(after, hz, rate_hz) / phasor(before, hz, rate_hz)
        assert abs(found / response(hz) - 1) < 2e-3


# -- mid and side ----------------------------------------------------------------------------------


@SLOW
@given(
    st.sampled_from([16000, 44100, 48000]), st.integers(-20, 20), st.integers(100, 1500),
    st.integers(-30, 0),
)  # fmt: skip
def test_a_pair_keeps_its_place_and_its_balance(
    wire_codec, tmp_path, rate_hz, balance_db, hz, level_db
):
    """Whatever the balance of two channels, each comes back with its phase and level."""
    time_s = np.arange(rate_hz // 10) / rate_hz
    wave = 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * time_s)
    sound = np.stack([wave, 10 ** (balance_db / 20) * wave]) / 10
    write_audio(tmp_path / "in.wav", sound, rate_hz)
    encode_file(
        wire_codec, tmp_path / "in.wav", tmp_path / "x.rtc",
        bitrate_kbps=FULL_WIRE_KBPS, side_kbps=FULL_WIRE_KBPS,
    )  # fmt: skip
    decode_file(wire_codec, tmp_path / "x.rtc", tmp_path / "out.wav")
    out, _ = soundfile.read(tmp_path / "out.wav", always_2d=True)
    for before, after in zip(sound, out.T, strict=True):
        found = phasor(after, hz, rate_hz) / phasor(before, hz, rate_hz)
        assert abs(found / response(hz) - 1) < 1e-2


def test_the_codes_of_a_pair_are_those_of_its_mid_and_its_side(digits_codec, tmp_path):
    mid, side = noise(2, 3000)
    side = 0.1 * side
    write_audio(tmp_path / "in.wav", np.stack([mid + side, mid - side]), RATE)
    done = encode_file(digits_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=64.0)
    header, codes = read_rtc(tmp_path / "x.rtc")
    assert (header.books, header.side_books, done.side_books) == (4, 2, 2)
    assert header.gains_db[1] - header.gains_db[0] == pytest.approx(20, abs=0.3)
    for part, gain_db, depth, found in zip(
        (mid, side), header.gains_db, (4, 2), codes, strict=True
    ):
        raised = np.float32(10 ** (gain_db / 20)) * part
        padded = np.pad(raised, (0, header.frames * HOP - raised.size))
        by_hand = FrameEncoder(digits_codec).encode(padded, depth)[:4]
        assert np.mean(found == by_hand) > 0.98  # a sum of floats may cross the edge of a code


@settings(max_examples=10, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.integers(300, 3000), st.integers(1, BOOKS))
def test_mono_in_two_channels_costs_what_mono_costs(digits_codec, tmp_path, samples, books):
    sound = noise(1, samples)[0]
    kbps = digits_codec.kbps(books)
    for name, channels in (("one", sound), ("two", np.stack([sound, sound]))):
        write_audio(tmp_path / f"{name}.wav", channels, RATE)
        encode_file(
            digits_codec, tmp_path / f"{name}.wav", tmp_path / f"{name}.rtc", bitrate_kbps=kbps
        )
        decode_file(digits_codec, tmp_path / f"{name}.rtc", tmp_path / f"{name}.out.wav")
    sizes = [(tmp_path / f"{name}.rtc").stat().st_size for name in ("one", "two")]
    assert sizes[1] - sizes[0] == 2  # bytes of a gain
    one, two = (soundfile.read(tmp_path / f"{name}.out.wav")[0] for name in ("one", "two"))
    np.testing.assert_array_equal(two, np.stack([one, one], axis=1))


@pytest.mark.parametrize(("ratio", "side_books"), [(0.9, None), (0.3, 2), (1e-4, 0)])
def test_the_strength_of_the_side_decides(digits_codec, tmp_path, ratio, side_books):
    mid, side = noise(2, 3000)
    sound = np.stack([mid + ratio * side, mid - ratio * side])
    write_audio(tmp_path / "in.wav", sound, RATE)
    done = encode_file(digits_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=64.0)
    assert done.side_books == side_books
    wanted = encode_file(
        digits_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=64.0, side_kbps=48.0
    )
    assert wanted.side_books == (3 if ratio > 1e-3 else 0)
    with pytest.raises(ParameterError, match=r"side = 80: is above the bitrate, 64"):
        encode_file(
            digits_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=64.0, side_kbps=80.0
        )


@pytest.mark.parametrize("latency_samples", [1, 3, 4, 37])
def test_the_latency_of_the_codec_is_cut_off(digits_codec, tmp_path, latency_samples):
    write_audio(tmp_path / "in.wav", noise(1, 500), RATE)
    outputs = []
    for late in (0, latency_samples):
        codec = replaced(digits_codec, latency_samples=late)
        encode_file(codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=FULL_KBPS)
        decode_file(codec, tmp_path / "x.rtc", tmp_path / "out.wav")
        outputs.append(soundfile.read(tmp_path / "out.wav")[0])
    np.testing.assert_array_equal(outputs[1][:-late], outputs[0][late:])
    assert len(outputs[1]) == 500


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_pieces_of_any_size_give_the_same_file(digits_codec, tmp_path, monkeypatch, piece):
    write_audio(tmp_path / "in.wav", noise(2, 1200), 44100)
    encode_file(digits_codec, tmp_path / "in.wav", tmp_path / "whole.rtc", bitrate_kbps=32.0)
    decode_file(digits_codec, tmp_path / "whole.rtc", tmp_path / "whole.wav")
    monkeypatch.setattr("rtaudio.batch.encode_file._PIECE_SAMPLES", piece)
    monkeypatch.setattr("rtaudio.batch.decode_file._STEP_FRAMES", 1)
    shares = []
    encode_file(
        digits_codec, tmp_path / "in.wav", tmp_path / "pieces.rtc", bitrate_kbps=32.0,
        progress=shares.append,
    )  # fmt: skip
    decode_file(digits_codec, tmp_path / "whole.rtc", tmp_path / "pieces.wav")
    assert (tmp_path / "pieces.rtc").read_bytes() == (tmp_path / "whole.rtc").read_bytes()
    whole, pieces = (soundfile.read(tmp_path / name)[0] for name in ("whole.wav", "pieces.wav"))
    np.testing.assert_array_equal(pieces, whole)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("samples", [1, 399, 400, 401, 1234])
def test_a_stream_whose_header_leaves_the_length_open_is_decoded_alike(
    digits_codec, tmp_path, samples
):
    write_audio(tmp_path / "in.wav", noise(2, samples), 22050)
    encode_file(digits_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=48.0)
    header, codes = read_rtc(tmp_path / "x.rtc")
    stream = io.BytesIO()
    writer = RtcWriter(stream, replace(header, original_samples=None))
    writer.write(codes)
    writer.close(samples)
    stream.seek(0)
    decode_file(digits_codec, tmp_path / "x.rtc", tmp_path / "file.wav")
    done = decode_file(digits_codec, stream, tmp_path / "stream.wav")
    assert done.frames == samples
    assert done.file_bytes == len(stream.getvalue())
    streamed, whole = (soundfile.read(tmp_path / name)[0] for name in ("stream.wav", "file.wav"))
    np.testing.assert_array_equal(streamed, whole)


# -- levels ----------------------------------------------------------------------------------------


def test_every_channel_is_coded_at_the_level_of_the_training(digits_codec, tmp_path):
    """Pauses do not count, silence stays as it is, and the gain has limits."""
    loud = noise(1, 8000)[0]
    paused = np.where(np.arange(8000) < 13 * 320, 0.1 * loud, 0.0)
    sound = np.stack([loud, 0.01 * loud, paused, 0 * loud, 1e-4 * loud, 1e5 * loud])
    write_audio(tmp_path / "in.wav", sound, RATE)
    done = encode_file(digits_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=16.0)
    level_db = 10 * np.log10(np.mean(loud**2))
    wanted = [LEVEL_DB - level_db + more for more in (0, 40, 20)]
    np.testing.assert_allclose(done.gains_db[:3], wanted, atol=0.1)
    assert done.gains_db[3:] == (0.0, MAX_GAIN_DB, -MAX_GAIN_DB)


def test_silence_is_coded(digits_codec, tmp_path):
    write_audio(tmp_path / "in.wav", np.zeros((2, 3000)), 48000)
    encode_file(digits_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=FULL_KBPS)
    decode_file(digits_codec, tmp_path / "x.rtc", tmp_path / "out.wav")
    out, _ = soundfile.read(tmp_path / "out.wav")
    assert out.shape == (3000, 2)
    assert np.abs(out).max() < 1e-5


def test_samples_above_full_scale_are_counted_where_the_format_cuts_them(wire_codec, tmp_path):
    write_audio(tmp_path / "in.wav", np.full((1, 100), 2.0), RATE)
    encode_file(wire_codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=FULL_WIRE_KBPS)
    kept = decode_file(wire_codec, tmp_path / "x.rtc", tmp_path / "out.wav")
    cut = decode_file(wire_codec, tmp_path / "x.rtc", tmp_path / "out.flac")
    assert (kept.clipped, cut.clipped) == (0, 99)  # the first one is a mean with silence
    assert soundfile.read(tmp_path / "out.wav")[0].max() > 1.9


# -- what is refused -------------------------------------------------------------------------------


def test_what_cannot_be_encoded_leaves_nothing(digits_codec, tmp_path):
    bad = noise(1, 500)
    bad[0, 300] = np.nan
    write_audio(tmp_path / "nan.wav", bad, RATE)
    soundfile.write(tmp_path / "wide.wav", np.zeros((10, 65)), RATE)
    soundfile.write(tmp_path / "cut.wav", noise(1, 4000)[0], RATE)
    data = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    before = sorted(tmp_path.iterdir())
    for name, said in (
        ("nan.wav", "holds NaN or infinite samples; repair it"),
        ("wide.wav", "has 65 channels; mix it down to 64 or fewer"),
        ("cut.wav", "is damaged: it can be read up to 0.12 of 0.25 s; use another copy"),
    ):
        with pytest.raises(AudioFileError, match=said):
            encode_file(digits_codec, tmp_path / name, tmp_path / "x.rtc", bitrate_kbps=16.0)
    with pytest.raises(ParameterError, match=r"bitrate = 3 is out of range 16 \.\. 80 kbit/s"):
        encode_file(digits_codec, tmp_path / "nan.wav", tmp_path / "x.rtc", bitrate_kbps=3.0)
    with pytest.raises(AudioFileError, match="is the file that is read"):
        encode_file(digits_codec, tmp_path / "nan.wav", tmp_path / "nan.wav", bitrate_kbps=16.0)
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture(scope="module")
def coded(digits_codec, tmp_path_factory):
    """A coded file of three blocks, and the samples that come out of it."""
    folder = tmp_path_factory.mktemp("coded")
    write_audio(folder / "in.wav", noise(1, 1000), RATE)
    encode_file(digits_codec, folder / "in.wav", folder / "x.rtc", bitrate_kbps=48.0)
    decode_file(digits_codec, folder / "x.rtc", folder / "out.wav")
    return (folder / "x.rtc").read_bytes(), soundfile.read(folder / "out.wav")[0]


@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.data())
def test_a_cut_or_altered_file_is_refused_or_decoded_up_to_the_damage(
    digits_codec, coded, tmp_path, data
):
    whole, sound = coded
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        bad = whole[:at]
    else:
        bad = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    path, out = tmp_path / "bad.rtc", tmp_path / "out.wav"
    path.write_bytes(bad)
    out.unlink(missing_ok=True)
    with pytest.raises(CodecFileError):
        decode_file(digits_codec, path, out)
    assert not out.exists()
    block = 2 + 375 + 4
    blocks = max(0, at - 46) // block
    if blocks == 0:
        with pytest.raises(CodecFileError):
            decode_file(digits_codec, path, out, salvage=True)
    else:
        done = decode_file(digits_codec, path, out, salvage=True)
        assert done.frames == 100 * HOP * blocks
        assert str(path) in done.damage
        np.testing.assert_array_equal(soundfile.read(out)[0], sound[: done.frames])
    assert sorted(tmp_path.iterdir()) == [path] if blocks == 0 else [path, out]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_id": "f" * 16}, "was coded by the model ffffffffffffffff, and this one is 0123"),
        ({"hop": 5}, "has a header that contradicts digits"),
        ({"rate_hz": 48000}, "has a header that contradicts digits"),
        ({"books": 6}, "has a header that contradicts digits"),
        ({"original_rate_hz": 4_000_000_000}, "an original at 4000000000 Hz; rtaudio plays 8000"),
        ({"original_samples": 0}, "holds no sound"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(digits_codec, tmp_path, coded, changes, said):
    (tmp_path / "x.rtc").write_bytes(coded[0])
    header = replace(read_rtc(tmp_path / "x.rtc")[0], **changes)
    codes = np.zeros((1, header.books, header.frames), np.int64)
    write_rtc(tmp_path / "x.rtc", header, codes)
    with pytest.raises(CodecFileError, match=said):
        decode_file(digits_codec, tmp_path / "x.rtc", tmp_path / "out.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["x.rtc"]


def test_codes_that_the_codec_lacks_are_refused(digits_codec, tmp_path, coded):
    (tmp_path / "x.rtc").write_bytes(coded[0])
    header, codes = read_rtc(tmp_path / "x.rtc")
    codes[0, 0, 150] = 16
    write_rtc(tmp_path / "x.rtc", header, codes)
    with pytest.raises(CodecFileError, match="holds codes that digits does not have"):
        decode_file(digits_codec, tmp_path / "x.rtc", tmp_path / "out.wav")


def test_a_file_of_no_shipped_codec_says_what_to_name(coded):
    with pytest.raises(CodecFileError, match=r"stream: was coded by .*; name one of its .*--model"):
        decode_file(None, io.BytesIO(coded[0]), "out.wav")


# -- long files, and the shipped codec -------------------------------------------------------------


def test_memory_does_not_grow_with_the_file(calls_codec, tmp_path):
    """150 s of eight channels are 38 MB as floats; 12 s of them warm everything up."""
    for name, times in (("short", 4), ("long", 50)):
        with create_audio(tmp_path / f"{name}.wav", 8000, 8, "PCM_U8") as file:
            for _ in range(times):
                file.write(noise(8, 24000).T)
    code = (
        "import resource, sys\n"
        "from rtaudio.batch.decode_file import decode_file\n"
        "from rtaudio.batch.encode_file import encode_file\n"
        "from rtaudio.codec.find import find_codec\n"
        "codec = find_codec(sys.argv[1])\n"
        "for name in sys.argv[2:]:\n"
        "    encode_file(codec, name + '.wav', name + '.rtc', bitrate_kbps=0.4)\n"
        "    decode_file(codec, name + '.rtc', name + '.out.wav')\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    words = [calls_codec.encoder.path, tmp_path / "short", tmp_path / "long"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = map(int, done.stdout.split())
    assert second - first < 25_000  # kB
    assert soundfile.info(tmp_path / "long.out.wav").frames == 1_200_000


def voiced(seconds, rate_hz):
    """A voice of a kind: harmonics of a gliding pitch under two formants, in syllables."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch_hz = 120 + 15 * np.sin(2 * np.pi * 0.7 * time_s)
    turns = np.cumsum(pitch_hz) / rate_hz
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 30):
        hz = harmonic * 120
        share = 1 / (1 + ((hz - 500) / 150) ** 2) + 0.4 / (1 + ((hz - 1500) / 200) ** 2)
        sound += share * np.sin(2 * np.pi * harmonic * turns + harmonic**2)
    return 0.05 * sound * (0.55 - 0.45 * np.cos(2 * np.pi * 3 * time_s))


@pytest.mark.skipif(not shipped_codecs(), reason="no codec is shipped in presets/codecs")
@pytest.mark.parametrize("gain_db", [0.0, -50.0])
def test_the_shipped_codec_keeps_a_voice_in_its_place(tmp_path, gain_db):
    """At 12 kbit/s, loud and quiet; of all shifts, none gives the best ratio."""
    sound = 10 ** (gain_db / 20) * voiced(3.0, 44100)
    write_audio(tmp_path / "in.wav", sound, 44100)
    codec = find_codec("codec-voice")
    done = encode_file(codec, tmp_path / "in.wav", tmp_path / "x.rtc", bitrate_kbps=12.0)
    decode_file(None, tmp_path / "x.rtc", tmp_path / "out.wav")
    out, _ = soundfile.read(tmp_path / "out.wav")
    assert done.payload_kbps == pytest.approx(12.0, abs=0.2)
    ratios_db = {shift: si_sdr_db(sound, np.roll(out, shift)) for shift in range(-6, 7, 2)}
    assert max(ratios_db, key=ratios_db.get) == 0
    assert ratios_db[0] > 3.0
    assert 10 * np.log10(np.mean(out**2) / np.mean(sound**2)) == pytest.approx(0.0, abs=1.5)
