"""Sound from an iterator or a function, and the output as an iterator, while a host plays."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from rtaudio.effects.chain import Chain
from rtaudio.errors import AudioError
from rtaudio.live.host import Host

RATE = 48000
FADE = 960
"""Samples of the fade-in."""

TRIES = 6


def noise(frames, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


def played(source, **options):
    """Return everything that a host puts out until its source ends, and its statistics."""
    host = Host(Chain([]), "clock", source=source, **options)
    output = host.output()
    with host:
        host.wait(10.0)
        assert host.finished
        stats = host.stats()
    return np.concatenate(list(output), axis=1), stats


def played_in_time(source, **options):
    """As above, of a source made anew until no sample came too late.

    A busy machine may hold up the thread that asks the source, the clock, or both.
    """
    blocks_missed = 0
    for _ in range(TRIES):
        out, stats = played(source(), **options)
        if not stats.source_missing:
            return out
        blocks_missed += stats.missed
    assert blocks_missed, f"samples were late {TRIES} times, though no block was"
    pytest.skip("this machine is too busy to ask a source in time")


def as_iterator(sound, sizes):
    at = 0
    for size in itertools.cycle(sizes):
        if at >= sound.shape[1]:
            return
        yield sound[:, at : at + size]
        at += size


def as_function(sound):
    places = itertools.count()

    def source(frames):
        at = frames * next(places)
        return sound[0, at : at + frames] if at < sound.shape[1] else None

    return source


@pytest.mark.parametrize("sizes", [[64], [960], [1, 700, 0, 33], [3 * RATE]])
def test_an_iterator_plays_as_its_sound_in_one_array(sizes):
    sound = noise(2 * RATE)
    out = played_in_time(lambda: as_iterator(sound, sizes), block=128)
    end = out.shape[1] - out[0, ::-1].nonzero()[0][0]
    # It starts within one block; the last 20 ms may be in the fade-out.
    np.testing.assert_array_equal(out[0, FADE : end - FADE], sound[0, FADE : end - FADE])
    assert sound.shape[1] - end < FADE


def test_a_function_is_asked_for_blocks_until_it_returns_none():
    sound = noise(RATE)
    out = played_in_time(lambda: as_function(sound), block=64)
    np.testing.assert_array_equal(out[0, FADE : RATE - FADE], sound[0, FADE : RATE - FADE])


def test_mono_sound_plays_on_all_inputs():
    sound = noise(RATE // 2)
    out, _ = played(as_iterator(sound, [480]), in_channels=[1, 2])
    assert out.shape[0] == 2
    np.testing.assert_array_equal(out[0], out[1])


def test_a_late_source_is_silence_and_counted():
    def source():
        yield noise(RATE // 4)
        time.sleep(0.5)
        yield noise(RATE // 4)

    out, stats = played(source())
    assert 0.1 * RATE < stats.source_missing < RATE
    assert np.count_nonzero(out) < out.size - 0.1 * RATE


def test_a_source_that_fails_while_it_plays_is_told_by_stop():
    def source():
        yield noise(RATE // 4)
        raise KeyError("lost")

    host = Host(Chain([]), "clock", source=source()).start()
    host.wait(5.0)
    assert host.finished
    with pytest.raises(AudioError, match="the source failed: 'lost'") as caught:
        host.stop()
    assert isinstance(caught.value.__cause__, KeyError)
    assert not any(thread.name == "feeder" for thread in threading.enumerate())


def test_a_source_that_fails_at_once_stops_the_start():
    def source(frames):
        raise ZeroDivisionError("no sound")

    host = Host(Chain([]), "clock", source=source)
    with pytest.raises(ZeroDivisionError, match="no sound"):
        host.start()
    assert not host.running


def test_sound_of_a_wrong_shape_is_refused():
    with pytest.raises(AudioError, match=r"shape \(3, 480\); needed are"):
        Host(Chain([]), "clock", source=iter([noise(480, 3)])).start()


def test_without_output_channels_the_output_can_still_be_read():
    sound = noise(RATE // 2)
    out, _ = played(sound, out_channels=[])
    end = RATE // 2 - FADE
    np.testing.assert_array_equal(out[0, FADE:end], sound[0, FADE:end])


def test_output_that_is_not_read_ends_with_an_error(monkeypatch):
    monkeypatch.setattr("rtaudio.runtime.engine._TAP_S", 1)
    with Host(Chain([]), "clock", source=noise(3 * RATE)) as host:
        output = host.output()
        host.wait(5.0)
        with pytest.raises(AudioError, match="not read in time"):
            list(output)
