"""A Ray cluster: the same call for many items, on all cores of one machine or of several.

Ray starts the processes, moves the calls, and repeats those whose process has died. The functions
that are called stand in modules that every machine of the cluster has.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from rtaudio.errors import ClusterError, plain

Item = TypeVar("Item")

LOCAL = "local"
"""The address of a cluster on this machine that ends with the work."""

RETRIES = 3
"""How often a call is repeated whose process has died."""

_CONNECT_S = 5.0
_PROBE_S = 120.0
_CANCEL_S = 10.0
_POLL_S = 0.2
_HEAD_S = 5.0
"""How long the head may not answer; Ray itself would wait a minute, and exit without a word."""
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The preface of RFC 9113, and no settings; a server of gRPC answers with its own settings."""
_HTTP2_SETTINGS = b"\4"
_STORE_BYTES = 100 * 1024 * 1024
"""Memory for what is sent; calls send names of files, not sounds."""
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would call home
    # Otherwise it tells on stdout that workers died; those are repeated, or reported.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "(?s).*",
    # Workers have the priority of the command, as those of --jobs have, and not the least one.
    "RAY_worker_niceness": "0",
}
"""Of Ray, where the user has not set them."""


class Ended(NamedTuple):
    """The end of a call.

    Attributes
    ----------
    item
        What it was called with.
    result
        What it returned; None if it failed.
    error
        What it raised, or Ray's own exception if its processes died; None if it returned.
    """

    item: Any
    result: Any
    error: Exception | None


class Cluster:
    """A connection to a Ray cluster; as a context manager.

    Parameters
    ----------
    address
        ``"local"`` starts one on this machine, which ends with the block; ``"auto"`` is the one
        that runs on this machine, ``"host:port"`` and ``"ray://host:port"`` name one.
    workers
        How many calls run at a time; None: one per core.

    Raises
    ------
    ClusterError
        Ray is not installed, or there is no such cluster.

    Examples
    --------
    >>> with Cluster("local", 2) as cluster:                            # doctest: +SKIP
    ...     [end.result for end in cluster.run(abs, [(-1,), (-2,)])]
    [1, 2]
    """

    def __init__(self, address: str = LOCAL, workers: int | None = None) -> None:
        self._address, self._workers = address, workers
        self._own = False
        self._most = workers or 1
        self._answered_s = 0.0

    def __enter__(self) -> Cluster:
        ray = import_ray()
        if ray.is_initialized():
            self._most = self._workers or _most(ray)
            return self
        match = re.fullmatch(r"(?:ray://)?(.+):(\d+)", self._address)
        if match:
            self._check_port(match[1], int(match[2]))
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address == LOCAL:
            options |= {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
            options |= {"num_cpus": self._workers or _count_cores()}
        former = signal.getsignal(signal.SIGTERM)
        try:
            with nullcontext() if self._address == LOCAL else _quiet():
                ray.init(address=self._address, **options)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, former)  # Ray would exit, with a page of its own
        except Exception as error:  # Ray's own are of many kinds
            reason = plain(str(error)).strip().partition(". ")[0]
            remedy = "see: ray status"
            if match:
                remedy += ", and whether its token stands in ~/.ray/auth_token"
            raise ClusterError(
                f"--ray {self._address}: cannot be used: {reason}; {remedy}"
            ) from error
        self._own = True
        # A cluster that starts here has a core for each worker; on others, `workers` is the limit.
        self._most = (self._address != LOCAL and self._workers) or _most(ray)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._own:
            import_ray().shutdown()

    def _check_port(self, host: str, port: int) -> None:
        """Find out at once whether a cluster listens; Ray itself would ask for minutes."""
        try:
            with socket.create_connection((host, port), _CONNECT_S) as connection:
                connection.sendall(_HTTP2_HELLO)
                answer = connection.recv(9)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ClusterError(
                f"--ray {self._address}: no cluster answers there ({reason}); start one with: "
                "ray start --head"
            ) from error
        if answer[3:4] != _HTTP2_SETTINGS and os.environ.get("RAY_USE_TLS", "0") == "0":
            raise ClusterError(
                f"--ray {self._address}: what answers there is no Ray cluster; "
                "`ray start --head` says the port of one"
            )

    def _check_head(self) -> None:
        """Find out whether the head is gone; called again and again, it asks once a second."""
        silent_s = time.monotonic() - self._answered_s
        if silent_s < 1.0 or self._address.startswith("ray://"):  # that connection ends by itself
            return
        host, port = import_ray().get_runtime_context().gcs_address.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), 1.0).close()
        except OSError as error:
            if silent_s < _HEAD_S:
                return
            self._own = False  # nobody is there to say good-bye to
            raise ClusterError(
                f"--ray {self._address}: the head of the cluster has died; finished work stays: "
                "start the same command again"
            ) from error
        self._answered_s = time.monotonic()

    def ask(self, question: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function once on every machine.

        Parameters
        ----------
        question
            The function.
        *arguments
            Its arguments.

        Returns
        -------
        dict
            Address of the machine -> what was returned, or the exception.
        """
        ray = import_ray()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        call = ray.remote(num_cpus=0, max_retries=0)(_at_place)
        asked = {
            node["NodeManagerAddress"]: call.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(os.getcwd(), question, *arguments)
            for node in ray.nodes()
            if node["Alive"]
        }
        answers: dict[str, Any] = {}
        for address, reference in asked.items():
            try:
                answers[address] = ray.get(reference, timeout=_PROBE_S)
            except Exception as error:
                answers[address] = error
        return answers

    def run(
        self,
        function: Callable[..., Any],
        items: Iterable[Sequence[Any]],
        *,
        retries: int = RETRIES,
        poll: Callable[[], None] = lambda: None,
    ) -> Generator[Ended, None, None]:
        """Call a function with each item, several at a time.

        Items are taken one by one, at most two per core, so that no core waits for the next one and
        a caller who stops handing them out stops the work soon.

        Parameters
        ----------
        function
            Called with the parts of an item.
        items
            Tuples of arguments.
        retries
            How often a call is repeated whose process has died.
        poll
            Called several times per second.

        Yields
        ------
        Ended
            As the calls end. If the caller closes the generator or is interrupted, calls that run
            are interrupted, too, and may tidy up.
        """
        ray = import_ray()
        call = ray.remote(num_cpus=1, max_retries=retries)(_at_place)
        waiting = iter(items)
        running: dict[Any, Sequence[Any]] = {}
        more = True
        self._answered_s = time.monotonic()
        try:
            while running or more:
                self._check_head()
                while more and len(running) < self._most:
                    item = next(waiting, None)
                    more = item is not None
                    if item is not None:
                        running[call.remote(os.getcwd(), function, *item)] = item
                ready, _ = ray.wait(list(running), timeout=_POLL_S) if running else ([], [])
                for reference in ready:
                    item = running.pop(reference)
                    try:
                        yield Ended(item, ray.get(reference), None)
                    except Exception as error:
                        yield Ended(item, None, getattr(error, "cause", None) or error)
                poll()
        except ClusterError:
            running.clear()
            raise
        finally:
            for reference in running:
                ray.cancel(reference)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=_CANCEL_S)


def _at_place(folder: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function where the caller works, so that relative paths lead to the same files."""
    with suppress(OSError):
        os.chdir(folder)
    return function(*arguments)


def import_ray() -> Any:
    """Return Ray.

    Raises
    ------
    ClusterError
        It is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if "ray" not in sys.modules and (Path.home() / ".ray" / "auth_token").exists():
        # Ray itself looks for the token only where it finds the cluster by itself, too.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ModuleNotFoundError:
        raise ClusterError(
            "--ray needs Ray, which is not installed; pip install 'rtaudio[ray]', or use --jobs"
        ) from None
    return ray


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Ray log below Python to nowhere: it tells over and over what the exception says once."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # which itself is logged, too
    former = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(former, 2)
        os.close(former)


def _most(ray: Any) -> int:
    """Return how many calls are handed out at a time: two per core, so that none waits."""
    return 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))


def _count_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
