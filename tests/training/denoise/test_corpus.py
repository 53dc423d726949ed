"""The corpus: decoded once, split for good, and fairly drawn from."""

from __future__ import annotations

import csv
import itertools

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.config import ConfigError
from training.denoise.corpus import load_corpus
from training.denoise.recordings import active_rms

RATE = 48000


def clips_of(collection):
    return {(clip.start, clip.stop) for source in collection.sources for clip in source.clips}


def test_parts_share_no_sound_and_leave_none_out(small_corpus, corpus_cache):
    train, validation = (
        load_corpus(small_corpus, RATE, part, corpus_cache, music=True)
        for part in ("train", "validation")
    )
    for kind, count in (("speech", 30), ("noise", 6), ("music", 2)):
        ours, theirs = clips_of(getattr(train, kind)), clips_of(getattr(validation, kind))
        assert ours
        assert theirs
        assert not ours & theirs
        assert len(ours) + len(theirs) == count
        spans = sorted(ours | theirs)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert {source.name for source in validation.speech.sources} == {"anna", "berta", "carl"}
    assert {source.name for source in validation.noise.sources} == {"hiss", "murmur"}


def test_a_clip_is_the_utterance_of_the_list(small_corpus, corpus_cache):
    corpus = load_corpus(small_corpus, RATE, "train", corpus_cache)
    with (small_corpus / "speech/segments.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = {}
    for row in rows:
        signal, _ = soundfile.read(
            small_corpus / row["file"], dtype="int16", start=int(row["start"]), stop=int(row["end"])
        )
        wanted[signal[:2000].tobytes()] = row["speaker"], signal
    for source in corpus.speech.sources:
        for clip in source.clips:
            found = corpus.speech.recordings.read(clip.start, clip.stop)
            speaker, signal = wanted[np.round(found * 32768).astype(np.int16)[:2000].tobytes()]
            assert speaker == source.name
            np.testing.assert_array_equal(np.round(found * 32768), signal)
            assert clip.rms == pytest.approx(active_rms(found, RATE))


def test_files_are_decoded_once_until_they_change(tmp_path, small_corpus):
    load_corpus(small_corpus, 16000, "train", tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(before) == 4
    again = load_corpus(small_corpus, 16000, "validation", tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert max(c.bandwidth_hz for source in again.noise.sources for c in source.clips) == 8000
    assert again.noise.recordings.path.name in before


def test_takes_of_one_prompt_stay_together(tmp_path):
    folder = spoken(tmp_path, {"anna": ("f", 40)}, texts=lambda number: f"prompt {number % 20}")
    parts = [load_corpus(folder, RATE, part, tmp_path) for part in ("train", "validation")]
    order = sorted(clips_of(parts[0].speech) | clips_of(parts[1].speech))
    prompts = [{order.index(clip) % 20 for clip in clips_of(part.speech)} for part in parts]
    assert not prompts[0] & prompts[1]
    assert len(prompts[0]) == 19


def test_men_and_many_voices_have_their_share(tmp_path):
    voices = {"anna": ("f", 60), "berta": ("f", 30), "carl": ("m", 40)}
    voices |= {f"f{n}": ("f", 2) for n in range(6)} | {f"m{n}": ("m", 2) for n in range(6)}
    corpus = load_corpus(spoken(tmp_path, voices), RATE, "train", tmp_path)
    shares = {source.name: source.share for source in corpus.speech.sources}
    sexes = {source.name: source.sex for source in corpus.speech.sources}
    assert sum(shares.values()) == pytest.approx(1)
    assert sum(shares[name] for name in shares if sexes[name] == "m") == pytest.approx(0.45)
    assert max(shares.values()) <= 0.2 + 1e-9
    # More than by minutes, and less than one voice, one share.
    assert 2 / 52 < shares["m0"] / 0.45 < 1 / 7
    generator = np.random.default_rng(0)
    drawn = [corpus.speech.draw(generator).name for _ in range(4000)]
    for name, share in shares.items():
        assert drawn.count(name) / 4000 == pytest.approx(share, abs=0.025)


def test_what_is_not_spoken_of_is_refused(tmp_path, small_corpus):
    with pytest.raises(ConfigError, match=r"speakers\.csv: cannot be read"):
        load_corpus(tmp_path, RATE, "train", tmp_path)
    folder = spoken(tmp_path, {"anna": ("f", 3)})
    (folder / "speech/train/anna_000.flac").write_bytes(b"no sound")
    with pytest.raises(ConfigError, match=r"anna_000\.flac: cannot be read"):
        load_corpus(folder, RATE, "train", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("speech*"))
    (folder / "speech/speakers.csv").write_text("speaker,sex,audio_bandwidth\nberta,f,8 kHz\n")
    with pytest.raises(ConfigError, match=r"does not fit speakers\.csv"):
        load_corpus(folder, RATE, "train", tmp_path)


@pytest.mark.data
def test_the_lists_of_the_recordings_fit_them(tmp_path, data_folder):
    """Utterances end where the silence behind them begins, and reach as high as stated."""
    folder = tmp_path / "data"
    lists = {
        "speech/segments.csv": ("kathleen_000", "flemishguy_000", "librispeech_m_000"),
        "noise/noise.csv": ("blanket_train", "moodist_bubbles", "moodist_typewriter"),
    }
    for name, wanted in lists.items():
        rows = (data_folder / name).read_text(encoding="utf-8").splitlines()
        kept = [row for row in rows[1:] if any(part in row for part in wanted)]
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("\n".join([rows[0], *kept]), encoding="utf-8")
        for file in {row.split(",")[0] for row in kept}:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).symlink_to(data_folder / file)
    (folder / "speech/speakers.csv").symlink_to(data_folder / "speech/speakers.csv")
    speech = load_corpus(folder, RATE, "train", tmp_path / "cache").speech
    assert {source.name for source in speech.sources} >= {"kathleen", "flemishguy"}
    for source in speech.sources:
        for clip in source.clips:
            gap = speech.recordings.read(clip.stop + 480, clip.stop + 9120)
            assert np.sqrt(np.mean(gap**2)) < 0.02 * clip.rms
            signal = speech.recordings.read(clip.start, clip.stop)
            power = np.abs(np.fft.rfft(signal)) ** 2
            frequencies = np.fft.rfftfreq(len(signal), 1 / RATE)
            assert power[frequencies > clip.bandwidth_hz].sum() < 1e-3 * power.sum()


def spoken(folder, voices, texts=lambda number: ""):
    """A data folder of short utterances; {speaker: (sex, how many)}."""
    generator = np.random.default_rng(1)
    (folder / "speech/train").mkdir(parents=True)
    (folder / "noise/train").mkdir(parents=True)
    rows, length = [], 4800
    for speaker, (_, count) in voices.items():
        signal = 0.1 * generator.standard_normal(count * length)
        file = f"speech/train/{speaker}_000.flac"
        soundfile.write(folder / file, signal, RATE)
        rows += [
            f"{file},{n * length},{(n + 1) * length},{speaker},{n},{texts(n)}" for n in range(count)
        ]
    (folder / "speech/segments.csv").write_text(
        "\n".join(["file,start,end,speaker,clip,text", *rows])
    )
    speakers = [f"{name},{sex},8 kHz" for name, (sex, _) in voices.items()]
    (folder / "speech/speakers.csv").write_text(
        "\n".join(["speaker,sex,audio_bandwidth", *speakers])
    )
    rows = []
    for number in range(2):
        file = f"noise/train/hiss_{number}.flac"
        soundfile.write(folder / file, 0.1 * generator.standard_normal(RATE), RATE)
        rows.append(f"{file},hiss,24000,sounds/{number}.ogg")
    (folder / "noise/noise.csv").write_text(
        "\n".join(["file,kind,bandwidth_hz,source_path", *rows])
    )
    return folder


def test_a_folder_without_music_says_so_where_music_is_wanted(small_corpus, corpus_cache, tmp_path):
    for name in ("speech", "noise"):
        (tmp_path / name).symlink_to(small_corpus / name)
    assert load_corpus(tmp_path, RATE, "train", corpus_cache).music is None
    with pytest.raises(ConfigError, match="has no music"):
        load_corpus(tmp_path, RATE, "train", corpus_cache, music=True)
