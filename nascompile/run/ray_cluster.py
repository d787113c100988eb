"""A Ray cluster on which the tasks of a command run: the connection, what a task asks for, ordered results.

Whoever imports this loads no Ray; it is there only where a connection is opened.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import lru_cache
from types import ModuleType, TracebackType
from typing import Any, Self

from nascompile.run.errors import RunError
from samplers.scores.worker_pool import WorkerError
from spaces.errors import NascompileError

__all__ = ["RayCluster", "load_ray"]

#: Results that wait for a slower one before them, per task that runs.
_LEAD = 4
#: Of a cluster of our own: bytes for what tasks share, beside the data.
_ROOM = 128 * 2**20
#: Seconds within which a cluster has to answer.
_ANSWER = 10.0
#: Ray talks on stdout when a node is lost, and to its makers about its use. Both are read when it is imported.
_QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": "^", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def load_ray() -> ModuleType:
    """Ray, which is an optional part.

    Raises:
        RunError: it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError as cause:
        message = f"--engine ray needs Ray, which cannot be imported ({cause})"
        raise RunError.of("no-ray", message, "pip install 'nascompile[ray]'") from None
    return ray


class RayCluster:
    """A connection to a cluster: to that of RAY_ADDRESS, to one that runs on this machine, or to one of its own.

    A cluster of its own has this machine's cores, and ends with the connection.

    Args:
        device: where tasks compute; for `cuda` each asks for a GPU.
        jobs: tasks at once; None for as many as the cluster, as it is at the time, has CPUs (or GPUs) for.
        threads: CPUs that each task asks for.
        room: bytes that tasks share, for which a cluster of its own has to make room.
    """

    def __init__(self, device: str = "cpu", jobs: int | None = None, threads: int = 1, room: int = 0) -> None:
        self.device, self.jobs, self.threads, self.room = device, jobs, threads, room

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            RunError: Ray is not installed, the cluster does not answer, or it has not what a task needs.
        """
        self.ray = load_ray()
        self._ours = not self.ray.is_initialized()
        if self._ours:
            self._connect()
        try:
            self._check()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ours:
            self.ray.shutdown()

    @property
    def request(self) -> dict[str, int]:
        """What each task asks for."""
        return {"num_cpus": self.threads, "num_gpus": int(self.device != "cpu")}

    @property
    def at_once(self) -> int:
        """How many tasks may run now."""
        return self.jobs or max(1, self._capacity())

    def ordered(
        self, make: Callable[[Any], Callable[[Any], Any]], context: Any, tasks: Iterable[Any]
    ) -> Generator[Any, None, None]:
        """What `make(setting)` makes of each task, in the order of the tasks, as `samplers.scores.worker_pool.ordered`.

        A task whose node or process is lost is run again, three times at most.

        Raises:
            NascompileError: as the function raised it.
            WorkerError: a task was lost too often.
        """
        shared = self.ray.put((make, context))
        remote = self.ray.remote(_apply).options(**self.request, max_retries=3)
        waiting: deque[Any] = deque()
        running: list[Any] = []
        try:
            for task in tasks:
                most = self.at_once
                while len(running) >= most or len(waiting) >= _LEAD * most:
                    _, running = self.ray.wait(running)
                    while waiting and waiting[0] not in running:
                        yield self._result(waiting.popleft())
                # In a list, since Ray fetches an argument that is a reference itself, for each task anew.
                waiting.append(remote.remote([shared], task))
                running.append(waiting[-1])
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for reference in waiting:
                self.ray.cancel(reference, force=True)

    def _result(self, reference: Any) -> Any:
        errors = self.ray.exceptions
        try:
            kind, value = self.ray.get(reference)
        except errors.RayTaskError:
            raise
        except errors.RayError as cause:
            message = f"the nodes of a task were lost four times: {_first_line(cause)}"
            hint = "memory may have run out: use fewer jobs, or a smaller batch"
            raise WorkerError.of("worker-ended", message, hint) from None
        if kind == "mistake":
            raise value[0](value[1])
        return value

    def _connect(self) -> None:
        where = os.environ.get("RAY_ADDRESS", "")
        if where.startswith("ray://"):
            message = f"RAY_ADDRESS is `{where}`, an address for Ray's client, which streams no results"
            hint = "start the command on a node of the cluster, with RAY_ADDRESS=HOST:6379 or without it"
            raise RunError.of("no-cluster", message, hint)
        if where not in ("", "auto", "local"):
            _check_answer(where)
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        if where != "local":
            try:
                self.ray.init(address="auto", **quiet)
                return
            except ConnectionError as cause:
                if where:
                    raise _no_cluster(where, cause) from None
            except (OSError, RuntimeError, ValueError) as cause:
                raise _no_cluster(where or "auto", cause) from None
        cpus = self.jobs * self.threads if self.jobs else None
        room = 2 * self.room + _ROOM
        try:
            self.ray.init(
                address="local", num_cpus=cpus, object_store_memory=room, include_dashboard=False, **quiet
            )  # fmt: skip
        except (OSError, RuntimeError, ValueError) as cause:
            raise _no_cluster("local", cause) from None

    def _capacity(self) -> int:
        there = self.ray.cluster_resources()
        tasks = int(there.get("CPU", 0)) // self.threads
        return min(tasks, int(there.get("GPU", 0))) if self.request["num_gpus"] else tasks

    def _check(self) -> None:
        if not self._capacity():
            what = f"{self.threads:,} CPU" + (" and a GPU" if self.request["num_gpus"] else "")
            message = f"no node of the Ray cluster has what a task asks for: {what}"
            raise RunError.of("no-resources", message, "add a node: ray start --address HOST:6379")


def _check_answer(where: str) -> None:
    """Raises unless something listens at HOST:PORT; Ray itself would wait for minutes, and talk meanwhile."""
    host, _, port = where.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER).close()
    except ValueError:
        raise _no_cluster(where, ValueError("this is no HOST:PORT")) from None
    except OSError as cause:
        raise _no_cluster(where, cause) from None


def _no_cluster(where: str, cause: Exception) -> RunError:
    message = f"cannot connect to the Ray cluster `{where}`: {_first_line(cause)}"
    hint = "check RAY_ADDRESS; without it a cluster on this machine is used, or started"
    return RunError.of("no-cluster", message, hint)


def _first_line(cause: Exception) -> str:
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


# -- on a node ---------------------------------------------------------------------------------------------------------


def _apply(shared: Sequence[Any], task: Any) -> tuple[str, Any]:
    """One task; a mistake of the user's comes back as a value, since Ray would rebuild it from its text."""
    try:
        return "result", _made(shared[0])(task)
    except NascompileError as error:
        return "mistake", (type(error), error.diagnostics)


@lru_cache(maxsize=1)
def _made(shared: Any) -> Callable[[Any], Any]:
    """The function, made once in each process."""
    import ray

    make, context = ray.get(shared)
    return make(context)
