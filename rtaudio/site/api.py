"""The programming interface of the site: JSON over HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel

from rtaudio.control.guard import COOKIE_S
from rtaudio.site.archive import zip_pieces
from rtaudio.site.files import PEAKS, stem_file
from rtaudio.site.job_view import JobView
from rtaudio.site.samples import MOST_FRAMES, read_samples
from rtaudio.site.site import Site
from rtaudio.site.store import Job, new_token

api = APIRouter(prefix="/api")

_COOKIE = "rtaudio-visitor"
_FOREVER = {"cache-control": "private, max-age=86400, immutable"}
"""Of stems, which never change."""


class Choice(BaseModel):
    """A back end."""

    id: str
    title: str
    about: str


class About(BaseModel):
    """What the site offers and takes."""

    backends: list[Choice]
    file_mib: int
    minutes: float
    keep_hours: float


class Peaks(BaseModel):
    """The greatest magnitude in equal parts of each stem, 0 .. ``top``."""

    top: int
    stems: dict[str, list[int]]


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def _visitor(request: Request) -> str | None:
    """Return who asks; the cookie is random, and only its visitor's browser has it."""
    visitor = request.cookies.get(_COOKIE, "")
    return visitor if re.fullmatch("[0-9a-f]{32}", visitor) else None


def _job(request: Request, token: str) -> Job:
    """Return the job of a link."""
    found = _site(request).store.get(token)
    if found is None:
        raise HTTPException(404, "there is no such job; perhaps its time was over")
    return found


TheJob = Annotated[Job, Depends(_job)]
Visitor = Annotated[str | None, Depends(_visitor)]


def _remember(response: Response, visitor: str) -> None:
    """Let the visitor's browser show who asks; no script reads it, and no other page sends it."""
    response.set_cookie(_COOKIE, visitor, max_age=COOKIE_S, httponly=True, samesite="strict")


@api.get("/site")
def read_site(request: Request, response: Response, visitor: Visitor) -> About:
    """Read what the site offers and takes; a new visitor gets a cookie."""
    site = _site(request)
    _remember(response, visitor or new_token())
    choices = [
        Choice(id=name, title=entry.title, about=entry.about)
        for name, entry in site.backends.items()
    ]
    limits = site.limits
    return About(
        backends=choices, file_mib=limits.file_mib, minutes=limits.minutes,
        keep_hours=limits.keep_hours,
    )  # fmt: skip


@api.get("/jobs")
def read_jobs(request: Request, visitor: Visitor) -> list[JobView]:
    """List the jobs of the visitor, the newest first."""
    site = _site(request)
    return site.views(site.store.of_visitor(visitor), visitor) if visitor else []


@api.post("/jobs", status_code=201)
async def add_job(
    request: Request,
    response: Response,
    visitor: Visitor,
    name: Annotated[str, Query(min_length=1, max_length=500)],
    backend: Annotated[str, Query(max_length=200)],
) -> JobView:
    """Take a song as body, and put it into the queue."""
    site = _site(request)
    if backend not in site.backends:
        raise HTTPException(422, f"{backend}: no such separator; reload the page")
    length = request.headers.get("content-length", "")
    if not re.fullmatch("[0-9]{1,15}", length):
        raise HTTPException(411, "say how long the song is: Content-Length")
    known = visitor or new_token()
    address = request.client.host if request.client else ""
    job = await site.uploads.receive(name, backend, known, address, int(length), request.stream())
    site.worker.wake()
    _remember(response, known)
    return site.views([job], known)[0]


@api.get("/jobs/{token}")
def read_job(request: Request, job: TheJob, visitor: Visitor) -> JobView:
    """Read a job by its link."""
    return _site(request).views([job], visitor)[0]


@api.delete("/jobs/{token}", status_code=204)
def remove_job(request: Request, job: TheJob, visitor: Visitor) -> None:
    """Cancel a job, or remove it with its stems; only for the one who brought the song."""
    if job.visitor != visitor:
        raise HTTPException(403, "only the one who brought the song may remove it")
    _site(request).worker.remove(job)


@api.get("/jobs/{token}/peaks")
def read_peaks(request: Request, job: TheJob) -> Peaks:
    """Read what the waveforms are drawn from."""
    path = _ready(request, job) / PEAKS
    return Peaks.model_validate_json(path.read_bytes())


@api.get("/jobs/{token}/stems/{stem}", response_class=FileResponse)
def download_stem(request: Request, job: TheJob, stem: str) -> FileResponse:
    """Download a stem, a WAV file."""
    path = _stem(request, job, stem)
    return FileResponse(path, media_type="audio/wav", filename=f"{_title(job)} - {stem}.wav")


@api.get("/jobs/{token}/stems/{stem}/samples")
def download_samples(
    request: Request,
    job: TheJob,
    stem: str,
    first: Annotated[int, Query(ge=0, le=1 << 40)],
    frames: Annotated[int, Query(ge=1, le=MOST_FRAMES)],
) -> Response:
    """Download a piece of a stem: 16-bit little-endian samples, channels interleaved."""
    data = read_samples(_stem(request, job, stem), first, frames)
    return Response(data, media_type="application/octet-stream", headers=_FOREVER)


@api.get("/jobs/{token}/zip", response_class=StreamingResponse)
def download_all(request: Request, job: TheJob) -> StreamingResponse:
    """Download all stems as a zip archive."""
    title, _ = _title(job), _ready(request, job)
    files = {f"{title} - {stem}.wav": _stem(request, job, stem) for stem in job.result["stems"]}
    # FileResponse knows how to write names of any alphabet into a header.
    named = FileResponse(next(iter(files.values())), filename=f"{title} - stems.zip")
    headers = {"content-disposition": named.headers["content-disposition"]}
    return StreamingResponse(zip_pieces(files), media_type="application/zip", headers=headers)


def _ready(request: Request, job: Job) -> Path:
    """Return the folder of the stems of a job that is ready."""
    if job.state != "ready":
        raise HTTPException(409, "its stems are not ready")
    return _site(request).stems_of(job)


def _stem(request: Request, job: Job, stem: str) -> Path:
    folder = _ready(request, job)
    if stem not in job.result["stems"]:  # so that no path of the visitor's is ever looked up
        raise HTTPException(404, "there is no such stem")
    return stem_file(folder, stem)


def _title(job: Job) -> str:
    """Return the name of a song without its suffix, fit to be one of a file."""
    return re.sub(r'[<>:"|?*]', "-", Path(job.name).stem).strip(". ") or "song"
