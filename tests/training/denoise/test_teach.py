"""Mixtures on disk, with the answers of a teacher: whole, repeatable, and fit to train on."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.denoise.mixer import MixtureConfig, Mixtures  # noqa: E402
from training.denoise.pairs import PairedFolders, PairedFoldersConfig  # noqa: E402
from training.denoise.teach import write_pairs  # noqa: E402


@pytest.fixture
def mixtures(small_corpus, corpus_cache):
    config = MixtureConfig(
        root=str(small_corpus), cache=str(corpus_cache), excerpt_samples=9600, rooms=4,
        no_speech=0.4, level_dbfs=(-40.0, -25.0),
    )  # fmt: skip
    return Mixtures(config, "train", seed=3, length=12)


def all_of(mixtures):
    """A list; the mixtures themselves never end."""
    return [mixtures[number] for number in range(len(mixtures))]


def read(folder, side):
    return [soundfile.read(file)[0] for file in sorted((folder / side).iterdir())]


def test_the_teacher_answers_where_there_is_speech(mixtures, tmp_path):
    files = write_pairs(mixtures, tmp_path, "dry-3", lambda noisy: 0.5 * noisy)
    assert [file.name for file in files][:2] == ["dry-3-000000.flac", "dry-3-000001.flac"]
    spoken = [mixture.snr_db > -np.inf for mixture in all_of(mixtures)]
    assert 0 < sum(spoken) < 12
    for mixture, noisy, clean in zip(
        all_of(mixtures), read(tmp_path, "noisy"), read(tmp_path, "clean"), strict=True
    ):
        wanted = mixture.noisy[0].numpy()
        np.testing.assert_allclose(noisy, np.clip(wanted, -1, 1), atol=2**-15)
        answer = 0.5 * wanted if mixture.snr_db > -np.inf else mixture.clean[0].numpy()
        np.testing.assert_allclose(clean, np.clip(answer, -1, 1), atol=2**-15)


def test_without_a_teacher_the_clean_side_is_the_clean_one(mixtures, tmp_path):
    write_pairs(mixtures, tmp_path, "dry-3")
    for mixture, clean in zip(all_of(mixtures), read(tmp_path, "clean"), strict=True):
        np.testing.assert_allclose(clean, mixture.clean[0].numpy(), atol=2**-15)


def test_a_stopped_run_goes_on_and_ends_as_an_unbroken_one(mixtures, tmp_path):
    heard = []

    def teacher(noisy):
        if len(heard) == 3:
            raise KeyboardInterrupt
        heard.append(noisy)
        return 0.5 * noisy

    with pytest.raises(KeyboardInterrupt):
        write_pairs(mixtures, tmp_path / "broken", "a", teacher)
    assert len(read(tmp_path / "broken", "clean")) < 12
    for folder in ("broken", "whole"):
        write_pairs(mixtures, tmp_path / folder, "a", lambda noisy: 0.5 * noisy)
    for side in ("noisy", "clean"):
        for a, b in zip(
            read(tmp_path / "broken", side), read(tmp_path / "whole", side), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_they_are_pairs_to_train_on(mixtures, tmp_path):
    for part in ("train", "validation"):
        write_pairs(mixtures, tmp_path / part, "a")
    folders = {p: {s: f"{p}/{s}" for s in ("noisy", "clean")} for p in ("train", "validation")}
    config = PairedFoldersConfig(root=str(tmp_path), excerpt_samples=4800, **folders)
    assert PairedFolders(config, "train", seed=0, length=3)[1].noisy.shape == (1, 4800)
