"""The leader of a run: asks the sampler, hands candidates out, waits for their results, and tells them.

A sampler that learns is asked in rounds of a fixed size, and told the results of a round in the order in which it
asked; so what a run finds does not depend on how many workers there are, nor on when they finish or are killed.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from nascompile.data.dataset import Dataset
from nascompile.run.evaluate import METRIC, score
from nascompile.run.folder import RunFolder
from nascompile.run.proxies import pareto_choice
from nascompile.run.settings import PARETO
from nascompile.run.trials import Trials
from nascompile.run.worker import OVER, PAUSE, Worker, serve
from samplers.base import Sampler
from samplers.registry import sampler as named_sampler
from spaces.candidate import Candidate

__all__ = ["ROUND", "lead"]

#: Candidates that a sampler which learns is asked for at once.
ROUND = 4

#: How far a run is: candidates trained, how many there will be, the results so far by number.
Report = Callable[[int, int, Mapping[int, Mapping[str, Any]]], None]


def lead(
    folder: RunFolder, dataset: Dataset, jobs: int, device: str, report: Report,
    proxies: Callable[[int, int], None] = lambda done, total: None,
    told: Callable[[int, str], None] = lambda number, what: None,
) -> dict[int, dict[str, Any]]:  # fmt: skip
    """Bring a run to the end of its trainings.

    Args:
        folder: of the run. What is done there already is not done again.
        dataset: the run's.
        jobs: processes that train, this one included.
        device: where to train.
        report: called whenever a candidate is done.
        proxies: called whenever a trial by proxies is done, with their number and that of all.
        told: called with the number of the candidate that this process trains, and what of it has just ended.

    Returns:
        The results by the number of the candidate.

    Raises:
        NascompileError: data, run or storage cannot be used, or the folder cannot be written.
    """
    leader = _Leader(folder, Worker(folder, device, dataset), folder.trials(), METRIC[dataset.task], report, told)
    leader.trials.note(OVER, False)
    leader.trials.restart()
    # Chosen before there are helpers, as it uses as many processes itself.
    first = pareto_choice(folder, dataset, jobs, device, proxies) if folder.settings.sampler == PARETO else None
    with _helpers(folder, jobs - 1, device):
        if first is None:
            leader.ask()
        else:
            leader.train(first, len(first))
        leader.trials.note(OVER, True)
    return leader.results


@dataclass
class _Leader:
    """A run between two rounds."""

    folder: RunFolder
    worker: Worker
    trials: Trials
    metric: str
    report: Report
    told: Callable[[int, str], None]
    asked: list[Candidate] = field(default_factory=list)
    results: dict[int, dict[str, Any]] = field(default_factory=dict)

    def ask(self) -> None:
        """Train what the sampler asks for."""
        settings, fs = self.folder.settings, self.folder.fs
        sampler = _sampler(settings.sampler, settings.parameters, settings.seed, self.metric)
        total = min(settings.samples, fs.size)
        while len(self.asked) < total:
            lacking = total - len(self.asked)
            batch = list(sampler.ask(fs, min(ROUND, lacking) if sampler.objectives else lacking))
            for number, candidate in zip(self.train(batch, total), batch, strict=True):
                sampler.tell(candidate, {self.metric: score(self.results[number], self.metric)})

    def train(self, batch: Sequence[Candidate], total: int) -> range:
        """Hand candidates out and wait for their results; their numbers."""
        first = len(self.asked)
        self.asked += batch
        numbers = range(first, len(self.asked))
        self.trials.add(list(zip(numbers, batch, strict=True)))
        self.wait(numbers, total)
        return numbers

    def wait(self, numbers: Sequence[int], total: int) -> None:
        """Work along until these candidates have results."""
        while True:
            self.trials.recover()
            found = self.trials.results()
            if len(found) != len(self.results):
                self.results = found
                self.report(len(found), total, found)
            if all(number in found for number in numbers):
                return
            if not self.worker.step(self.told):
                time.sleep(PAUSE)


def _sampler(name: str, parameters: Mapping[str, Any], seed: int, metric: str) -> Sampler:
    """The sampler, which learns from the metric if it learns at all."""
    made = named_sampler(name, seed=seed, **parameters)
    known = {f.name for f in fields(made) if f.init}
    if "objective" in known:
        return named_sampler(name, seed=seed, **{"objective": metric, **parameters})
    if "objectives" in known:
        return named_sampler(name, seed=seed, **{"objectives": {metric: "max"}, **parameters})
    return made


@contextmanager
def _helpers(folder: RunFolder, count: int, device: str) -> Iterator[None]:
    """Further workers on this machine; they end with this process, whichever way it ends."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=serve, args=(RunFolder(folder.path), device, os.getpid()), daemon=True)
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    try:
        yield
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.terminate()
