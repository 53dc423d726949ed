"""The site as its visitors see it, over HTTP: from upload to download, and all that is refused."""

from __future__ import annotations

import io
import struct
import threading
import zipfile

import numpy as np
import pytest
import soundfile

from rtaudio.errors import UsageError
from rtaudio.site.backends import usable_backends
from rtaudio.site.limits import Limits
from rtaudio.site.site import Site


def sound(frames, channels=1, rate_hz=8000, kind="WAV", subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, np.zeros((frames, channels)), rate_hz, subtype, format=kind)
    return file.getvalue()


def files(folder):
    """All files but the database and its journal."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(p.relative_to(folder).as_posix() for p in found if "sqlite" not in p.name)


def test_from_upload_to_download_by_a_net(serve, net, song, tmp_path):
    """The stems are shares of the song, so that it is known to the sample how each sounds."""
    visitor = serve(**usable_backends([net]))()
    choices = {entry["id"]: entry["about"] for entry in visitor.get("/api/site").json()["backends"]}
    assert choices["shares"] == "vocals, other"
    brought = visitor.bring(song, "../../My söng.wav", "shares")
    assert brought.status_code == 201
    job = visitor.ended(brought.json()["token"])
    assert (job["state"], job["name"], job["note"]) == ("ready", "My söng.wav", "")
    assert job["stems"] == ["vocals", "other"]
    dry, rate = soundfile.read(io.BytesIO(song), dtype="float32")
    assert (job["rate_hz"], job["channels"], job["frames"]) == (rate, 2, len(dry))
    link = f"/api/jobs/{job['token']}"
    archive = zipfile.ZipFile(io.BytesIO(visitor.get(f"{link}/zip").content))
    assert archive.namelist() == [f"My söng - {stem}.wav" for stem in job["stems"]]
    for stem, share in zip(job["stems"], (0.25, 0.75), strict=True):
        answer = visitor.get(f"{link}/stems/{stem}")
        assert "My%20s%C3%B6ng" in answer.headers["content-disposition"]
        wet, _ = soundfile.read(io.BytesIO(answer.content), dtype="float32")
        np.testing.assert_allclose(wet, share * dry, atol=1e-6)
        assert archive.read(f"My söng - {stem}.wav") == answer.content
        part = visitor.get(f"{link}/stems/{stem}", headers={"Range": "bytes=4-11"})
        assert (part.status_code, part.content) == (206, answer.content[4:12])
        piece = visitor.get(f"{link}/stems/{stem}/samples", params={"first": 100, "frames": 50})
        steps = np.frombuffer(piece.content, "<i2").reshape(-1, 2)
        np.testing.assert_allclose(steps / 32767, wet[100:150], atol=1 / 32767)
    peaks = visitor.get(f"{link}/peaks").json()
    top = {stem: max(values) for stem, values in peaks["stems"].items()}
    assert top == {"vocals": round(peaks["top"] / 3), "other": peaks["top"]}
    assert files(tmp_path / "site") == [
        f"jobs/{job['token']}/stems/{name}" for name in ("other.wav", "peaks.json", "vocals.wav")
    ]


def test_each_visitor_has_the_own_songs_and_others_are_refused(serve, song, tmp_path):
    start = serve()
    one, other = start(), start()
    cookie = one.get("/api/site").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    token = one.bring(song).json()["token"]
    one.ended(token)
    assert [job["token"] for job in one.get("/api/jobs").json()] == [token]
    assert other.get("/api/jobs").json() == []
    assert (one.job(token)["mine"], other.job(token)["mine"]) == (True, False)
    heard, _ = soundfile.read(io.BytesIO(other.get(f"/api/jobs/{token}/stems/vocals").content))
    np.testing.assert_array_equal(heard, soundfile.read(io.BytesIO(song))[0])
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"},
                    {"Host": "evil.example"}):  # fmt: skip
        assert other.bring(song, headers=headers).status_code in (403, 421)
        assert other.get("/api/jobs", headers=headers).status_code in (403, 421)
    assert other.bring(song, backend="../copy").status_code == 422
    assert other.bring(iter([song])).status_code == 411
    assert other.get(f"/api/jobs/{'0' * 32}").status_code == 404
    for stem in ("..%2F..%2Fsite.sqlite", "peaks.json", "%2Fetc%2Fpasswd", "vocals.wav"):
        assert other.get(f"/api/jobs/{token}/stems/{stem}").status_code == 404
    for query in ("first=-1&frames=1", "first=0&frames=999999999", "first=x&frames=1"):
        answer = other.get(f"/api/jobs/{token}/stems/vocals/samples?{query}")
        assert answer.status_code == 422
    other.cookies.set("rtaudio-visitor", "' OR 1=1 --")
    assert other.get("/api/jobs").json() == []
    assert start().delete(f"/api/jobs/{token}").status_code == 403
    (tmp_path / "site" / "jobs" / token / "stems" / "peaks.json").unlink()
    answer = other.get(f"/api/jobs/{token}/peaks")
    assert (answer.status_code, answer.json()) == (404, {"detail": "it has been removed"})
    assert one.delete(f"/api/jobs/{token}").status_code == 204
    assert other.get(f"/api/jobs/{token}").status_code == 404
    assert list((tmp_path / "site" / "jobs").iterdir()) == []


def test_bad_files_are_refused_in_words_and_leave_nothing(serve, tmp_path):
    start = serve(Limits(file_mib=1, minutes=0.5))
    visitor = start()
    header = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 8000, 32000, 4, 16)
    for name, content, status, words in (
        ("empty.wav", b"", 422, "is empty"),
        ("huge.wav", b"\0" * ((1 << 20) + 1), 413, "larger than 1 MiB"),
        ("text.mp3", b"I am no song. " * 99, 415, "text.mp3"),
        ("noise.flac", np.random.default_rng(0).bytes(5000), 415, "noise.flac"),
        ("head.wav", header, 415, "head.wav"),
        ("page.wav", b"<html><script>alert(1)</script></html>", 415, "page.wav"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n", 415, "list.m3u8"),
        ("cut.ogg", b"OggS" + bytes(200), 415, "cut.ogg"),
        ("bomb.flac", sound(8000 * 3600, kind="FLAC"), 415, "longer than 0.5 minutes"),
        ("three.wav", sound(100, 3), 415, "3 channels"),
        ("none.wav", sound(0), 415, "no frames"),
        ("slow.wav", sound(100, rate_hz=11), 415, "sample rate"),
    ):
        answer = visitor.bring(content, f"a/{name}")
        assert (answer.status_code, "\n" in answer.json()["detail"]) == (status, False), name
        assert words in answer.json()["detail"]
        assert str(tmp_path) not in answer.json()["detail"]
    assert visitor.get("/api/jobs").json() == []
    assert files(tmp_path / "site") == []


def test_renamed_and_damaged_songs_are_taken_as_far_as_they_go(serve):
    visitor = serve()()
    renamed = visitor.bring(sound(9000, kind="OGG", subtype="VORBIS"), "song.txt").json()
    damaged = visitor.bring(sound(8000)[:-6000], "cut.wav").json()
    assert visitor.ended(renamed["token"])["frames"] == 9000
    job = visitor.ended(damaged["token"])
    assert (job["state"], job["frames"]) == ("ready", 5000)
    assert job["note"].startswith("cut.wav: is damaged")


@pytest.mark.parametrize("how", ["fail", "nothing", "short"])
def test_a_program_that_fails_is_never_a_success(serve, program, song, how):
    start = serve(mine=program(how))
    visitor = start()
    token = visitor.bring(song, backend="mine").json()["token"]
    job = visitor.ended(token)
    assert (job["state"], job["note"]) == (
        "failed", f"The {how} failed; try another song or separator"
    )  # fmt: skip
    (line,) = start.told
    assert token in line
    assert how != "fail" or ("exit status 1" in line and "no such net" in line)
    for route in ("zip", "peaks", "stems/vocals"):
        assert visitor.get(f"/api/jobs/{token}/{route}").status_code == 409


def test_queue_progress_and_cancel(serve, program, song, tmp_path, until, alive):
    gate = tmp_path / "gate"
    start = serve(wait=program("wait", gate), copy=program("copy"))
    visitor = start()
    first, second, third = (
        visitor.bring(song, backend=which).json()["token"] for which in ("wait", "copy", "copy")
    )
    job = until(lambda: (job := visitor.job(first))["share"] and job)
    assert (job["state"], job["position"], job["share"]) == ("running", 0, 0.4)
    assert job["left_s"] > 0.0
    assert [visitor.job(token)["position"] for token in (second, third)] == [1, 2]
    assert visitor.delete(f"/api/jobs/{second}").status_code == 204
    assert visitor.job(third)["position"] == 1
    process = int(gate.with_suffix(".pid").read_text())
    assert visitor.delete(f"/api/jobs/{first}").status_code == 204
    until(lambda: not alive(process))
    assert visitor.ended(third)["state"] == "ready"
    until(lambda: len(list((tmp_path / "site" / "jobs").iterdir())) == 1)
    left = visitor.bring(song).json()["left_s"]
    assert left is None or left > 0.0  # known, as the same program has done one


def test_twenty_uploads_at_once(serve, program, song, connect, tmp_path, until):
    start = serve(wait=program("wait", tmp_path / "gate"))
    visitors, answers = [start() for _ in range(20)], [None] * 20

    def bring(k):
        answers[k] = visitors[k].bring(song, f"{k}.wav", "wait")

    threads = [threading.Thread(target=bring, args=(k,)) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    jobs = [visitors[k].get("/api/jobs").json() for k in range(20)]
    assert [[job["name"] for job in own] for own in jobs] == [[f"{k}.wav"] for k in range(20)]
    until((tmp_path / "gate.pid").exists)
    queue = start.site.store.unfinished()
    assert sorted(job.name for job in queue) == sorted(f"{k}.wav" for k in range(20))
    places = {view.token: view.position for view in start.site.views(queue, None)}
    assert sorted(places.values()) == list(range(20))


def test_limits_of_rate_and_disk(serve, song):
    visitor = serve(Limits(uploads_per_hour=2, disk_gib=1e-4))()
    assert visitor.bring(song).status_code == 507
    answer = visitor.bring(sound(100))
    assert answer.status_code == 201
    answer = visitor.bring(sound(100))
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 3600


def test_it_is_described_by_openapi(serve):
    description = serve()().get("/api/openapi.json").json()
    assert set(description["paths"]) == {
        "/api/site", "/api/jobs", "/api/jobs/{token}", "/api/jobs/{token}/peaks",
        "/api/jobs/{token}/zip", "/api/jobs/{token}/stems/{stem}",
        "/api/jobs/{token}/stems/{stem}/samples",
    }  # fmt: skip
    assert "left_s" in description["components"]["schemas"]["JobView"]["properties"]


def test_what_is_old_is_removed(serve, tmp_path):
    start = serve(Limits(keep_hours=1.0))
    visitor, store, token = start(), start.site.store, "0" * 32
    store.add(token, "me", "song.wav", "none", audio_s=1.0)
    start.site.worker.wake()
    job = visitor.ended(token)
    assert "not offered any more" in job["note"]
    start.site.stems_of(store.get(token)).mkdir(parents=True)
    start.site.remove_old()
    assert visitor.job(token) == job
    store._write("UPDATE jobs SET ended_s = ended_s - 3601")
    start.site.remove_old()
    assert visitor.get(f"/api/jobs/{token}").status_code == 404
    assert list((tmp_path / "site" / "jobs").iterdir()) == []


def test_a_folder_with_other_files_is_left_alone(tmp_path, program):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        Site(tmp_path, {"copy": program("copy")}, Limits())
    assert files(tmp_path) == ["diary.txt"]
