"""Site: the folder of a site with its queue, its uploads, and what is told about a job."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from rtaudio.errors import UsageError
from rtaudio.site.backends import Backend
from rtaudio.site.files import STEMS
from rtaudio.site.job_view import JobView, job_views
from rtaudio.site.limits import HOUR_S, Limits
from rtaudio.site.store import Job, Store
from rtaudio.site.uploads import Uploads
from rtaudio.site.worker import Worker

_DATABASE = "site.sqlite"
_SWEEP_S = 60.0


class Site:
    """A site while it is open: what arrives is separated, and what is old is removed.

    Parameters
    ----------
    folder
        Where everything is kept; it is made if it does not exist, and is the site's alone.
    backends
        What visitors choose from, by name.
    limits
        What is taken.
    jobs
        How many run at once.
    say
        Tells the owner why a job failed.

    Raises
    ------
    UsageError
        The folder holds something else, or another site uses it.
    """

    def __init__(
        self,
        folder: Path,
        backends: Mapping[str, Backend],
        limits: Limits,
        jobs: int = 1,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        if folder.is_dir() and any(folder.iterdir()) and not (folder / _DATABASE).is_file():
            raise UsageError(f"{folder}: holds other files; choose a new folder, or an empty one")
        folder = folder.absolute()  # programs work in other folders
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.backends, self.limits = backends, limits
        self.store = Store(folder / _DATABASE)
        self._jobs = folder / "jobs"
        self._jobs.mkdir(exist_ok=True)
        arriving = folder / "arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        arriving.mkdir()
        self.uploads = Uploads(self.store, folder, limits)
        self.worker = Worker(self.store, self._jobs, backends, jobs, say)
        self._ended = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="sweeper", daemon=True)

    def __enter__(self) -> Site:
        self.store.recover()
        known = self.store.tokens()
        for path in self._jobs.iterdir():
            if path.name not in known:  # it was killed between the two
                shutil.rmtree(path, ignore_errors=True)
        self.remove_old()
        self.worker.start()
        self._sweeper.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self.worker.stop()
        self._sweeper.join()
        self.store.close()

    def _sweep(self) -> None:
        while not self._ended.wait(_SWEEP_S):
            with contextlib.suppress(OSError, sqlite3.Error):  # the next time, then
                self.remove_old()

    def remove_old(self) -> None:
        """Remove the jobs whose time is over."""
        for job in self.store.ended_before(time.time() - self.limits.keep_hours * HOUR_S):
            self.worker.remove(job)

    def stems_of(self, job: Job) -> Path:
        """Return the folder of the stems of a job."""
        return self._jobs / job.token / STEMS

    def views(self, jobs: list[Job], visitor: str | None) -> list[JobView]:
        """Return what is told about jobs.

        Parameters
        ----------
        jobs
            The jobs.
        visitor
            Who asks; None: somebody without a cookie.
        """
        return job_views(jobs, visitor, self.store, self.worker, self.backends, self.limits)
