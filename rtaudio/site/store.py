"""Store: the jobs of the site, in SQLite; what it says survives any end of the process."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rtaudio.errors import UsageError

State = Literal["queued", "running", "ready", "failed"]

MOST_STARTS = 3
"""A job that never ends, as its process takes the site or the machine down, is given up."""

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    visitor TEXT NOT NULL,
    name TEXT NOT NULL,
    backend TEXT NOT NULL,
    audio_s REAL NOT NULL,
    result_bytes INTEGER NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    created_s REAL NOT NULL,
    started_s REAL,
    ended_s REAL,
    starts INTEGER NOT NULL DEFAULT 0,
    result TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS visitors ON jobs (visitor);
CREATE INDEX IF NOT EXISTS states ON jobs (state, number);
CREATE TABLE IF NOT EXISTS secrets (value TEXT NOT NULL);
"""


class Job(NamedTuple):
    """A song, and how far it has come.

    Attributes
    ----------
    number
        Its place in the order of arrival.
    token
        Who knows it may read the job; it is the name of its folder, too.
    visitor
        Who brought the song.
    name
        The visitor's name of the song, without folders; never a path.
    backend
        Name of the back end.
    audio_s
        Length of the song.
    result_bytes
        How much its stems are going to need.
    note
        Why the job failed, or what is wrong with the song.
    state
        One of ``queued``, ``running``, ``ready``, ``failed``.
    created_s, started_s, ended_s
        Times of the system clock.
    starts
        How often it has been started.
    result
        The stems: ``{"stems": [...], "rate_hz": ..., "channels": ..., "frames": ...}``.
    """

    number: int
    token: str
    visitor: str
    name: str
    backend: str
    audio_s: float
    result_bytes: int
    note: str
    state: State
    created_s: float
    started_s: float | None
    ended_s: float | None
    starts: int
    result: dict[str, Any]


class Store:
    """The jobs of a folder, which only one process may have.

    Parameters
    ----------
    path
        The database; it is made if it does not exist.

    Raises
    ------
    UsageError
        Another site has it, or it is no database.

    Examples
    --------
    >>> store = Store(Path("site.sqlite"))
    >>> job = store.add(new_token(), "me", "song.mp3", "net", audio_s=200.0)
    >>> store.claim().name, store.get(job.token).state
    ('song.mp3', 'running')
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._base = sqlite3.connect(
                path, timeout=0.0, isolation_level=None, check_same_thread=False
            )
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")  # also ends with the process
            self._base.execute("BEGIN EXCLUSIVE")
            self._base.execute("COMMIT")
            self._base.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise UsageError(
                    f"{path.parent}: is used by another site; choose another folder"
                ) from None
            raise UsageError(f"{path}: is no database of a site; remove it") from None

    def close(self) -> None:
        """Close the database."""
        self._base.close()

    def add(
        self,
        token: str,
        visitor: str,
        name: str,
        backend: str,
        *,
        audio_s: float,
        result_bytes: int = 0,
        note: str = "",
    ) -> Job:
        """Put a new job at the end of the queue; see `Job` for what it is made of.

        Parameters
        ----------
        token, visitor, name, backend, audio_s, result_bytes, note
            As in `Job`.
        """
        self._write(
            "INSERT INTO jobs (token, visitor, name, backend, audio_s, result_bytes, note, "
            "created_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            token, visitor, name, backend, audio_s, result_bytes, note, time.time(),
        )  # fmt: skip
        return self._jobs("WHERE token = ?", token)[0]

    def get(self, token: str) -> Job | None:
        """Return a job; None if there is none."""
        return next(iter(self._jobs("WHERE token = ?", token)), None)

    def of_visitor(self, visitor: str) -> list[Job]:
        """Return the jobs of a visitor, the newest first."""
        return self._jobs("WHERE visitor = ? ORDER BY number DESC", visitor)

    def unfinished(self) -> list[Job]:
        """Return the jobs that run or wait, in their order."""
        return self._jobs("WHERE state IN ('running', 'queued') ORDER BY state = 'queued', number")

    def ended_before(self, time_s: float) -> list[Job]:
        """Return the jobs that ended before a time of the system clock."""
        return self._jobs("WHERE ended_s < ?", time_s)

    def tokens(self) -> set[str]:
        """Return the tokens of all jobs."""
        with self._lock:
            return {token for (token,) in self._base.execute("SELECT token FROM jobs")}

    def claim(self) -> Job | None:
        """Take the first job of the queue: it runs from now on. None: the queue is empty."""
        with self._lock:
            waiting = self._jobs("WHERE state = 'queued' ORDER BY number LIMIT 1")
            if not waiting:
                return None
            token = waiting[0].token
            self._write(
                "UPDATE jobs SET state = 'running', started_s = ?, starts = starts + 1 "
                "WHERE token = ?", time.time(), token,
            )  # fmt: skip
            return self.get(token)

    def finish(self, token: str, result: dict[str, Any]) -> None:
        """Note that the stems of a job are there.

        Parameters
        ----------
        token
            Of the job.
        result
            As in `Job`.
        """
        self._write(
            "UPDATE jobs SET state = 'ready', ended_s = ?, result_bytes = 0, result = ? "
            "WHERE token = ?", time.time(), json.dumps(result), token,
        )  # fmt: skip

    def fail(self, token: str, note: str) -> None:
        """Note that a job could not be done.

        Parameters
        ----------
        token
            Of the job.
        note
            Why, for its visitor.
        """
        self._write(
            "UPDATE jobs SET state = 'failed', ended_s = ?, result_bytes = 0, note = ? "
            "WHERE token = ?", time.time(), note, token,
        )  # fmt: skip

    def release(self, token: str) -> None:
        """Put a job that runs back to its place in the queue; this start does not count."""
        self._write(
            "UPDATE jobs SET state = 'queued', starts = starts - 1 "
            "WHERE token = ? AND state = 'running'", token,
        )  # fmt: skip

    def recover(self) -> None:
        """Put the jobs back that ran when the last process was killed."""
        for job in self._jobs("WHERE state = 'running'"):
            if job.starts >= MOST_STARTS:
                self.fail(job.token, f"was interrupted {job.starts} times; upload it again")
        self._write("UPDATE jobs SET state = 'queued' WHERE state = 'running'")

    def remove(self, token: str) -> None:
        """Forget a job."""
        self._write("DELETE FROM jobs WHERE token = ?", token)

    def seconds_per_second(self, backend: str) -> float | None:
        """Return how long a back end took for a second of sound, by its last jobs.

        None: it has done none.
        """
        with self._lock:
            spent, audio = self._base.execute(
                "SELECT sum(ended_s - started_s), sum(audio_s) FROM (SELECT * FROM jobs WHERE "
                "state = 'ready' AND backend = ? ORDER BY ended_s DESC LIMIT 20)", (backend,),
            ).fetchone()  # fmt: skip
        return spent / audio if audio else None

    def secret(self) -> str:
        """Return the token of the site, which stays the same as long as its folder exists."""
        with self._lock:
            found = self._base.execute("SELECT value FROM secrets").fetchone()
            if found is None:
                found = (secrets.token_urlsafe(24),)
                self._write("INSERT INTO secrets VALUES (?)", *found)
        return str(found[0])

    def _jobs(self, where: str, *values: Any) -> list[Job]:
        columns = ", ".join(Job._fields)
        with self._lock:
            rows = self._base.execute(f"SELECT {columns} FROM jobs {where}", values).fetchall()
        return [Job._make((*row[:-1], json.loads(row[-1]))) for row in rows]

    def _write(self, statement: str, *values: Any) -> None:
        with self._lock:
            self._base.execute(statement, values)


def new_token() -> str:
    """Return a name that nobody can guess.

    Examples
    --------
    >>> len(new_token()), new_token() == new_token()
    (32, False)
    """
    return secrets.token_hex(16)
