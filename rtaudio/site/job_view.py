"""What is told about a job, and to whom it says how long it still takes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field

from rtaudio.site.backends import Backend
from rtaudio.site.limits import HOUR_S, Limits
from rtaudio.site.store import Job, State, Store
from rtaudio.site.worker import Worker

_KNOWN_SHARE = 0.02
"""From here on, the progress of a job itself tells how long it takes."""


class JobView(BaseModel):
    """A job as its visitor sees it."""

    token: str = Field(description="who knows it may read the job")
    name: str = Field(description="the visitor's name of the song")
    backend: str = Field(description="title of the back end")
    state: State
    mine: bool = Field(description="whether the one who asks brought the song, and may remove it")
    audio_s: float = Field(description="length of the song")
    position: int | None = Field(None, description="place in the queue; 0: it runs")
    share: float | None = Field(None, description="what is done, 0 .. 1; null: not known")
    left_s: float | None = Field(None, description="time until it is ready; null: not known")
    note: str = Field("", description="why it failed, or what is wrong with the song")
    expires_s: float | None = Field(None, description="Unix time at which it is removed")
    stems: list[str] = []
    rate_hz: int = 0
    channels: int = 0
    frames: int = 0


def job_views(
    jobs: list[Job],
    visitor: str | None,
    store: Store,
    worker: Worker,
    backends: Mapping[str, Backend],
    limits: Limits,
) -> list[JobView]:
    """Return what is told about jobs.

    Parameters
    ----------
    jobs
        The jobs.
    visitor
        Who asks; None: somebody without a cookie.
    store, worker, backends, limits
        Of the site.
    """
    places = _places(store, worker)
    views = []
    for job in jobs:
        backend = backends.get(job.backend)
        position, left_s = places.get(job.token, (None, None))
        views.append(
            JobView(
                token=job.token,
                name=job.name,
                backend=backend.title if backend else job.backend,
                state=job.state,
                mine=job.visitor == visitor,
                audio_s=job.audio_s,
                position=position,
                share=worker.progress(job.token)[0],
                left_s=left_s,
                note=job.note,
                expires_s=job.ended_s and job.ended_s + limits.keep_hours * HOUR_S,
                **job.result,
            )
        )
    return views


def _places(store: Store, worker: Worker) -> dict[str, tuple[int, float | None]]:
    """Return for each job of the queue its position and the time until it is ready."""
    queue = store.unfinished()
    speeds = {job.backend: store.seconds_per_second(job.backend) for job in queue}
    places: dict[str, tuple[int, float | None]] = {}
    free_s: list[float | None] = [0.0] * worker.jobs  # when each of them takes the next job
    position = 0
    for job in queue:
        position += job.state == "queued"
        start_s = None if None in free_s else min(time for time in free_s if time is not None)
        own_s = _own_s(job, speeds[job.backend], worker)
        left_s = None if own_s is None or start_s is None else start_s + own_s
        places[job.token] = (position if job.state == "queued" else 0, left_s)
        free_s[free_s.index(start_s)] = left_s
    return places


def _own_s(job: Job, speed: float | None, worker: Worker) -> float | None:
    """Return how long a job itself still takes, by its progress or by the speed of others."""
    whole_s = None if speed is None else speed * job.audio_s
    if job.state == "queued":
        return whole_s
    share, spent_s = worker.progress(job.token)
    if share is not None and share >= _KNOWN_SHARE:
        return spent_s * (1.0 - share) / share
    return None if whole_s is None else max(1.0, whole_s - spent_s)
