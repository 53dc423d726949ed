"""Worker: takes jobs from the queue, one after the other, each into a process of its own."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rtaudio.errors import RtaudioError
from rtaudio.site.backends import Backend
from rtaudio.site.child import Child
from rtaudio.site.store import Job, Store

_PATIENCE, _LEAST_PATIENCE_S = 30.0, 900.0
"""A job may take so many times as long as its song, and this at least."""
_LOOK_S, _TROUBLE_S = 1.0, 30.0
"""Times until it looks again: for a job, and after trouble with the machine."""


class _Running:
    """A job that runs: its process, and the share that is done, if that is known."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.share: float | None = None
        self.began = time.monotonic()

    def advance(self, share: float) -> None:
        self.share = share


class Worker:
    """Runs the jobs of a store until it is stopped.

    Parameters
    ----------
    store
        The jobs.
    folder
        Of the folders of jobs.
    backends
        What they may ask for.
    jobs
        How many run at once.
    say
        Tells the owner of the site why a job failed.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        backends: Mapping[str, Backend],
        jobs: int = 1,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._store, self._folder, self._backends, self._say = store, folder, backends, say
        self.jobs = jobs
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._ending = False
        self._news = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"job-{k}", daemon=True) for k in range(jobs)
        ]

    def start(self) -> None:
        """Begin with the first job of the queue."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that there is a new job."""
        self._news.set()

    def progress(self, token: str) -> tuple[float | None, float]:
        """Return the share of a job that is done, if that is known, and for how long it runs.

        Parameters
        ----------
        token
            Of the job.
        """
        with self._lock:
            running = self._running.get(token)
        return (None, 0.0) if running is None else (running.share, time.monotonic() - running.began)

    def remove(self, job: Job) -> None:
        """End a job if it runs, and remove it with its files.

        Parameters
        ----------
        job
            The job.
        """
        self._store.remove(job.token)
        with self._lock:
            running = self._running.get(job.token)
            if running is not None:
                running.child.kill()  # its thread removes the files when they are written no more
        if running is None:
            self._clear(job)

    def stop(self) -> None:
        """End all jobs; those that ran are first in the queue again."""
        with self._lock:
            self._ending = True
            for running in self._running.values():
                running.child.kill()
        self._news.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self) -> None:
        while not self._ending:
            wait_s = 0.0
            try:
                job = self._store.claim()
                if job is None:
                    wait_s = _LOOK_S
                else:
                    self._run(job)
            except (OSError, sqlite3.Error) as error:  # no process, no space: it may pass
                self._say(f"the queue waits: {error}")
                wait_s = _TROUBLE_S
            if wait_s:
                self._news.wait(wait_s)
                self._news.clear()

    def _run(self, job: Job) -> None:
        backend = self._backends.get(job.backend)
        if backend is None:
            self._store.fail(job.token, "its separator is not offered any more; choose another")
            self._clear(job)
            return
        folder = self._folder / job.token
        with self._lock:
            if self._ending:
                self._store.release(job.token)
                return
            try:
                running = _Running(Child("stems", folder=str(folder), recipe=backend.recipe))
            except OSError:
                self._store.release(job.token)
                raise
            self._running[job.token] = running
        try:
            patience_s = max(_LEAST_PATIENCE_S, _PATIENCE * job.audio_s)
            if self._store.get(job.token) is None:  # removed a moment ago
                running.child.kill()
            result = running.child.result(patience_s, running.advance)
        except RtaudioError as error:
            self._fail(job, backend, str(error))
        else:
            self._store.finish(job.token, result)
        finally:
            with self._lock:
                del self._running[job.token]
            if self._store.get(job.token) is None:
                self._clear(job)

    def _fail(self, job: Job, backend: Backend, fault: str) -> None:
        if self._ending:
            self._store.release(job.token)
        elif self._store.get(job.token) is not None:
            self._say(f"job {job.token}: {backend.title}: {fault}")
            self._store.fail(job.token, f"{backend.title} failed; try another song or separator")
            self._clear(job)

    def _clear(self, job: Job) -> None:
        shutil.rmtree(self._folder / job.token, ignore_errors=True)
