"""A board is used as one of pedalboard is: a list, called with sound, whole or piece by piece."""

from __future__ import annotations

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.bridge import AudioFile, Board

RATE = 44100


def sound(*shape, seed=1):
    return (0.2 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(3000,), (3000, 1), (3000, 2), (1, 3000), (2, 3000), (2, 4)])
def test_an_empty_board_is_a_wire_and_keeps_the_shape(shape):
    x = sound(*shape)
    y = Board().process(x, RATE)
    assert y.shape == x.shape
    np.testing.assert_array_equal(y, x)


def test_a_board_is_the_public_one():
    assert rt.Board is Board
    assert issubclass(Board, rt.Chain)


def test_a_board_is_a_list_of_both_kinds(pedalboard):
    gain, reverb, own = pedalboard.Gain(-6), pedalboard.Reverb(), rt.Limiter()
    board = Board([gain])
    board.append(own)
    board.insert(1, reverb)
    assert len(board) == 3
    assert board[0] is gain
    assert board[1] is reverb
    assert board[-1] is own
    assert [*board] == [gain, reverb, own]
    assert board[1:] == [reverb, own]
    assert gain in board
    assert pedalboard.Gain(-6) not in board
    assert own in board
    del board[1]
    assert [*board] == [gain, own]
    board[0] = reverb
    assert board[0] is reverb
    board.remove(reverb)
    assert [*board] == [own]
    with pytest.raises(IndexError):
        board[1]
    with pytest.raises(ValueError, match="is not in it"):
        board.remove(gain)
    for wrong in ("not a plugin", 3, None):
        with pytest.raises(rt.ParameterError):
            board.append(wrong)
    assert [*board] == [own]


def test_a_pedalboard_becomes_a_board_with_the_same_sound(pedalboard):
    plugins = [pedalboard.HighpassFilter(200), pedalboard.Compressor(-30, 4), pedalboard.Reverb()]
    x = sound(2, 20000)
    expected = pedalboard.Pedalboard(plugins)(x, RATE)
    board = Board(pedalboard.Pedalboard(plugins))
    assert [*board] == plugins
    np.testing.assert_allclose(board(x, RATE), expected, rtol=0, atol=1e-6)
    turned = board(x.T, RATE)
    np.testing.assert_array_equal(turned, board(x, RATE).T)


def test_chain_and_mix_are_taken_too(pedalboard):
    def parts():
        delayed = pedalboard.Chain([pedalboard.Delay(0.05, 0.0, 1.0), pedalboard.Gain(-6)])
        return pedalboard.Mix([pedalboard.Gain(-3), delayed])

    x = sound(2, 9000)
    expected = pedalboard.Pedalboard([parts()])(x, RATE)
    np.testing.assert_allclose(Board([parts()])(x, RATE), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(Board(parts())(x, RATE), expected, rtol=0, atol=1e-6)


def test_both_kinds_play_together(pedalboard):
    x = sound(2, 5000)
    mixed = Board([rt.Gain(6), pedalboard.Invert(), rt.Gain(-6)])
    np.testing.assert_allclose(mixed(x, RATE), -x, atol=1e-6)


def test_pieces_go_on_and_a_reset_begins_again(pedalboard):
    x = sound(1, 9000)
    board = Board([pedalboard.Delay(0.02, 0.5, 0.5)])
    whole = board(x, RATE)
    pieces = [board.process(piece, RATE, reset=False) for piece in np.split(x, 20, axis=1)]
    assert {piece.shape for piece in pieces} == {(1, 450)}
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=1e-6)
    board.reset()
    again = board.process(x[:, :450], RATE, reset=False)
    np.testing.assert_array_equal(again, pieces[0])
    np.testing.assert_array_equal(board(x, RATE), whole)


def test_pieces_are_those_of_pedalboard(pedalboard):
    def plugins():
        return [pedalboard.Chorus(), pedalboard.BrickwallLimiter(), pedalboard.Delay(0.02)]

    x = sound(2, 24000)
    board, theirs = Board(plugins()), pedalboard.Pedalboard(plugins())
    for piece in np.split(x, 24, axis=1):
        expected = theirs.process(piece, RATE, reset=False)
        np.testing.assert_array_equal(board.process(piece, RATE, reset=False), expected)
    assert expected.shape[1] == 1000


def test_pieces_of_what_is_late_are_short_first_and_in_time(pedalboard):
    x = sound(1, 30000)
    board = Board([rt.Limiter(), pedalboard.Gain(-6)])
    pieces = [board.process(piece, RATE, reset=False) for piece in np.split(x, 60, axis=1)]
    late = rt.Limiter().plan(RATE, 64).latency_samples
    assert sum(piece.shape[1] for piece in pieces) == 30000 - late
    out = np.concatenate(pieces, axis=1)
    np.testing.assert_allclose(out, board(x, RATE)[:, : out.shape[1]], atol=1e-6)


def test_what_is_assigned_to_a_plugin_between_two_calls_is_heard(pedalboard):
    gain = pedalboard.Gain(0)
    board = Board([gain])
    x = np.ones((1, 4000), np.float32)
    board.process(x, RATE, reset=False)
    gain.gain_db = -20.0
    assert np.allclose(board.process(x, RATE, reset=False)[0, -100:], 0.1, atol=1e-4)
    gain.gain_db = 0.0
    assert np.allclose(board(x, RATE)[0, -100:], 1.0, atol=1e-4)


def test_a_live_change_is_the_plugins_own(pedalboard):
    gain = pedalboard.Gain(0)
    program = Board([gain]).compile(RATE, 64, offline=True)
    program.set("gain.gain_db", -6)
    assert gain.gain_db == -6
    with pytest.raises(rt.ParameterError, match=r"gain\.gain_db = 999 is out of range -120"):
        rt.Host(Board([gain]), "clock").set("gain.gain_db", 999)


def test_what_is_no_sound_is_refused(pedalboard):
    board = Board([pedalboard.Gain()])
    for rate in ("forty four one hundred", 44100.5, None, float("nan"), float("inf")):
        with pytest.raises(rt.AudioError, match="is not a whole number of Hz"):
            board(sound(100), rate)
    with pytest.raises(rt.AudioError):
        board([[[1.0]]], RATE)


def test_files_are_read_resampled_and_written_as_with_pedalboard(tmp_path):
    x = sound(2, 12000)
    path = tmp_path / "x.wav"
    with AudioFile(path, "w", RATE, 2) as file:
        file.write(x[:, :5000])
        file.write(x[:, 5000:].T)
        assert not path.exists()
    with AudioFile(path) as file:
        assert (file.samplerate, file.num_channels, file.frames) == (RATE, 2, 12000)
        first, rest, none = file.read(100), file.read(99999), file.read(10)
        assert file.tell() == 12000
    assert none.shape == (2, 0)
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), x)
    with AudioFile(path).resampled_to(48000) as file:
        assert file.read(file.frames).shape == (2, file.frames)
        assert file.frames == -(-12000 * 48000 // RATE)
    with pytest.raises(rt.AudioFileError):
        AudioFile(tmp_path / "y.wav", "w")
    with pytest.raises(FileNotFoundError):
        AudioFile(tmp_path / "none.wav")


def test_an_error_while_writing_leaves_no_file(tmp_path):
    with pytest.raises(rt.AudioError), AudioFile(tmp_path / "x.wav", "w", RATE) as file:
        file.write(sound(2, 100))
    assert list(tmp_path.iterdir()) == []


def test_a_board_is_a_preset(tmp_path, pedalboard):
    board = Board([pedalboard.Reverb(room_size=0.8), rt.Gain(3), pedalboard.LadderFilter()])
    board[2].mode = pedalboard.LadderFilter.Mode.HPF24
    rt.save_preset(rt.Chain(board), tmp_path / "mine.yaml")
    text = (tmp_path / "mine.yaml").read_text()
    assert "board:" in text
    assert "mode: HPF24" in text
    again = rt.load_preset(tmp_path / "mine.yaml")
    x = sound(2, 5000)
    np.testing.assert_array_equal(again(x, RATE), rt.Chain(board)(x, RATE))
    assert again == rt.load_preset(tmp_path / "mine.yaml")
