"""Arrays of any kind: scaled as their kind demands, or refused with the remedy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

import rtaudio as rt
from rtaudio.audio.samples import samples

TONE = 0.2 * np.sin(2 * np.pi * 440 / 48000 * np.arange(4800))


@pytest.mark.parametrize(
    ("kind", "scale", "offset"),
    [("i2", 2**15, 0), (">i2", 2**15, 0), ("i4", 2**31, 0), ("u1", 2**7, 128)],
)
def test_integers_of_sound_files_are_scaled(kind, scale, offset):
    whole = np.round(TONE * scale + offset).astype(kind)
    np.testing.assert_allclose(samples(whole)[0], TONE, atol=0.6 / min(scale, 2**20))


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
def test_floats_are_taken_as_they_are(kind):
    x = TONE.astype(kind)
    np.testing.assert_array_equal(samples(x)[0], x.astype(np.float32))
    assert samples(list(map(float, x))).dtype == np.float32


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros(4, np.int64), "is int64, whose full scale is unknown"),
        ([0, 1, 2], "is int64, whose full scale is unknown"),
        (np.zeros(4, np.int8), "is int8, whose"),
        (np.zeros(4, np.uint16), "is uint16, whose"),
        (np.zeros(4, bool), "is true and false"),
        (np.zeros(4, complex), r"is complex; take its \.real"),
        (np.array([1.0, None]), "is an array of object; give an array of numbers"),
        (np.array(["a"]), "is an array of str"),
        (b"\0\0\0\0", r"is bytes; say what they hold: np\.frombuffer"),
        ([[1.0, 2.0], [1.0]], "cannot be made an array of numbers"),
        (None, "is NoneType"),
        ("song.wav", "is str"),
        (0.5, r"not \(\)"),
        (np.zeros((4800, 2)), r"not \(4800, 2\)"),
        (np.zeros((1, 2, 3)), r"not \(1, 2, 3\)"),
        (np.array([1.0, np.nan]), "NaN or infinite"),
        (np.array([1e300]), "NaN or infinite"),
        (TONE * 32768, "peak of 6553.*divide integers by theirs"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(x, words):
    with pytest.raises(rt.AudioError, match=words) as refused:
        samples(x)
    assert "\n" not in str(refused.value)
    for play in (rt.Gain(), lambda x, rate: rt.Gain().stream(rate).process(x)):
        with pytest.raises(rt.AudioError, match=words):
            play(x, 48000)
    with pytest.raises(rt.AudioError, match=words):
        rt.Host(rt.Gain(), "clock", source=x).stop() if x is not None else samples(x)


@given(arrays.arrays(arrays.array_dtypes() | arrays.scalar_dtypes(), arrays.array_shapes()))
def test_any_array_becomes_sound_or_one_of_our_errors(x):
    try:
        sound = samples(x)
    except rt.AudioError:
        return
    assert sound.dtype == np.float32
    assert sound.ndim == 2
    assert np.isfinite(sound).all()
    assert np.abs(sound).max(initial=0) <= 1000


@pytest.mark.parametrize("name", ["crunch", "denoise-low-latency"])
def test_an_int16_recording_sounds_as_its_floats(name):
    whole = np.round(TONE * 32768).astype(np.int16)
    chain = rt.load_preset(name)
    wet = chain(whole, 48000)
    np.testing.assert_array_equal(wet, chain(whole / 32768, 48000))
    assert 0.01 < np.abs(wet).max() < 1.0 or name != "crunch"


def test_a_response_of_integers_is_the_response():
    whole = np.array([0, 16384, -8192], np.int16)
    assert rt.Cabinet.from_array(whole, 48000) == rt.Cabinet.from_array(whole / 32768, 48000)
