"""The steps of a run as tasks of a Ray cluster; the leader alone writes the run's folder and its trials."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nascompile.data.dataset import Dataset
from nascompile.run.evaluate import read_step
from nascompile.run.folder import RunFolder
from nascompile.run.progress import ProgressCallback
from nascompile.run.ray_cluster import RayCluster
from nascompile.run.ray_task import TaskContext, TaskEvent, folder_files, step_task, write_files
from nascompile.run.trials import HEARTBEAT, Claim, Trials
from nascompile.run.worker import fetch_steps, finish_step
from samplers.scores.worker_pool import ParallelMap

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["RayEngine"]

#: Seconds between two deliveries of a candidate's checkpoint.
_EVERY = 3.0


@dataclass
class _Task:
    """A step that is done, and when its last sign of life was passed on."""

    claim: Claim
    heartbeat: float = field(default_factory=time.monotonic)


@dataclass
class RayEngine:
    """Each step is a task that asks for one CPU (as many as the recipe has threads), and for `cuda` one GPU.

    A step whose process or node is lost waits again, and goes on from its last checkpoint; after three losses it
    is given up, as on one machine. When this process is killed, its tasks end with it.

    Args:
        folder: of the run.
        dataset: the run's, put into the cluster's object store once.
        jobs: tasks at once; None for as many as the cluster has room for.
        device: where they compute.
        on_progress: called as candidates are trained.
        every: seconds between two deliveries of a candidate's checkpoint.
    """

    folder: RunFolder
    dataset: Dataset
    jobs: int | None
    device: str
    on_progress: ProgressCallback
    every: float = _EVERY

    def __post_init__(self) -> None:
        self.trials: Trials = self.folder.trials()
        self.parallel_map: ParallelMap | None = None
        self._tasks: dict[Any, _Task] = {}

    def __enter__(self) -> Self:
        threads = self.folder.settings.recipe.threads
        self._cluster = RayCluster(self.device, self.jobs, threads, self.dataset.nbytes).__enter__()
        self._ray, self.parallel_map = self._cluster.ray, self._cluster.ordered
        setting = TaskContext(
            self.folder.set_file.read_bytes(), self.dataset, self.folder.settings, self.device, self.every
        )  # fmt: skip
        self._shared = self._ray.put(setting)
        # Ray's own retries begin from nothing, and nobody learns of them.
        options = {**self._cluster.request, "max_retries": 0, "num_returns": "streaming"}
        self._remote = self._ray.remote(step_task).options(**options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for stream, task in self._tasks.items():
                self.trials.release(task.claim)
                self._ray.cancel(stream, force=True)
        finally:
            self._cluster.__exit__(kind, error, trace)

    @property
    def at_once(self) -> int:
        """As many as the cluster, as it is now, has room for."""
        return self._cluster.at_once

    def step(self, trials: Sequence[FrozenTrial]) -> bool:
        """Start as many of the waiting steps as there is room for."""
        started, most = False, self._cluster.at_once
        while len(self._tasks) < most and (claim := self.trials.claim(trials)):
            self._start(claim)
            started, trials = True, self.trials.all()
        return started

    def wait(self, seconds: float) -> None:
        """Listen to the tasks for that long, or until one has ended."""
        self._listen(time.monotonic() + seconds)
        # Last, so that after a long sleep of this machine no candidate is taken for lost.
        self._beat()

    def _listen(self, end: float) -> None:
        while (left := end - time.monotonic()) > 0:
            if not self._tasks:
                time.sleep(left)
                return
            ready, _ = self._ray.wait(list(self._tasks), timeout=left)
            ended = [self._hear(stream) for stream in ready]
            if any(ended):
                return

    def _start(self, claim: Claim) -> None:
        number, step = claim.task
        fetch_steps(self.folder, self.trials, number)
        place = self.folder.network(number)
        if found := read_step(place, step):
            # The last leader was killed between writing it and telling the trials.
            self._finish(claim, found)
            return
        stream = self._remote.remote([self._shared], claim.candidate, step, folder_files(place))
        self._tasks[stream] = _Task(claim)

    def _beat(self) -> None:
        for task in self._tasks.values():
            if time.monotonic() - task.heartbeat > HEARTBEAT:
                task.heartbeat = time.monotonic()
                self.trials.heartbeat(task.claim)

    def _hear(self, stream: Any) -> bool:
        """Take what a task tells; whether it has ended."""
        claim, errors = self._tasks[stream].claim, self._ray.exceptions
        try:
            news = TaskEvent(*self._ray.get(next(stream)))
        except errors.RayTaskError:
            raise
        except (errors.RayError, StopIteration):
            del self._tasks[stream]
            self.trials.lose(claim)
            return True
        place = self.folder.network(claim.task.number)
        if news.files:
            place.mkdir(parents=True, exist_ok=True)
            write_files(place, news.files)
        if news.kind == "node":
            self.trials.tell(claim, "node", news.value)
        elif news.kind == "progress":
            self.on_progress(claim.task.number, news.value)
        else:
            return self._end(stream, news)
        return False

    def _end(self, stream: Any, news: TaskEvent) -> bool:
        """The last of a task's news."""
        if news.kind == "mistake":
            raise news.value[0](news.value[1])
        if news.kind == "failure":
            raise RuntimeError(f"in a task of Ray:\n{news.value}")
        self._finish(self._tasks.pop(stream).claim, news.value)
        return True

    def _finish(self, claim: Claim, result: dict[str, Any]) -> None:
        finish_step(self.folder, self.trials, claim, result)
