"""A worker: claims the steps of a run one by one and does them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from nascompile.data.dataset import Dataset
from nascompile.run.data import load_data
from nascompile.run.evaluate import evaluate_step, read_step, score, step_file, weights_of
from nascompile.run.folder import RunFolder
from nascompile.run.trials import HEARTBEAT, Claim, Trials
from spaces.files import write_atomically
from spaces.program.candidate import parse_candidate

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["OVER", "Backoff", "Worker", "fetch_steps", "finish_step", "serve"]

#: Seconds between two looks for work: at first, and after long waiting.
_PAUSES = 0.1, 1.0
#: The note by which the leader says that no step will come any more.
OVER = "over"


@dataclass
class Backoff:
    """Pauses that grow while nothing happens, so that whoever waits for long asks the storage seldom.

    Example:
        >>> patience = Backoff()
        >>> [round(patience.next(), 2) for _ in range(8)]
        [0.1, 0.15, 0.23, 0.34, 0.51, 0.76, 1.0, 1.0]
    """

    _pause: float = field(default=_PAUSES[0], init=False)

    def next(self) -> float:
        """Seconds to wait now."""
        pause, self._pause = self._pause, min(1.5 * self._pause, _PAUSES[1])
        return pause

    def reset(self) -> None:
        """Something has happened: be quick again."""
        self._pause = _PAUSES[0]


class Worker:
    """One process's share of a run.

    Args:
        folder: of the run; checkpoints and networks go there.
        device: where to train.
        dataset: the run's; by default it is loaded once there is something to do with it.
    """

    def __init__(self, folder: RunFolder, device: str = "cpu", dataset: Dataset | None = None) -> None:
        self.folder, self.device = folder, device
        self.trials = folder.trials()
        self._dataset = dataset

    @cached_property
    def dataset(self) -> Dataset:
        """The data."""
        return self._dataset or load_data(self.folder)

    def step(
        self,
        on_progress: Callable[[int, str], None] = lambda number, what: None,
        trials: Sequence[FrozenTrial] | None = None,
    ) -> tuple[Claim, dict[str, Any]] | None:
        """Do the first step that waits; None where none does.

        Args:
            on_progress: called with the network's number and what of it has just ended.
            trials: as they have just been; by default they are read.

        Raises:
            NascompileError: the run or its data cannot be read, or its folder cannot be written.
        """
        claim = self.trials.claim(trials)
        if claim is None:
            return None
        candidate, (number, step) = parse_candidate(self.folder.fs.program, claim.candidate), claim.task
        try:
            with _beating(self.folder, claim):
                fetch_steps(self.folder, self.trials, number)
                result = evaluate_step(
                    candidate, step, self.dataset, self.folder.settings, self.folder.network(number),
                    device=self.device, on_progress=lambda what: on_progress(number, what),
                )  # fmt: skip
        except BaseException:
            # Ctrl-C, a full disk, data that are gone: nothing that this candidate is to blame for.
            self.trials.release(claim)
            raise
        finish_step(self.folder, self.trials, claim, result)
        return claim, result


def finish_step(folder: RunFolder, trials: Trials, claim: Claim, result: Mapping[str, Any]) -> None:
    """Tell the trials what a step found; with a database also its files, for those who do not see this folder."""
    settings, place = folder.settings, folder.network(claim.task.number)
    if settings.storage is not None:
        weights = place / weights_of(claim.task.step, settings.recipe.epochs)
        files = (weights, step_file(place, claim.task.step))
        trials.attach(claim, {file.name: file.read_bytes() for file in files if file.exists()})
    value = score(result) or 0.0
    trials.finish(claim, result, (value, float(result[settings.costs[0]])))


def fetch_steps(folder: RunFolder, trials: Trials, number: int) -> None:
    """Bring here what steps of a network made elsewhere, on disks that only a database has in common."""
    if folder.settings.storage is None:
        return
    place = folder.network(number)
    for task in sorted(task for task in trials.results() if task.number == number):
        if read_step(place, task.step) is None:
            files = trials.attached(task)
            place.mkdir(parents=True, exist_ok=True)
            # The result says that the rest is there.
            for name in sorted(files, key=lambda name: name.endswith(".json")):
                write_atomically(place / name, files[name])


def serve(folder: RunFolder, device: str, leader: Connection | None = None, dataset: Dataset | None = None) -> int:
    """Do steps until the leader says that the run is over.

    Args:
        folder: of the run.
        device: where to train.
        leader: a pipe to the leader's process; at its end there is nothing to wait for.
        dataset: the run's; by default it is loaded once there is something to do with it.

    Returns:
        How many steps were done here.
    """
    worker, patience, done = Worker(folder, device, dataset), Backoff(), 0
    while leader is None or not leader.poll():
        if worker.step():
            patience.reset()
            done += 1
        elif worker.trials.notes.get(OVER):
            break
        elif leader is None:
            time.sleep(patience.next())
        else:
            leader.poll(patience.next())
    return done


@contextmanager
def _beating(folder: RunFolder, claim: Claim) -> Iterator[None]:
    """Signs of life while a step is done, from a thread with a connection of its own."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(folder.trials(), claim, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(trials: Trials, claim: Claim, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT):
        trials.heartbeat(claim)
