"""The figures of codecs: delays removed, bits counted on the line, losses as they are told."""

from __future__ import annotations

import io
import math
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from rtaudio.analysis.speech import si_sdr_db
from rtaudio.bench import codec
from rtaudio.bench.codec_clips import CodecClip, codec_clips
from rtaudio.bench.codec_costs import measure_cost
from rtaudio.bench.macs import macs_per_second
from rtaudio.bench.neural_coder import NeuralCoder
from rtaudio.bench.opus_coder import OpusCoder
from rtaudio.codec.container import read_rtc
from rtaudio.codec.model import read_codec
from rtaudio.codec.packets import unpack
from rtaudio.errors import MetricsError

RATE_HZ = 48000

needs_av = pytest.mark.skipif(
    find_spec("av") is None, reason="av is not installed: pip install 'rtaudio[metrics]'"
)
opus = pytest.mark.parametrize(
    ("packet_ms", "application"),
    [(20.0, "voip"), (20.0, "audio"), (10.0, "lowdelay"), (5.0, "lowdelay")],
)


def coded_and_decoded(coder, x, rate_hz=RATE_HZ):
    coded = coder.encode(x, rate_hz)
    return coded, coder.decode(coded.packets, rate_hz, x.size).sound


# -- Opus ------------------------------------------------------------------------------------------


@needs_av
@opus
def test_the_delay_of_opus_is_removed(syllables, packet_ms, application):
    _, y = coded_and_decoded(OpusCoder(64.0, packet_ms, application), syllables)
    assert y.shape == syllables.shape
    lags = [*range(-2000, 2000, 40), *range(-12, 13)]
    found = {lag: si_sdr_db(syllables, np.roll(y, -lag)) for lag in lags}
    best = max(found, key=found.__getitem__)
    assert abs(best) <= 12  # a quarter of a millisecond
    assert found[best] == si_sdr_db(syllables, codec._aligned(syllables, y, RATE_HZ))
    assert found[best] > (3.0 if application == "voip" else 12.0)  # "voip" has a high-pass filter


@needs_av
@opus
@pytest.mark.parametrize("kbps", [12.0, 24.0])
def test_bits_of_opus_are_those_on_the_line(syllables, packet_ms, application, kbps):
    coded = OpusCoder(kbps, packet_ms, application).encode(syllables, RATE_HZ)
    sizes = {len(packet) for packet in coded.packets}
    assert sizes == {round(kbps * packet_ms / 8)}  # constant, and what was asked for
    assert len(coded.packets) * packet_ms >= 2000.0
    assert all(packet in coded.file for packet in coded.packets[:5])
    sound, rate_hz = soundfile.read(io.BytesIO(coded.file))
    assert (rate_hz, sound.ndim) == (48000, 1)


@needs_av
def test_opus_states_its_latency():
    assert OpusCoder(24.0).latency_ms == pytest.approx(26.5)
    assert OpusCoder(24.0, 5.0, "lowdelay").latency_ms == pytest.approx(7.5)


@needs_av
@pytest.mark.parametrize("kbps", [9.0, 16.0, 24.0])
def test_a_lost_packet_of_opus_is_concealed(kbps):
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ)
    coder = OpusCoder(kbps)
    packets = coder.encode(tone, RATE_HZ).packets
    lost = [None if number == 25 else packet for number, packet in enumerate(packets)]
    whole, y = (coder.decode(p, RATE_HZ, tone.size).sound for p in (packets, lost))
    hole = slice(round(RATE_HZ * (0.5 - 0.0065)), round(RATE_HZ * (0.52 - 0.0065)))
    assert np.array_equal(whole[: hole.start], y[: hole.start])
    assert not np.array_equal(whole[hole], y[hole])
    assert np.sqrt(np.mean(y[hole] ** 2)) > 0.3 * np.sqrt(np.mean(whole[hole] ** 2))
    assert np.abs(y).max() < 2.0 * np.abs(whole).max()


@needs_av
def test_opus_survives_the_loss_of_the_first_and_of_all_packets(syllables):
    coder = OpusCoder(12.0)
    packets = coder.encode(syllables, RATE_HZ).packets
    first = coder.decode([None, None, *packets[2:]], RATE_HZ, syllables.size).sound
    assert si_sdr_db(syllables[RATE_HZ:], codec._aligned(syllables, first, RATE_HZ)[RATE_HZ:]) > 3.0
    nothing = coder.decode([None] * len(packets), RATE_HZ, syllables.size).sound
    assert not nothing.any()


@needs_av
def test_opus_in_stereo_keeps_left_and_right(syllables):
    x = np.stack([syllables, 0.5 * np.roll(syllables, 9000)])
    coder = OpusCoder(96.0, 20.0, "audio", channels=2)
    coded = coder.encode(x, RATE_HZ)
    assert {len(packet) for packet in coded.packets} == {240}
    y = codec._aligned(x, coder.decode(coded.packets, RATE_HZ, x.shape[1]).sound, RATE_HZ)
    assert y.shape == x.shape
    assert min(si_sdr_db(one, other) for one, other in zip(x, y, strict=True)) > 8.0


# -- a codec of rtaudio ----------------------------------------------------------------------------


def test_the_packets_carry_the_codes_and_the_file_holds_them(means_codec, syllables, tmp_path):
    coder = NeuralCoder(str(means_codec), 6.0)
    coded = coder.encode(syllables, RATE_HZ)
    assert {len(packet) for packet in coded.packets} == {1 + 12 * 10 // 8}
    assert len(coded.packets) == len(coded.encode_us) == 100
    path = tmp_path / "a.rtc"
    path.write_bytes(coded.file)
    header, codes = read_rtc(path, "0123456789abcdef")
    assert header.original_samples == syllables.size
    sent = np.concatenate([unpack(packet).codes for packet in coded.packets], axis=1)
    np.testing.assert_array_equal(codes[0], sent)


def test_a_round_trip_is_aligned_and_better_with_more_bits(means_codec):
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(RATE_HZ) / RATE_HZ)
    found = []
    for kbps in (3.0, 6.0, 12.0):
        _, y = coded_and_decoded(NeuralCoder(str(means_codec), kbps), tone)
        found.append(si_sdr_db(tone, y))
    assert found == sorted(found)
    # a mean over 20 of 24,000 samples that is held is wrong by a sawtooth, and nothing else
    slope = 2 * np.pi * 100 * 20 / 24000
    assert found[-1] == pytest.approx(10 * np.log10(12 / slope**2), abs=0.1)


def test_a_pair_is_coded_as_mid_and_side(means_codec, syllables, tmp_path):
    """The mid has the first books of a packet, and left and right keep their balance."""
    tone = 0.5 * np.sin(2 * np.pi * 100 * np.arange(RATE_HZ) / RATE_HZ)
    coder = NeuralCoder(str(means_codec), 24.0, side_kbps=12.0)
    coded = coder.encode(np.stack([tone, 0.25 * tone]), RATE_HZ)
    assert {len(packet) for packet in coded.packets} == {1 + 48 * 10 // 8}
    y = coder.decode(coded.packets, RATE_HZ, tone.size).sound
    assert y.shape == (2, tone.size)
    assert np.std(y[1]) / np.std(y[0]) == pytest.approx(0.25, rel=0.02)
    (tmp_path / "a.rtc").write_bytes(coded.file)
    header, codes = read_rtc(tmp_path / "a.rtc")
    assert (header.books, header.side_books) == (24, 24)
    mid = NeuralCoder(str(means_codec), 12.0).encode(0.625 * tone, RATE_HZ)
    sent = np.concatenate([unpack(packet).codes for packet in mid.packets], axis=1)
    assert np.mean(codes[0] == sent) > 0.98


def test_a_stream_does_not_depend_on_the_one_before(means_codec, syllables):
    coder = NeuralCoder(str(means_codec), 6.0)
    first = coder.encode(syllables, RATE_HZ).packets
    assert coder.encode(syllables, RATE_HZ).packets == first
    losing = [None if n % 3 == 1 else p for n, p in enumerate(first)]
    one, other = (coder.decode(losing, RATE_HZ, syllables.size).sound for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_multiply_accumulates_of_both_sides_are_counted(means_codec, syllables):
    model = read_codec(means_codec)
    assert macs_per_second(model.encoder) == macs_per_second(model.decoder) == 24 * 20 * 50
    cost = measure_cost(NeuralCoder(str(means_codec), 12.0), syllables, RATE_HZ, rounds=1)
    assert cost["encode_mmacs"] == cost["decode_mmacs"] == 0.024
    assert cost["latency_ms"] == pytest.approx(20.0)
    assert 0 < cost["encode_p50_us"] <= cost["encode_p99_us"]
    assert cost["memory_mb"] is None or 20 < cost["memory_mb"] < 2000
    total_us = cost["encode_p50_us"] + cost["decode_p50_us"]
    assert cost["real_time_factor"] == pytest.approx(total_us / 20_000)


# -- losses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss_percent", [5.0, 10.0, 20.0])
def test_losses_are_as_many_as_said_and_come_in_bursts(loss_percent):
    patterns = [codec.lost_packets(250, loss_percent, seed) for seed in range(15)]
    shares = [100.0 * lost.mean() for lost in patterns]
    assert max(abs(share - loss_percent) for share in shares) < 0.4 * loss_percent
    assert np.mean(shares) == pytest.approx(loss_percent, abs=0.6)
    bursts = sum(int(np.sum(np.diff(lost.astype(int), prepend=0) == 1)) for lost in patterns)
    assert sum(lost.sum() for lost in patterns) / bursts == pytest.approx(2.0, abs=0.35)
    np.testing.assert_array_equal(codec.lost_packets(250, loss_percent, 7), patterns[7])


def test_nothing_is_lost_at_zero():
    assert not codec.lost_packets(250, 0.0).any()


# -- scores ----------------------------------------------------------------------------------------


def test_rows_have_the_bits_and_the_losses(means_codec, recordings_folder):
    coders, _ = codec.find_coders([str(means_codec)])
    ours = [coder for coder in coders.speech if isinstance(coder, NeuralCoder)]
    assert [coder.kbps for coder in ours] == [1.5, 3.0, 6.0, 9.0, 12.0]
    clips = [CodecClip("music", recordings_folder / "music" / "excerpts" / "tune.flac")]
    one = codec.Coders([], [ours[2]])
    [rows] = codec.scores(one, clips, frozenset({"mel", "si_sdr_db"}))
    assert [row["loss_percent"] for row in rows] == list(codec.LOSSES_PERCENT)
    assert rows[0]["payload_kbps"] == pytest.approx(6.4)  # 15 bytes of codes, and one more
    assert rows[0]["payload_ratio"] == pytest.approx(16 * 48 / 6.4)
    assert 6.0 < rows[0]["file_kbps"] < 6.4
    assert rows[0]["file_ratio"] == pytest.approx(16 * 48 / rows[0]["file_kbps"])
    assert not {"pesq", "stoi", "visqol"} & rows[0].keys()
    assert rows[0]["si_sdr_db"] > rows[3]["si_sdr_db"]


@needs_av
def test_music_in_two_channels_is_scored_as_stereo_too(means_codec, tmp_path):
    folder = tmp_path / "music" / "excerpts"
    folder.mkdir(parents=True)
    x = np.random.default_rng(0).uniform(-0.3, 0.3, (RATE_HZ, 2))
    soundfile.write(folder / "pair.flac", x, RATE_HZ)
    clips = codec_clips(tmp_path)
    assert [clip.group for clip in clips] == ["music", "stereo"]
    assert clips[1].read()[0].shape == (2, RATE_HZ)
    coders, _ = codec.find_coders([str(means_codec)])
    wanted = codec.Coders([], [], [each for each in coders.stereo if each.kbps == 12.0])
    ours, opus = codec.scores(wanted, clips, frozenset({"mel", "si_sdr_db"}))
    assert ours[0]["group"] == "stereo"
    assert ours[0]["payload_kbps"] == pytest.approx(12.4)
    assert opus[0]["payload_kbps"] == pytest.approx(12.0)
    assert ours[0]["payload_ratio"] == pytest.approx(2 * 16 * 48 / 12.4)


def test_means_leave_out_what_was_not_measured():
    def row(clip, **measured):
        return {
            "group": "g",
            "codec": "c",
            "kbps": 6.0,
            "loss_percent": 0.0,
            "clip": clip,
        } | measured

    [found] = codec.summary([row("a", pesq=2.0, mel=1.0), row("b", pesq=math.nan, mel=2.0)])
    assert found == {
        "group": "g", "codec": "c", "kbps": 6.0, "loss_percent": 0.0, "count": 2,
        "pesq": 2.0, "mel": 1.5,
    }  # fmt: skip


def test_clips_are_mono_short_and_without_dc(recordings_folder, tmp_path):
    clips = codec_clips(recordings_folder)
    assert [clip.group for clip in clips] == ["heard", "unheard", "music"]
    x, rate_hz = clips[0].read()
    assert (x.ndim, rate_hz) == (1, RATE_HZ)
    assert abs(x.mean()) < 1e-12
    long = tmp_path / "long.flac"
    soundfile.write(long, np.random.default_rng(0).uniform(-1, 1, (8000 * 6, 2)), 8000)
    assert CodecClip("music", long).read()[0].shape == (40000,)
    soundfile.write(long, np.zeros(100), 8000)
    with pytest.raises(MetricsError, match="silent"):
        CodecClip("music", long).read()


@pytest.mark.data
def test_the_lists_of_voices_are_found_in_the_data_folder(data_folder):
    clips = codec_clips(data_folder)
    assert sum(clip.group == "heard" for clip in clips) == 12
    assert sum(clip.group == "unheard" for clip in clips) == 14
    assert sum(clip.music for clip in clips) > 0
    voices = [{c.name.split("_")[0] for c in clips if c.group == g} for g in ("heard", "unheard")]
    assert voices[0].isdisjoint(voices[1])


def test_codecs_of_one_name_are_kept_apart(means_codec, tmp_path):
    for side in ("encoder", "decoder"):
        name = f"means.{side}.onnx"
        (tmp_path / name).write_bytes((means_codec.parent / name).read_bytes())
    paths = [str(means_codec), str(means_codec), str(tmp_path / "means")]
    coders, _ = codec.find_coders(paths)
    ours = [coder for coder in coders.speech if isinstance(coder, NeuralCoder)]
    assert list(dict.fromkeys(coder.codec for coder in ours)) == ["means", paths[2]]
    assert len(ours) == 2 * 5
