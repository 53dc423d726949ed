"""Excerpts are stretches of one take, and depend on seed and epoch alone."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from hypothesis import given, settings
from hypothesis import strategies as st

from training.config import ConfigError
from training.guitar.config import ScheduleConfig
from training.guitar.data import Take
from training.guitar.excerpts import excerpts


def schedule(**changes):
    return ScheduleConfig(
        **{
            "epochs": 1,
            "batch": 2,
            "learning_rate": 0.01,
            "excerpt_samples": 64,
            "truncate_samples": 16,
            "warmup_samples": 8,
            **changes,
        }
    )


def numbered(*lengths):
    """Takes in which every sample tells the take and the place it comes from."""
    return tuple(
        Take(
            str(i),
            (10_000 * i + np.arange(n)).astype(np.float32),
            -(10_000 * i + np.arange(n)).astype(np.float32),
        )
        for i, n in enumerate(lengths)
    )


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(300, 900), min_size=1, max_size=4),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 50),
)
def test_excerpts_are_stretches_of_one_take(lengths, seed, epoch):
    batches = excerpts(numbered(*lengths), schedule(), seed=seed, epoch=epoch)
    starts = []
    for dry, wet, _ in batches:
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
    first, again, other = (excerpts(takes, schedule(), seed=0, epoch=epoch) for epoch in (3, 3, 4))
    assert all((a[0] == b[0]).all() for a, b in zip(first, again, strict=True))
    assert not all((a[0] == b[0]).all() for a, b in zip(first, other, strict=False))


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ConfigError, match=r"schedule\.batch"):
        excerpts(numbered(300), schedule(batch=100), seed=0, epoch=0)
