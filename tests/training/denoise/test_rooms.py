"""Room responses: the images brute force finds, and the decay that was asked for."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.denoise.rooms import Room, Rooms

SIZE = (3.0, 4.2, 2.5)
SOURCE = (1.1, 3.0, 1.6)
MICROPHONE = (2.2, 1.3, 1.2)


def mirrored(size, source, orders):
    """Images by mirroring again and again: {place: number of walls met}."""
    found = {source: 0}
    edge = [source]
    for order in range(1, orders + 1):
        fresh = []
        for place in edge:
            for axis, wall in itertools.product(range(3), (0, 1)):
                image = list(place)
                image[axis] = 2 * wall * size[axis] - place[axis]
                image = tuple(round(x, 9) for x in image)
                if image not in found:
                    found[image] = order
                    fresh.append(image)
        edge = fresh
    return found


def decay_s(response, rate_hz):
    """Reverberation time by Schroeder's backward integration (T30)."""
    energy = np.cumsum(response[::-1].astype(float) ** 2)[::-1]
    level_db = 10 * np.log10(energy / energy[0] + 1e-20)
    line = np.flatnonzero((level_db <= -5) & (level_db >= -35))
    return -60 / np.polyfit(line / rate_hz, level_db[line], 1)[0]


def test_images_lie_where_mirrors_put_them():
    rate_hz, length = 8000, 160
    room = Room(SIZE, rt60_s=0.4)
    response = room.response(SOURCE, MICROPHONE, rate_hz, length)
    reflection = room.reflection(0.4)
    direct = math.dist(SOURCE, MICROPHONE)
    wanted = np.zeros(length)
    times = np.arange(length)
    for place, walls in mirrored(SIZE, SOURCE, orders=9).items():
        distance = math.dist(place, MICROPHONE)
        delay = (distance - direct) / 343 * rate_hz
        if delay <= length - 1:
            off = times - delay
            window = np.cos(np.pi / 2 * off / 16) ** 2 * (abs(off) < 16)
            wanted += (-reflection) ** walls * direct / distance * np.sinc(off) * window
    assert np.count_nonzero(abs(wanted) > 0.05) > 20
    np.testing.assert_allclose(response, wanted, atol=0.01)


def test_direct_sound_is_first_and_whole():
    for treble in (None, 0.2):
        response = Room(SIZE, 0.4, treble).response(SOURCE, MICROPHONE, 48000, 4800)
        assert response[0] == pytest.approx(1.0, abs=0.02)
        assert np.argmax(np.abs(response)) == 0


@pytest.mark.parametrize("rt60_s", [0.2, 0.4, 0.8])
def test_decays_as_asked(rt60_s):
    room = Room(SIZE, rt60_s)
    places = [
        ((0.4, 0.5, 0.6), (2.5, 3.8, 2.0)),
        (SOURCE, MICROPHONE),
        ((1.5, 0.6, 1.9), (0.7, 3.1, 0.9)),
    ]
    times_s = [decay_s(room.response(*pair, 8000, 7000), 8000) for pair in places]
    assert np.mean(times_s) == pytest.approx(rt60_s, rel=0.1)


def test_treble_decays_faster():
    response = Room(SIZE, 0.5, 0.2).response(SOURCE, MICROPHONE, 16000, 8000)
    for kind, edge_hz, wanted_s in (("low", 1500, 0.5), ("high", 5500, 0.2)):
        band = sosfilt(butter(4, edge_hz, kind, fs=16000, output="sos"), response)
        assert decay_s(band, 16000) == pytest.approx(wanted_s, rel=0.2)


def test_a_pool_is_rendered_once(tmp_path):
    rooms = Rooms.rendered(3, 8000, (0.1, 0.3), tmp_path)
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns
    again = pickle.loads(pickle.dumps(Rooms.rendered(3, 8000, (0.1, 0.3), tmp_path)))
    assert file.stat().st_mtime_ns == written
    assert len(rooms) == 3
    for index in range(3):
        np.testing.assert_array_equal(rooms[index], again[index])
        assert rooms[index].shape == (3, 3200)
        np.testing.assert_allclose(rooms[index][:, 0], 1, atol=0.05)
        assert abs(rooms[index][:, -1]).max() < 1e-3
    assert not np.array_equal(rooms[0], rooms[1])
