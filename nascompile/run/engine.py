"""Who does the steps of a run, as the leader sees it: processes of this machine, or tasks of a Ray cluster.

Either takes steps from the run's trials, brings networks and results into the run's folder, and tells the trials.
So what a run finds does not depend on the engine, and `resume` may take another one than `search` took.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from nascompile.data.dataset import Dataset
from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from nascompile.run.progress import ProgressCallback
from nascompile.run.settings import ENGINES
from nascompile.run.trials import Trials
from nascompile.run.worker import Worker, serve
from samplers.scores.worker_pool import ParallelMap, no_interrupts
from solvers.memory import available
from spaces.errors import did_you_mean

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Engine", "LocalEngine", "make_engine"]

#: Bytes that a process takes beside the data, with PyTorch and a network that is trained; and the part of the memory
#: there is that all of them may take, in percent.
_PROCESS, _SHARE = 600 * 2**20, 60


class Engine(Protocol):
    """Does steps of a run while it is entered.

    Attributes:
        trials: of the run.
        parallel_map: what scores by proxies in place of processes.
    """

    trials: Trials
    parallel_map: ParallelMap | None

    @property
    def jobs(self) -> int | None:
        """Processes for scoring by proxies; None for as many as are worth it."""
        ...

    @property
    def at_once(self) -> int:
        """How many steps are done at a time, now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is done still; steps at hand wait again."""
        ...

    def step(self, trials: Sequence[FrozenTrial]) -> bool:
        """Take waiting steps in hand; whether there was one.

        Args:
            trials: as they have just been.

        Raises:
            NascompileError: the run cannot be read, or its folder cannot be written.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Wait for that long, or until a step has its result."""
        ...


def make_engine(
    name: str, folder: RunFolder, dataset: Dataset, jobs: int | None, device: str, on_progress: ProgressCallback
) -> Engine:
    """An engine by its name.

    Args:
        name: `local` or `ray`.
        folder: of the run.
        dataset: the run's.
        jobs: steps at a time; None for as many as there is room for, here or on a cluster.
        device: `cpu` or `cuda`.
        on_progress: called as candidates are trained.

    Raises:
        RunError: there is no such engine.
    """
    if name == "local":
        return LocalEngine(folder, dataset, jobs or _room(folder, dataset, device), device, on_progress)
    if name == "ray":
        from nascompile.run.ray_engine import RayEngine

        return RayEngine(folder, dataset, jobs, device, on_progress)
    raise RunError.of("unknown-engine", f"there is no engine `{name}`", did_you_mean(name, ENGINES))


@dataclass
class LocalEngine:
    """This process, and others of this machine that it starts; `nascompile worker` helps in the same way.

    Args:
        folder: of the run.
        dataset: the run's.
        jobs: processes, this one included.
        device: where they compute.
        on_progress: of the networks that this process trains.
    """

    folder: RunFolder
    dataset: Dataset
    jobs: int
    device: str
    on_progress: ProgressCallback
    parallel_map: ParallelMap | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._worker = Worker(self.folder, self.device, self.dataset)
        self.trials = self._worker.trials
        self._helpers: list[tuple[Any, Any]] = []

    @property
    def at_once(self) -> int:
        """All processes."""
        return self.jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, pipe in self._helpers:
            pipe.close()
            if kind is None:
                # At its pipe's end it stops after its step, and by now it has none.
                process.join()
            process.terminate()

    def step(self, trials: Sequence[FrozenTrial]) -> bool:
        """Do the first step that waits."""
        if not self._helpers:
            # Not before there is work for them: scoring by proxies uses as many processes itself.
            self._helpers = [self._helper() for _ in range(self.jobs - 1)]
        return self._worker.step(self.on_progress, trials) is not None

    def wait(self, seconds: float) -> None:
        """Nothing but wait."""
        time.sleep(seconds)

    def _helper(self) -> tuple[Any, Any]:
        """A process, and the pipe whose end tells it that this one has ended, whichever way."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(RunFolder(self.folder.path, self.folder.storage), self.device, theirs), daemon=True
        )
        with no_interrupts():
            process.start()
        theirs.close()
        return process, ours


def _room(folder: RunFolder, dataset: Dataset, device: str) -> int:
    """How many processes this machine has room for: one a core, as far as networks and memory go."""
    if device != "cpu":
        return 1
    settings = folder.settings
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = available() * _SHARE // 100 // (_PROCESS + dataset.nbytes)
    return max(1, min(cores // settings.recipe.threads, memory, settings.samples))
