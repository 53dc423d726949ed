"""Denoising of files and folders: aligned, as long, stored alike, and honest about damage."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from export.exporter import export_model  # noqa: E402
from export.spectral import OverlapAdd  # noqa: E402
from export.streaming import StreamingModule  # noqa: E402
from rtaudio.audio.reader import open_audio, read_audio  # noqa: E402
from rtaudio.audio.wave_chunks import chunks  # noqa: E402
from rtaudio.audio.writer import create_audio  # noqa: E402
from rtaudio.batch.folder import list_pairs  # noqa: E402
from rtaudio.errors import AudioFileError  # noqa: E402

CARD = {"name": "test", "sample_rate": 48000, "license": "Apache-2.0", "provenance": {}}
RATE = 48000
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, (3 * RATE, 8))


class Times(StreamingModule):
    """Every frame times a constant."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def initial_state(self, batch=1):
        return {}

    def forward(self, x, state):
        return self.factor * x, state


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Nets with the frames and the delay of a denoiser; one leaves all, one a tenth."""
    folder = tmp_path_factory.mktemp("models")
    for name, factor in (("wire", 1.0), ("tenth", 0.1)):
        net = OverlapAdd(Times(factor), n_fft=960, hop=480).eval()
        export_model(net, CARD, folder / f"{name}.onnx")
    return folder


@pytest.fixture
def denoise(cli, models):
    """Return ``denoise(in, out, *words) -> answer``; with the wire unless a model is named."""

    def call(source, target, *words):
        model = () if "--model" in words else ("--model", models / "wire.onnx")
        return cli("denoise", source, target, *model, *words)

    return call


def write(path, frames, rate=RATE, subtype="PCM_16", **strings):
    """Write a second at a time: libsndfile's Vorbis encoder cannot take much at once."""
    with create_audio(path, rate, frames.shape[1], subtype, frames=len(frames)) as file:
        for name, value in strings.items():
            setattr(file._file, name, value)
        for at in range(0, len(frames), rate):
            file.write(frames[at : at + rate])
    return path


def lag(x, y):
    """Samples by which y is late."""
    size = 2 * len(x)
    product = np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size))
    at = int(np.argmax(np.fft.irfft(product)))
    return at if at < len(x) else at - size


# -- what comes out --------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "subtype", "channels", "frames"), [
    (".wav", "PCM_16", 1, 1), (".wav", "PCM_16", 2, 479), (".wav", "PCM_24", 2, 480),
    (".flac", "PCM_16", 8, 48001), (".wav", "PCM_U8", 3, 4800), (".aiff", "PCM_16", 2, 131072),
    (".wav", "PCM_16", 64, 5000),
])  # fmt: skip
def test_a_wire_gives_back_the_very_samples(denoise, tmp_path, suffix, subtype, channels, frames):
    sound = np.tile(NOISE, (1, 8))[:frames, :channels]
    source = write(tmp_path / f"in{suffix}", sound, subtype=subtype)
    answer = denoise(source, tmp_path / f"out{suffix}")
    assert (answer.status, answer.err) == (0, "")
    before, after = soundfile.info(source), soundfile.info(tmp_path / f"out{suffix}")
    for what in ("frames", "samplerate", "channels", "subtype", "format"):
        assert getattr(after, what) == getattr(before, what)
    dry, _ = soundfile.read(source, dtype="int32")
    wet, _ = soundfile.read(tmp_path / f"out{suffix}", dtype="int32")
    assert np.abs(dry.astype(np.int64) - wet).max() <= (512 if subtype == "PCM_24" else 0)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000, 192000])
def test_other_rates_come_back_aligned(denoise, tmp_path, rate):
    """Below the pass band of the resamplers nothing changes, and nothing is late."""
    time_s = np.arange(rate) / rate
    low = min(rate, RATE) / 2
    sound = sum(0.05 * np.sin(2 * np.pi * low * part * time_s + 7 * part)
                for part in np.linspace(0.05, 0.8, 12))  # fmt: skip
    source = write(tmp_path / "in.wav", sound[:, None], rate, "FLOAT")
    assert denoise(source, tmp_path / "out.wav").status == 0
    wet, out_rate = soundfile.read(tmp_path / "out.wav")
    assert (out_rate, len(wet)) == (rate, rate)
    assert lag(sound, wet) == 0
    inside = slice(rate // 50, -rate // 50)
    error = np.sqrt(np.mean((wet - sound)[inside] ** 2) / np.mean(sound[inside] ** 2))
    assert 20 * np.log10(error) < -60


@pytest.mark.parametrize(("suffix", "subtype"), [
    (".ogg", "VORBIS"), (".opus", "OPUS"), (".mp3", "MPEG_LAYER_III"), (".caf", "PCM_24"),
    (".w64", "FLOAT"), (".au", "PCM_32"), (".rf64", "PCM_16"), (".wav", "ULAW"),
])  # fmt: skip
def test_other_formats_keep_storage_and_place(denoise, tmp_path, suffix, subtype):
    source = write(tmp_path / f"in{suffix}", NOISE[:, :1], subtype=subtype)
    answer = denoise(source, tmp_path / f"out{suffix}")
    assert (answer.status, answer.err) == (0, "")
    dry, _ = soundfile.read(source)
    wet, _ = soundfile.read(tmp_path / f"out{suffix}")
    assert soundfile.info(tmp_path / f"out{suffix}").subtype == subtype
    assert len(wet) == len(dry)
    assert lag(dry, wet) == 0


def test_limit_and_mix_come_from_the_delayed_input(denoise, models, tmp_path):
    """No comb: with a net that keeps a tenth, all that changes is the level."""
    source = write(tmp_path / "in.wav", NOISE[:9600, :2], subtype="FLOAT")
    dry, _ = soundfile.read(source)
    for number, (words, gain) in enumerate([
        ([], 0.1), (["--mix", 0], 1.0), (["--mix", 0.5], 0.55), (["--limit-db", 0], 1.0),
        (["--limit-db", 20], 0.19), (["--limit-db", 20, "--mix", 0.5], 0.595),
    ]):  # fmt: skip
        out = tmp_path / f"{number}.wav"
        assert denoise(source, out, "--model", models / "tenth.onnx", *words).status == 0
        np.testing.assert_allclose(soundfile.read(out)[0], gain * dry, atol=2e-6)


def test_the_room_stays_or_goes_as_far_as_asked(cli, tmp_path):
    """A voice of noise bursts in a simulated room; the tails between them are what is turned."""
    rng = np.random.default_rng(3)
    time_s = np.arange(3 * RATE) / RATE
    dry = rng.standard_normal(time_s.size) * ((time_s % 0.6) < 0.2) * 0.1
    tail = rng.standard_normal(RATE // 2) * 10 ** (-3 * np.arange(RATE // 2) / (0.4 * RATE)) * 0.02
    tail[0] = 1.0
    source = write(
        tmp_path / "in.wav", np.convolve(dry, tail)[: time_s.size, None], subtype="FLOAT"
    )
    levels = []
    for percent in ("0", "50", "100"):
        out = tmp_path / f"{percent}.wav"
        assert cli("denoise", source, out, "--dereverberation", percent).status == 0
        levels.append(np.square(soundfile.read(out)[0]).sum())
    plain = tmp_path / "plain.wav"
    assert cli("denoise", source, plain).status == 0
    np.testing.assert_array_equal(soundfile.read(plain)[0], soundfile.read(tmp_path / "50.wav")[0])
    assert levels[0] > levels[1] > levels[2]
    done = cli(
        "denoise", source, tmp_path / "x.wav", "--preset", "crunch", "--dereverberation", "0"
    )
    assert done.status == 2
    assert "crunch has no denoise effect" in done.err


def test_storage_is_rounded_to_the_nearest_step(tmp_path):
    steps = np.arange(-127, 127)
    for suffix in (".wav", ".flac", ".aiff", ".caf"):
        path = write(tmp_path / f"x{suffix}", (steps[:, None] + 0.4) / 32768)
        assert np.array_equal(soundfile.read(path, dtype="int16")[0], steps)
        path = write(tmp_path / f"y{suffix}", (steps[:, None] - 0.4) / 32768)
        assert np.array_equal(soundfile.read(path, dtype="int16")[0], steps)


def test_figures(denoise, tmp_path):
    source = write(tmp_path / "in.wav", 4.0 * NOISE[:, :1], subtype="FLOAT")
    answer = denoise(source, tmp_path / "out.flac", "--json")
    assert answer.status == 0
    figures = json.loads(answer.out)
    above = np.count_nonzero(np.abs(soundfile.read(source)[0]) > 1)
    assert above > 1000
    assert figures["audio_seconds"] == 3
    assert figures["real_time_factor"] == pytest.approx(figures["seconds"] / 3, rel=0.01)
    assert abs(figures["clipped"] - above) <= 1
    assert f"{figures['clipped']} samples clipped" in answer.err
    assert figures["in_peak"] == pytest.approx(1.2, abs=0.01)


# -- what lies beside the sound --------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".aiff", ".mp3", ".caf"])
def test_title_and_artist_are_kept(denoise, tmp_path, suffix):
    source = write(tmp_path / f"in{suffix}", NOISE[:, :1], title="A walk", artist="Somebody")
    answer = denoise(source, tmp_path / f"out{suffix}", "--json")
    assert answer.status == 0
    with soundfile.SoundFile(tmp_path / f"out{suffix}") as file:
        assert (file.title, file.artist) == ("A walk", "Somebody")
    assert {"title", "artist"} <= set(json.loads(answer.out)["metadata"])


def test_chunks_of_a_wav_file_are_kept(denoise, tmp_path):
    source = write(tmp_path / "in.wav", NOISE[:2400, :1], title="A walk")
    extra = {b"bext": os.urandom(602), b"cart": os.urandom(2049), b"cue ": os.urandom(28),
             b"iXML": b"<BWFXML/>"}  # fmt: skip
    data = source.read_bytes()
    for name, content in extra.items():
        data += struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)
    source.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    assert denoise(source, tmp_path / "out.wav").status == 0
    with (tmp_path / "out.wav").open("rb") as file:
        found = {}
        for chunk in chunks(file):
            file.seek(chunk.at)
            found[chunk.name] = file.read(chunk.size)
        file.seek(4)
        assert struct.unpack("<I", file.read(4))[0] == os.path.getsize(file.name) - 8
    assert extra.items() <= found.items()
    assert soundfile.info(tmp_path / "out.wav").frames == 2400
    assert denoise(source, tmp_path / "out.flac").status == 0


def test_a_wav_file_may_be_larger_than_4_gb(tmp_path):
    """The header alone: the sound is a hole in the file."""
    path = tmp_path / "large.wav"
    frames = (1 << 32) // 4 + 10
    with create_audio(path, RATE, 1, "FLOAT", frames=frames) as file:
        file._file.seek(frames - 10)
        file.write(np.full((10, 1), 0.5))
    with open_audio(path) as file:
        assert file.frames == frames
    assert soundfile.info(path).format == "RF64"
    with create_audio(tmp_path / "unknown.wav", RATE, 2, "PCM_16") as file:
        file.write(np.full((10, 2), 0.5))
    data = (tmp_path / "unknown.wav").read_bytes()
    assert data[:4] == b"RIFF"
    assert soundfile.info(tmp_path / "unknown.wav").format in ("WAV", "WAVEX")
    audio, _ = read_audio(tmp_path / "unknown.wav")
    assert np.array_equal(audio, np.full((2, 10), 0.5))


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "subtype", "least"), [
    (".wav", "PCM_16", 1.79), (".rf64", "PCM_24", 1.79), (".aiff", "PCM_16", 1.79),
    (".w64", "PCM_16", 1.79), (".au", "PCM_16", 1.79), (".flac", "PCM_16", 1.6),
    (".ogg", "VORBIS", 0.9), (".opus", "OPUS", 0.9), (".mp3", "MPEG_LAYER_III", 1.6),
])  # fmt: skip
def test_of_a_cut_file_everything_readable_is_kept(denoise, tmp_path, suffix, subtype, least):
    source = write(tmp_path / f"in{suffix}", NOISE[:, :1], subtype=subtype)
    whole, _ = soundfile.read(source)
    data = source.read_bytes()
    source.write_bytes(data[: int(0.6 * len(data))])
    answer = denoise(source, tmp_path / "out.wav")
    assert answer.status == 2
    line = next(line for line in answer.err.splitlines() if line.startswith("error: "))
    wet, _ = soundfile.read(tmp_path / "out.wav")
    seconds = len(wet) / RATE
    assert f"{source}: is damaged: it can be read up to {seconds:.2f}" in line
    assert f"the rest is in {tmp_path / 'out.wav'}" in line
    assert least <= seconds <= 2.0
    keep = slice(0, len(wet) - 2048)  # a lossy coder may decode the last frames otherwise
    np.testing.assert_allclose(wet[keep], whole[keep], atol=2e-5 if suffix != ".mp3" else 0.05)


@pytest.mark.parametrize("places", [(0.3, 0.6), (0.002, 0.6)])
def test_a_flac_file_is_read_on_behind_its_damage(denoise, tmp_path, places):
    source = write(tmp_path / "in.flac", NOISE[:, :2])
    whole, _ = soundfile.read(source)
    data = bytearray(source.read_bytes())
    for place in places:
        at = int(place * len(data))
        data[at : at + 500] = os.urandom(500)
    source.write_bytes(data)
    answer = denoise(source, tmp_path / "out.wav")
    assert answer.status == 2
    line = answer.err.splitlines()[-1]
    assert f"{source}: is damaged: 0." in line
    first = float(line.partition("s are missing, from ")[2].partition(" s on")[0])
    assert 3 * places[0] - 0.2 < first < 3 * places[0] + 0.001
    wet, _ = soundfile.read(tmp_path / "out.wav")
    assert wet.shape == whole.shape
    lost = np.abs(wet - whole).max(axis=1) > 1e-6
    assert 2 * 4096 <= lost.sum() <= 4 * 8192
    assert not wet[lost].any()


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_length_left_open_is_no_damage(denoise, tmp_path, size):
    source = write(tmp_path / "in.wav", NOISE[:4800, :1])
    data = bytearray(source.read_bytes())
    at = data.index(b"data")
    struct.pack_into("<I", data, 4, size)
    struct.pack_into("<I", data, at + 4, size - (36 if size < 0xFFFFFFFF else 0))
    source.write_bytes(data)
    answer = denoise(source, tmp_path / "out.wav")
    assert (answer.status, answer.err) == (0, "")
    assert soundfile.info(tmp_path / "out.wav").frames == 4800


def test_what_is_no_number_becomes_silence(denoise, tmp_path):
    sound = NOISE[:, :2].copy()
    sound[RATE : RATE + 10, 1] = np.nan
    sound[2 * RATE, 0] = np.inf
    source = write(tmp_path / "in.wav", sound, subtype="FLOAT")
    answer = denoise(source, tmp_path / "out.wav")
    assert answer.status == 2
    assert answer.err.count("\n") == 1
    assert "holds 11 NaN or infinite samples, the first at 1.00 s" in answer.err
    wet, _ = soundfile.read(tmp_path / "out.wav")
    np.testing.assert_allclose(wet, np.where(np.isfinite(sound), sound, 0.0), atol=2e-6)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.wav", "no such file"),
        ("text.wav", "not an audio file; convert it"),
        ("zero.wav", "not an audio file"),
        ("empty.wav", "has no frames"),
        ("slow.wav", "a sample rate of 4000 Hz"),
    ],
)
def test_a_file_is_refused(refused, models, files, tmp_path, name, said):
    line = refused("denoise", files / name, tmp_path / "o.wav", "--model", models / "wire.onnx")
    assert said in line
    assert str(files / name) in line
    assert list(tmp_path.iterdir()) == []


def test_words_are_refused(refused, models, files, tmp_path):
    wire = ("--model", models / "wire.onnx")
    mono, out = files / "mono.wav", tmp_path / "o.wav"
    out.write_text("old")
    assert "exists; choose another name, or replace it: --force" in refused(
        "denoise", mono, out, *wire
    )
    assert "is the file that is read" in refused("denoise", mono, mono, "--force", *wire)
    assert "o.txt: '.txt' is not a format" in refused("denoise", mono, tmp_path / "o.txt", *wire)
    assert "--mix" in refused("denoise", mono, out, "--mix", "2", *wire)
    assert "--limit-db" in refused("denoise", mono, out, "--limit-db", "-1", *wire)
    new = tmp_path / "p.wav"
    assert "no such model file" in refused("denoise", mono, new, "--model", "none.onnx")
    assert "is not a picture; use one of" in refused(
        "denoise", mono, tmp_path / "p.wav", "--picture", tmp_path / "p.txt", *wire
    )
    assert "makes 2 of them" in refused(
        "denoise", mono, tmp_path / "p.wav", "--preset", "crunch-stereo"
    )
    assert "cannot hold 7 channels" in refused(
        "denoise", files / "seven.wav", tmp_path / "p.mp3", *wire
    )
    assert out.read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_full_disk_is_the_fault_of_the_output(models, tmp_path):
    """For every format: the process may write 200 kB to a file."""
    source = write(tmp_path / "in.wav", np.tile(NOISE[:, :1], (20, 1)))
    code = (
        "import resource, sys\n"
        "from rtaudio.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "for name in sys.argv[3:]:\n"
        "    try: main(['denoise', sys.argv[1], name, '--model', sys.argv[2]])\n"
        "    except SystemExit as end: assert end.code == 2\n"
        "try: main(['render', 'bypass', sys.argv[1], sys.argv[3]])\n"
        "except SystemExit as end: assert end.code == 2\n"
    )
    names = [tmp_path / f"out{suffix}" for suffix in (".wav", ".flac", ".ogg", ".mp3")]
    words = [sys.executable, "-c", code, source, models / "wire.onnx", *names]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    for line, name in zip(lines, [*names, names[0]], strict=True):
        assert line.startswith(f"error: {name}: could not be written")
        assert line.endswith("is the disk full?")
    assert list(tmp_path.iterdir()) == [source]


# -- long files ------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_file(models, tmp_path):
    """Five minutes of eight channels are 77 MB as floats; 12 s of them warm everything up."""
    short, long = tmp_path / "short.wav", tmp_path / "long.wav"
    for path, times in ((short, 4), (long, 100)):
        with create_audio(path, 8000, 8, "PCM_U8") as file:
            for _ in range(times):
                file.write(NOISE[:24000])
    code = (
        "import resource, sys\n"
        "from rtaudio.cli import main\n"
        "peaks = []\n"
        "for name in sys.argv[2:]:\n"
        "    try: main(['denoise', name, name + '.flac', '--preset', sys.argv[1],\n"
        "               '--picture', name + '.png'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "print(*peaks)\n"
    )
    words = [sys.executable, "-c", code, "bypass", short, long]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = map(int, done.stdout.splitlines()[-1].split())
    assert 4 * 24000 * 100 * 8 > 75e6
    assert second - first < 25_000  # kB


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory):
    """Five minutes of eight channels."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    with create_audio(path, RATE, 8, "PCM_U8") as file:
        for _ in range(100):
            file.write(NOISE)
    return path


@pytest.mark.parametrize(
    ("kind", "files"), [(signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGKILL, 2)]
)
def test_an_interruption_says_one_line_and_leaves_nothing(
    models, long_recording, tmp_path, kind, files
):
    """Of two processes, stopped by Ctrl-C; of one, stopped by its end; of two whose parent dies."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.wav", "b.wav")[:files]:
        (folder / name).hardlink_to(long_recording)
    words = ["denoise", folder, out, "--model", models / "wire.onnx", "--jobs", files]
    child = subprocess.Popen(
        [sys.executable, "-m", "rtaudio", *map(str, words)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored behind an &
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and child.poll() is None:
        if out.exists() and len(list(out.glob(".*"))) == files:  # half-written ones
            break
        time.sleep(0.005)
    if kind == signal.SIGKILL:
        child.kill()
        status, said = -kind, ""
    else:
        os.killpg(child.pid, kind)
        status, said = 130, "stopped; no half-written file is left\n"
    stdout, stderr = child.communicate(timeout=120)  # all who hold these have ended
    assert child.returncode == status, stderr
    assert stdout == ""
    assert said in stderr
    assert list(out.iterdir()) == []


# -- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_is_done_whatever_fails(denoise, tmp_path, jobs):
    folder, out = tmp_path / "in", tmp_path / "out"
    good = ["a.wav", "b/c.flac", "b/d/e.ogg"]
    (folder / "b" / "d").mkdir(parents=True)
    for number, name in enumerate(good):
        subtype = "VORBIS" if name.endswith("ogg") else "PCM_16"
        write(folder / name, NOISE[: 24000 + number, :2], subtype=subtype)
    cut = write(folder / "cut.wav", NOISE[:, :1]).read_bytes()
    (folder / "cut.wav").write_bytes(cut[: len(cut) // 2])
    (folder / "no.wav").write_text("this is not a sound")
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.wav").write_text("nothing")
    answer = denoise(folder, out, "--jobs", jobs, "--json")
    assert answer.status == 2
    aside = f"1 file left aside, by the suffix not sound files:\n  {folder / 'notes.txt'}\n"
    assert aside in answer.err
    figures = json.loads(answer.out)
    assert [file["out"] for file in figures["files"]] == [
        str(out / name) for name in ("a.wav", "b/c.flac", "b/d/e.ogg", "cut.wav")
    ]
    assert len(figures["errors"]) == 2
    assert all(f"error: {line}" in answer.err.splitlines() for line in figures["errors"])
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == sorted(
        [*good, "cut.wav"]
    )
    for number, name in enumerate(good):
        dry, _ = soundfile.read(folder / name)
        wet, _ = soundfile.read(out / name)
        assert dry.shape == wet.shape == (24000 + number, 2)
    (folder / "no.wav").unlink()
    (folder / "cut.wav").unlink()
    answer = denoise(folder, out, "--jobs", 1)
    assert answer.status == 2
    assert (
        "a.wav and 2 others: exist; choose another folder, or replace them: --force" in answer.err
    )
    answer = denoise(folder, out, "--jobs", 1, "--force")
    assert answer.status == 3  # all went well, but notes.txt is left aside
    (folder / "notes.txt").unlink()
    assert denoise(folder, out, "--jobs", 1, "--force").status == 0
    assert "3 files, 1.50 s" in answer.out


def test_any_name_is_written_and_none_commands_the_terminal(denoise, tmp_path):
    names = [b"a\nb.wav", b"[bold]x[]nope].wav", b"\x1b[2J.wav", b"\xff\xfe.wav", b"-.wav",
             b"%s.wav", b"a" * 251 + b".wav", b"\xd0\xb6" * 125 + b".wav"]  # fmt: skip
    folder, out, cut = tmp_path / "in", tmp_path / "out", b"cut\n\x1b[2J\xff.wav"
    folder.mkdir()
    whole = write(tmp_path / "in.wav", NOISE[:4800, :1]).read_bytes()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(whole)
    (folder / os.fsdecode(cut)).write_bytes(whole[:5000])
    answer = denoise(folder, out, "--jobs", 1)
    assert answer.status == 2
    assert sorted(os.listdir(os.fsencode(out))) == sorted([*names, cut])
    assert len(answer.err.splitlines()) == 1
    assert "is damaged" in answer.err
    assert "\x1b" not in answer.err
    answer = denoise(folder / "\x1b[2J.wav", tmp_path / "\x1b[2J\n.wav")
    assert answer.status == 0
    assert len(answer.out.splitlines()) == 1
    assert "\x1b" not in answer.out


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX only")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    folder = tmp_path / "in"
    (folder / "closed").mkdir(parents=True)
    write(folder / "a.wav", NOISE[:4800, :1])
    (folder / "closed").chmod(0)
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        found, others, errors = list_pairs(folder, tmp_path / "out")
        with pytest.raises(AudioFileError, match="closed: permission denied"):
            list_pairs(folder / "closed", tmp_path / "out")
    finally:
        os.seteuid(user)
        (folder / "closed").chmod(0o755)
    assert ([pair.source.name for pair in found], others) == (["a.wav"], [])
    assert errors == [f"{folder / 'closed'}: permission denied"]


def test_no_file_that_is_read_is_replaced(refused, models, tmp_path):
    folder = tmp_path / "in"
    (folder / "in").mkdir(parents=True)
    for name in ("a.wav", "in/a.wav"):
        write(folder / name, NOISE[:4800, :1])
    before = (folder / "a.wav").read_bytes()
    words = ("--model", models / "wire.onnx", "--force")
    assert "is one of the files that are read" in refused("denoise", folder, tmp_path, *words)
    assert "is the file that is read" in refused("denoise", folder / "a.wav", folder, *words)
    assert (folder / "a.wav").read_bytes() == before


def test_folders_are_refused(refused, models, files, tmp_path):
    wire = ("--model", models / "wire.onnx")
    (tmp_path / "empty").mkdir()
    empty, mono = tmp_path / "empty", files / "mono.wav"
    assert "holds no sound files" in refused("denoise", empty, tmp_path / "out", *wire)
    assert "is the folder that is read" in refused("denoise", empty, empty, *wire)
    assert "is not a folder" in refused("denoise", empty, mono, *wire)
    assert "is for one file" in refused(
        "denoise", empty, tmp_path / "o", "--picture", tmp_path / "p.png", *wire
    )
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
