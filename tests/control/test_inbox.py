"""Files from outside: harmless names, bounded sizes, nothing left of those that are refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.control.inbox import LIMITS_MIB, MODELS, Inbox
from rtaudio.errors import RtaudioError


def arrive(inbox, name, use, *pieces):
    async def stream():
        for piece in pieces:
            yield piece

    async def take():
        async with inbox.receive(name, use, stream()) as path:
            return inbox.keep(path)

    return asyncio.run(take())


@given(st.text(max_size=60), st.sampled_from([*MODELS, ".wav"]))
def test_no_name_leads_out_of_the_folder(name, suffix):
    folder = Path("files")
    try:
        place = Inbox(folder).place(name + suffix)
    except RtaudioError:
        return
    assert place.parent == folder
    assert place.name.isprintable()
    assert not place.name.startswith(".")
    assert len(place.name.encode()) < 255


@pytest.mark.parametrize(
    "name",
    ["../../x.nam", "/etc/x.nam", r"C:\Windows\x.nam", "..\\..\\x.nam", "a/../../x.nam", "x.nam"],
)
def test_folders_in_a_name_are_dropped(name):
    assert Inbox(Path("files")).place(name) == Path("files/x.nam")


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".nam", "x", "x.py", "x.pkl", "x.pt", "x.yaml", "x.nam.exe", "\0.nam"]
)
def test_what_cannot_be_played_has_no_place(name):
    with pytest.raises(RtaudioError):
        Inbox(Path("files")).place(name)


def test_a_file_arrives_in_pieces(tmp_path):
    inbox = Inbox(tmp_path / "files")
    path = arrive(inbox, "amp.nam", "model", b"ab", b"", b"c")
    assert path.read_bytes() == b"abc"
    assert [file.name for file in inbox.folder.iterdir()] == ["amp.nam"]


def test_nothing_is_overwritten_and_the_same_bytes_are_kept_once(tmp_path):
    inbox = Inbox(tmp_path)
    first, second = (arrive(inbox, "amp.nam", "model", data) for data in (b"a", b"b"))
    assert (first.name, second.name) == ("amp.nam", "amp-2.nam")
    assert arrive(inbox, "amp.nam", "model", b"b") == second
    assert first.read_bytes() == b"a"


@pytest.mark.parametrize("use", LIMITS_MIB)
def test_a_file_that_is_too_large_leaves_nothing(tmp_path, use, monkeypatch):
    monkeypatch.setitem(LIMITS_MIB, use, 1)
    inbox = Inbox(tmp_path / "files")
    taken = 0

    def count(piece):
        nonlocal taken
        taken += len(piece)
        return piece

    async def stream():
        while True:  # a sender that never ends
            yield count(bytes(1 << 20))

    async def take():
        async with inbox.receive("x.wav", use, stream()):
            pass

    with pytest.raises(RtaudioError, match="larger than"):
        asyncio.run(take())
    assert taken <= (LIMITS_MIB[use] + 1) << 20
    assert list(inbox.folder.iterdir()) == []


def test_an_empty_file_is_refused(tmp_path):
    with pytest.raises(RtaudioError, match="empty"):
        arrive(Inbox(tmp_path), "x.nam", "model")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_folder_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "x.nam").symlink_to(secret)
    path = arrive(Inbox(folder), "x.nam", "model", b"new")
    assert path.name == "x-2.nam"
    assert secret.read_bytes() == b"secret"
