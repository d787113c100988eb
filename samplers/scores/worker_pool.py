"""Work spread over processes whose results come in the order of the tasks, however the processes race.

`concurrent.futures` cannot stop a task that has begun: an interrupted run would hang on as long as its slowest one.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import wait
from typing import Any, TypeVar

from spaces.errors import NascompileError

__all__ = ["ParallelMap", "WorkerError", "default_jobs", "no_interrupts", "ordered"]

Task = TypeVar("Task")
Result = TypeVar("Result")
#: Hands tasks out as `ordered` does: the function that makes the worker, its setting, the tasks.
ParallelMap = Callable[[Callable[[Any], Callable[[Any], Any]], Any, Iterable[Any]], Generator[Any, None, None]]

#: Tasks begun per process ahead of the last result handed on: enough to bridge a slow one, few enough to hold.
_LEAD = 4
#: Starting a process takes as long as scoring some small networks.
_WORTH_A_PROCESS = 16


class WorkerError(NascompileError):
    """A worker process ended before its task did."""


def default_jobs(tasks: int, device: str) -> int:
    """Processes for so many tasks that are handed out at once: one per core, as far as that is worth it.

    Example:
        >>> default_jobs(5, "cpu"), default_jobs(1000, "cuda")
        (1, 1)
    """
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, tasks // _WORTH_A_PROCESS))


def ordered(
    make: Callable[[Any], Callable[[Task], Result]], context: Any, tasks: Iterable[Task], jobs: int
) -> Generator[Result, None, None]:
    """What `make(setting)` makes of each task, in the order of the tasks.

    Each process is started afresh (`spawn`), calls `make(setting)` once, and then takes task after task; a script that
    is not a package must therefore keep its own work behind `if __name__ == "__main__"`. Closing the iterator, or an
    error, stops all processes at once.

    Args:
        make: a function of a module, called in each process.
        context: what it needs; like tasks and results, it is pickled.
        tasks: taken a few at a time.
        jobs: number of processes.

    Raises:
        NascompileError: as the function raised it in the process.
        WorkerError: a process ended, as when memory runs out.
        RuntimeError: any other error in a process, with its traceback.
    """
    workers: list[_Worker] = []
    try:
        for _ in range(jobs):
            workers.append(_start(make, context))
        yield from _run(workers, enumerate(tasks))
    finally:
        for worker in workers:
            worker.stop()


@dataclass(eq=False)
class _Worker:
    """A process, this end of its pipe, and the number of its task; None where it has none."""

    process: Any
    pipe: Any
    task: int | None = None

    def result(self) -> Any:
        """What it sent back."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            message = f"a worker process ended on its own (exit code {self.process.exitcode}); memory may have run out"
            raise WorkerError.of("worker-ended", message, "use fewer jobs, or a smaller batch") from None
        if kind == "result":
            return value
        if kind == "mistake":
            raise value[0](value[1])
        raise RuntimeError(f"in a worker process:\n{value}")

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _run(workers: list[_Worker], tasks: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    done: dict[int | None, Any] = {}
    begun = yielded = 0
    more = True
    while more or yielded < begun:
        for worker in workers:
            if worker.task is None and more and begun - yielded < _LEAD * len(workers):
                more = _begin(worker, tasks)
                begun += more
        busy = {worker.pipe: worker for worker in workers if worker.task is not None}
        for pipe in wait(list(busy)) if busy else ():
            worker = busy[pipe]
            number, worker.task = worker.task, None
            done[number] = worker.result()
        while yielded in done:
            yield done.pop(yielded)
            yielded += 1


def _begin(worker: _Worker, tasks: Iterator[tuple[int, Any]]) -> bool:
    """Give a worker the next task; whether there was one."""
    for number, task in tasks:
        worker.task = number
        try:
            worker.pipe.send(task)
        except OSError:
            worker.result()  # raises: the process has ended
        return True
    return False


def _start(make: Callable[[Any], Callable[[Any], Any]], context: Any) -> _Worker:
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_work, args=(make, context, theirs), daemon=True)
    with no_interrupts():
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextmanager
def no_interrupts() -> Iterator[None]:
    """Processes started within never see Ctrl-C, which a terminal sends to all: they are stopped by this one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Python's resource tracker, which the first process needs, lets SIGINT through again when it starts.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(make: Callable[[Any], Callable[[Any], Any]], context: Any, pipe: Any) -> None:
    """A process: task after task until the pipe is closed."""
    function: Callable[[Any], Any] | None = None
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            function = function or make(context)
            answer = "result", function(task)
        except NascompileError as error:
            # An exception is rebuilt from its text when pickled; its diagnostics would be lost.
            answer = "mistake", (type(error), error.diagnostics)
        except Exception:
            answer = "failure", traceback.format_exc()
        pipe.send(answer)
