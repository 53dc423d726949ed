"""Files of phones and meetings: read to the sample, written, and their video left as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed (extra: media)")

from rtaudio.audio import media  # noqa: E402
from rtaudio.audio.reader import open_audio, read_audio  # noqa: E402
from rtaudio.audio.writer import create_audio, write_audio  # noqa: E402
from rtaudio.errors import AudioFileError  # noqa: E402

RATE = 48000
NOISE = np.random.default_rng(0)
TONE = (
    0.3 * np.sin(np.cumsum(0.02 + 0.1 * NOISE.uniform(size=2 * RATE + 123)))
).astype(np.float32)  # fmt: skip


def make(path, codec="aac", *, x=TONE, rate=RATE, first=0, video=None, **options):
    """Write sound, by default at time 0, and a video of two seconds, with PyAV."""
    with av.open(str(path), "w", options=options) as container:
        sound = container.add_stream(codec, rate=rate, layout="mono")
        sound.bit_rate = 12_200 if rate == 8000 else 64_000
        packets = []
        if video:
            film = container.add_stream(video, rate=25)
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            for number in range(50):
                picture = NOISE.integers(0, 255, (48, 64, 3), dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(picture)
                frame.pts = number
                packets += film.encode(frame)
            packets += film.encode(None)
        frame = av.AudioFrame.from_ndarray(x[None], "flt", "mono")
        frame.rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        for packet in [*packets, *sound.encode(frame), *sound.encode(None)]:
            container.mux(packet)
    return path


def lag(x, y):
    """Samples by which y is late."""
    size = 1 << 19
    product = np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size))
    at = int(np.argmax(np.fft.irfft(product)))
    return at if at < size // 2 else at - size


def decoded(path):
    """Decode the sound with PyAV alone, as it comes."""
    with av.open(str(path)) as container:
        to_float = av.AudioResampler("flt")
        frames = [f for frame in container.decode(audio=0) for f in to_float.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def packets(path):
    """Return bytes and time of every video packet, and the rotation of the first picture."""
    with av.open(str(path)) as container:
        film = container.streams.video[0]
        found = [(bytes(p), round(float(p.pts * p.time_base), 3))
                 for p in container.demux(film) if p.size]  # fmt: skip
    with av.open(str(path)) as container:
        return found, next(container.decode(video=0)).rotation


def without_library(monkeypatch):
    monkeypatch.setattr(media, "has_library", lambda: False)


@pytest.fixture(params=["library", "program"])
def way(request, monkeypatch):
    """Both ways to FFmpeg."""
    if request.param == "program":
        if shutil.which("ffmpeg") is None:
            pytest.skip("the program ffmpeg is not installed")
        without_library(monkeypatch)
    return request.param


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "codec"), [
    (".m4a", "aac"), (".mp4", "aac"), (".mov", "aac"), (".3gp", "aac"), (".m4a", "alac"),
    (".webm", "libopus"), (".mka", "libopus"), (".mkv", "flac"), (".mov", "pcm_s16le"),
])  # fmt: skip
def test_sound_is_exact_to_the_sample(tmp_path, suffix, codec):
    path = make(tmp_path / f"in{suffix}", codec)
    audio, rate = read_audio(path)
    assert (audio.shape, rate) == ((1, len(TONE)), RATE)
    assert lag(TONE, audio[0]) == 0
    plain = decoded(path)
    common = min(len(plain), len(TONE))
    assert np.array_equal(audio[0, :common], plain[:common])
    assert common >= len(TONE)


@pytest.mark.parametrize(("suffix", "codec", "rate"), [
    (".aac", "aac", 44100), (".amr", "libopencore_amrnb", 8000), (".ts", "aac", RATE),
    (".avi", "libmp3lame", RATE), (".mkv", "aac", RATE), (".wma", "wmav2", 44100),
])  # fmt: skip
def test_a_container_that_does_not_tell_is_read_as_it_comes(tmp_path, suffix, codec, rate):
    try:
        path = make(tmp_path / f"in{suffix}", codec, rate=rate, x=TONE[:rate])
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"this FFmpeg cannot write it: {error}")
    audio, found = read_audio(path)
    assert found == rate
    plain = decoded(path)
    np.testing.assert_array_equal(audio[0, -len(plain) :], plain)
    assert 0 <= lag(TONE[:rate], audio[0]) < 4096


@pytest.mark.usefixtures("way")
def test_a_late_start_is_silence(tmp_path):
    path = make(tmp_path / "in.mp4", first=RATE // 2, video="mpeg4", movie_timescale=str(RATE))
    audio, _ = read_audio(path)
    assert lag(TONE, audio[0]) == RATE // 2
    assert np.abs(audio[0, : RATE // 2 - 1024]).max() < 0.001


@pytest.mark.usefixtures("way")
def test_a_pause_of_the_recorder_is_silence(tmp_path):
    make(tmp_path / "whole.webm", "libopus")
    with (
        av.open(str(tmp_path / "whole.webm")) as source,
        av.open(str(tmp_path / "in.webm"), "w") as target,
    ):
        copy = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.pts is not None:
                late = 1000 if packet.pts >= 1000 else 0
                packet.pts, packet.dts = packet.pts + late, packet.dts + late
                packet.stream = copy
                target.mux(packet)
    whole, _ = read_audio(tmp_path / "whole.webm")
    paused, _ = read_audio(tmp_path / "in.webm")
    assert abs(paused.shape[1] - whole.shape[1] - RATE) <= 100  # milliseconds, and one packet less
    assert np.abs(paused[0, int(1.1 * RATE) : int(1.9 * RATE)]).max() == 0.0
    assert lag(whole[0, -RATE // 2 :], paused[0, -RATE // 2 :]) in range(-100, 100)


def test_a_stream_without_a_stated_length_is_counted(tmp_path):
    path = make(tmp_path / "in.webm", "libopus", live="1")
    with av.open(str(path)) as container:
        assert container.duration is None
    with open_audio(path) as file:
        assert file.frames == pytest.approx(len(TONE), abs=0.05 * RATE)
        assert file.read(1 << 20).shape == (1, len(TONE))
        assert file.damage() == ""


def test_damaged_packets_are_silence_and_are_told(tmp_path):
    path = make(tmp_path / "in.m4a", "alac")
    whole, _ = read_audio(path)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    with open_audio(path) as file:
        audio = file.read(1 << 20)
        assert "is damaged: 0." in file.damage()
        assert "silence replaces them" in file.damage()
    assert audio.shape == whole.shape
    assert np.array_equal(audio[:, -RATE // 2 :], whole[:, -RATE // 2 :])
    with pytest.raises(AudioFileError, match="is damaged"):
        read_audio(path)


def test_of_a_cut_file_everything_readable_is_kept(tmp_path):
    path = make(tmp_path / "in.m4a", movflags="faststart")
    data = path.read_bytes()
    path.write_bytes(data[: int(0.7 * len(data))])
    with open_audio(path) as file:
        seconds = file.read(1 << 20).shape[1] / RATE
        assert 0.8 < seconds < 1.8
        assert f"can be read up to {seconds:.2f} of 2.00 s" in file.damage()


def test_tags_are_read(tmp_path):
    path = make(tmp_path / "in.m4a")
    with open_audio(path) as file, create_audio(tmp_path / "out.m4a", RATE, 1, beside=file) as out:
        file.metadata.update(title="Talk", artist="Me", tracknumber="3")
        out.write(file.read(RATE).T)
    with create_audio(tmp_path / "tagged.m4a", RATE, 1, beside=file) as out:
        out.write(TONE[:, None])
    with open_audio(tmp_path / "tagged.m4a") as again:
        assert (again.metadata["title"], again.metadata["artist"]) == ("Talk", "Me")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("text", [
    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nin.ts\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile in.ts\n", "v=0\nm=audio 5004 RTP/AVP 0\n", "no sound",
])  # fmt: skip
def test_a_file_that_names_others_is_not_followed(tmp_path, text):
    make(tmp_path / "in.ts")
    (tmp_path / "list.m4a").write_text(text)
    with pytest.raises(AudioFileError, match="not an audio file"):
        read_audio(tmp_path / "list.m4a")


def test_a_film_without_sound_is_refused(tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        film = container.add_stream("mpeg4", rate=25)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
        for packet in [*film.encode(frame), *film.encode(None)]:
            container.mux(packet)
    with pytest.raises(AudioFileError, match="holds no sound"):
        read_audio(tmp_path / "in.mp4")


def test_without_ffmpeg_one_line_says_the_remedy(tmp_path, monkeypatch, refused):
    path = make(tmp_path / "in.m4a")
    without_library(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    for target in ("o.wav", "o.m4a"):
        line = refused("render", "bypass", path, tmp_path / target)
        assert f"{path}: needs FFmpeg; pip install 'rtaudio[media]', or install" in line
    write_audio(tmp_path / "in.wav", TONE, RATE)
    assert "o.m4a: needs FFmpeg" in refused(
        "render", "bypass", tmp_path / "in.wav", tmp_path / "o.m4a"
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.m4a", "in.wav"]


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Five minutes are 57 MB as floats."""
    make(tmp_path / "short.m4a", x=np.tile(TONE, 5))
    make(tmp_path / "long.m4a", x=np.tile(TONE, 150))
    code = (
        "import resource, sys\n"
        "from rtaudio.audio.reader import open_audio\n"
        "for name in sys.argv[1:]:\n"
        "    with open_audio(name) as file:\n"
        "        while file.read(4096).size: pass\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file.position)\n"
    )
    words = [sys.executable, "-c", code, tmp_path / "short.m4a", tmp_path / "long.m4a"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    short, long = (list(map(int, line.split())) for line in done.stdout.splitlines())
    assert (short[1], long[1]) == (5 * len(TONE), 150 * len(TONE))
    assert long[0] - short[0] < 10_000  # kB


# -- writing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".m4a", ".mp4", ".mov", ".webm", ".mka"])
@pytest.mark.parametrize("rate", [RATE, 44100, 16000])
@pytest.mark.usefixtures("way")
def test_written_sound_keeps_its_time(tmp_path, suffix, rate):
    write_audio(tmp_path / f"out{suffix}", np.stack([TONE, -TONE]), rate)
    audio, found = read_audio(tmp_path / f"out{suffix}")
    assert found == (RATE if suffix in (".webm", ".mka") else rate)
    assert audio.shape == (2, pytest.approx(len(TONE) * found / rate, abs=1))
    if found == rate:
        assert lag(TONE, audio[0]) == 0
        assert np.abs(audio[0] - TONE)[1000:-1000].mean() < 0.02


@pytest.mark.parametrize(("source", "codec", "video", "target"), [
    ("in.mp4", "aac", "libx264", "out.mp4"), ("in.mov", "aac", "mpeg4", "out.mov"),
    ("in.webm", "libopus", "libvpx", "out.webm"), ("in.mp4", "aac", "libx264", "out.mkv"),
])  # fmt: skip
@pytest.mark.usefixtures("way")
def test_the_video_stays_untouched(cli, tmp_path, source, codec, video, target):
    make(tmp_path / source, codec, video=video)
    (tmp_path / "half.yaml").write_text("chain:\n  - gain: {gain_db: -6}\n")
    answer = cli("render", tmp_path / "half.yaml", tmp_path / source, tmp_path / target)
    assert answer.status == 0, answer.err
    assert packets(tmp_path / target) == packets(tmp_path / source)
    dry, wet = (read_audio(tmp_path / name)[0] for name in (source, target))
    assert dry.shape == wet.shape
    assert lag(dry[0], wet[0]) == 0
    assert np.std(wet) == pytest.approx(0.501 * np.std(dry), rel=0.03)


@pytest.mark.usefixtures("way")
def test_a_video_that_does_not_fit_is_refused_and_leaves_nothing(refused, tmp_path):
    make(tmp_path / "in.mp4", video="libx264")
    line = refused("render", "bypass", tmp_path / "in.mp4", tmp_path / "out.webm")
    assert f"out.webm: cannot hold the video of {tmp_path / 'in.mp4'}" in line
    assert "use .mkv for video, .wav for sound" in line
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_more_channels_than_a_media_file_has_are_refused(tmp_path):
    with pytest.raises(AudioFileError, match=r"cannot hold 12 channels; use \.wav"):
        write_audio(tmp_path / "out.m4a", np.zeros((12, 100)), RATE)
    assert list(tmp_path.iterdir()) == []


# -- every verb ------------------------------------------------------------------------------------


def test_every_verb_reads_it(cli, tmp_path):
    path, out = make(tmp_path / "in.m4a", x=TONE[:RATE]), tmp_path / "out.wav"
    for words in (
        ("render", "bypass", path, out),
        ("run", "bypass", "--device", "clock", "--in", path, "--json"),
        ("tune", "--device", "clock", "--in", path, "--json"),
        ("encode", path, tmp_path / "out.rtc"),
    ):
        answer = cli(*words)
        assert answer.status == 0, answer.err
    assert read_audio(out)[0].shape == (1, RATE)


def test_a_folder_of_them_becomes_the_same_files_or_wav(cli, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    make(folder / "call.mp4", x=TONE[:RATE], video="mpeg4")
    make(folder / "memo.m4a", x=TONE[:RATE])
    make(folder / "old.aac", x=TONE[:RATE])
    answer = cli("denoise", folder, out, "--model", "bypass", "--jobs", 1)
    assert answer.status == 0, answer.err
    names = sorted(path.name for path in out.iterdir())
    assert names == ["call.mp4", "memo.m4a", "old.wav"]
    assert len(packets(out / "call.mp4")[0]) == 50
