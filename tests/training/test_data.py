"""Takes stay whole: what is held out never trains."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from training.config import ConfigError, ScheduleConfig, load_config
from training.data import Take, excerpts, load_split


def schedule(**changes):
    return ScheduleConfig(**{
        "epochs": 1, "batch": 2, "learning_rate": 0.01, "excerpt_samples": 64,
        "truncate_samples": 16, "warmup_samples": 8, **changes,
    })


def numbered(*lengths):
    """Takes in which every sample tells the take and the place it comes from."""
    return tuple(
        Take(str(i), (10_000 * i + np.arange(n)).astype(np.float32),
             -(10_000 * i + np.arange(n)).astype(np.float32))
        for i, n in enumerate(lengths)
    )


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(300, 900), min_size=1, max_size=4), seed=st.integers(0, 9),
       epoch=st.integers(0, 50))
def test_excerpts_are_stretches_of_one_take(lengths, seed, epoch):
    batches = excerpts(numbered(*lengths), schedule(), seed=seed, epoch=epoch)
    starts = []
    for dry, wet in batches:
        assert dry.shape == wet.shape == (2, 1, 72)
        np.testing.assert_array_equal(wet.numpy(), -dry.numpy())
        for row in dry[:, 0].numpy():
            np.testing.assert_array_equal(np.diff(row), 1)
            take, place = divmod(int(row[0]), 10_000)
            assert place + 72 <= lengths[take]
            starts.append((take, place))
    assert len(set(starts)) == len(starts)


def test_excerpts_depend_on_seed_and_epoch_alone():
    takes = numbered(800, 700)
    first, again, other = (
        excerpts(takes, schedule(), seed=0, epoch=epoch) for epoch in (3, 3, 4)
    )
    assert all((a[0] == b[0]).all() for a, b in zip(first, again, strict=True))
    assert not all((a[0] == b[0]).all() for a, b in zip(first, other, strict=False))


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ConfigError, match=r"schedule\.batch"):
        excerpts(numbered(300), schedule(batch=100), seed=0, epoch=0)


def test_takes_are_rendered_aligned_and_kept_apart(workspace):
    data = load_config(workspace.section("data", advance_samples=2)).data
    split = load_split(data)
    assert [t.name for t in split.train] == ["one", "two"]
    assert [t.name for t in (*split.validation, *split.test)] == ["three", "four"]
    for take in (*split.train, *split.validation, *split.test):
        dry, _ = soundfile.read(workspace.folder / "takes" / f"{take.name}.flac", dtype="float32")
        np.testing.assert_array_equal(take.dry, dry[:-2])
        np.testing.assert_allclose(take.wet, 0.5 * np.tanh(3 * dry[2:]), atol=1e-6)


def test_renders_are_kept(workspace, monkeypatch):
    data = load_config(workspace.path).data
    first = load_split(data)
    monkeypatch.setattr("training.teacher.Teacher.__call__", None)
    again = load_split(data)
    for a, b in zip(first.train, again.train, strict=True):
        np.testing.assert_array_equal(a.wet, b.wet)


@pytest.mark.parametrize(("shape", "rate"), [((600, 2), 48000), ((600,), 44100)])
def test_a_take_of_another_kind_is_refused(shape, rate, workspace):
    path = workspace.folder / "takes" / "two.flac"
    soundfile.write(path, np.zeros(shape), rate)
    with pytest.raises(ConfigError, match=r"two\.flac: wanted mono at 48000 Hz"):
        load_split(load_config(workspace.path).data)


def test_noise_joins_the_training_takes_only(workspace):
    split = load_split(load_config(workspace.section("data", noise_seconds=2)).data)
    assert [t.name for t in split.train] == ["one", "two", "(noise)"]
    assert len(split.train[-1].dry) == 2 * split.sample_rate
    noise = split.train[-1]
    np.testing.assert_allclose(noise.wet, 0.5 * np.tanh(3 * noise.dry), atol=1e-6)
    assert [t.name for t in (*split.validation, *split.test)] == ["three", "four"]
