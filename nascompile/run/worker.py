"""A worker: claims the candidates of a run one by one and evaluates them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from nascompile.data.dataset import Dataset
from nascompile.run.evaluate import METRIC, evaluate_candidate, score
from nascompile.run.folder import RunFolder
from nascompile.run.trials import BEAT, Claim, RunError, Trials
from spaces.breakdown import outputs
from spaces.candidate import parse_candidate
from spaces.errors import Diagnostic

__all__ = ["OVER", "Worker", "load_data", "serve"]

#: What is wanted of a network in the end.
WEIGHTS = ("float.safetensors", "int8.safetensors")
#: Seconds between two looks for work.
PAUSE = 0.2
#: The note by which the leader says that no candidate will come any more.
OVER = "over"


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

    def step(self, told: Callable[[int, str], None] = lambda number, what: None) -> tuple[Claim, dict[str, Any]] | None:
        """Evaluate the first candidate that waits; None where none does.

        Args:
            told: called with the candidate's number and what of it has just ended.

        Raises:
            NascompileError: the run or its data cannot be read, or its folder cannot be written.
        """
        claim = self.trials.claim()
        if claim is None:
            return None
        candidate = parse_candidate(self.folder.fs.program, claim.candidate)
        network = self.folder.network(claim.number)
        try:
            with _beating(self.folder, claim):
                result = evaluate_candidate(
                    candidate, self.dataset, self.folder.settings, network, self.device,
                    lambda what: told(claim.number, what),
                )  # fmt: skip
        except BaseException:
            # Ctrl-C, a full disk, data that are gone: nothing that this candidate is to blame for.
            self.trials.release(claim)
            raise
        if self.folder.joined.exists():
            files = (network / name for name in WEIGHTS)
            self.trials.attach(claim, {file.name: file.read_bytes() for file in files if file.exists()})
        self.trials.finish(claim, result, (score(result, METRIC[self.dataset.task]), float(result["flops"])))
        return claim, result


def serve(folder: RunFolder, device: str, parent: int | None = None) -> int:
    """Evaluate candidates until the leader says that the run is over.

    Args:
        folder: of the run.
        device: where to train.
        parent: a process; when it is no longer this one's parent, there is nothing to wait for.

    Returns:
        How many candidates were evaluated here.
    """
    worker, done = Worker(folder, device), 0
    while True:
        over = bool(worker.trials.notes.get(OVER))
        if parent is not None and os.getppid() != parent:
            return done
        if worker.step():
            done += 1
        elif over:
            return done
        else:
            time.sleep(PAUSE)


def load_data(folder: RunFolder) -> Dataset:
    """The data set of a run, as its settings say; the same for every worker.

    Raises:
        FileError: the data cannot be read, or do not fit the networks.
        RunError: networks cannot be trained on them.
    """
    from nascompile.data.load import load_dataset

    given, space = folder.settings.data, folder.fs.program.space
    classes = None if given.task == "anomaly" else outputs(folder.fs[0])
    data = load_dataset(given.path, space.input.dims, classes=classes, **given.how())
    if data.task not in METRIC:
        raise RunError(Diagnostic("no-such-task", f"a run cannot train the task `{data.task}` yet", None, ""))
    return data


@contextmanager
def _beating(folder: RunFolder, claim: Claim) -> Iterator[None]:
    """Signs of life while a candidate is evaluated, from a thread with a connection of its own."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(folder.trials(), claim, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(trials: Trials, claim: Claim, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        trials.beat(claim)
