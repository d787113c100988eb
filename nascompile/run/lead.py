"""The leader of a run: asks the sampler, hands candidates out, waits for their results, and tells them.

A sampler that learns is asked in rounds of a fixed size, and told the results of a round in the order in which it
asked; so what a run finds does not depend on how many workers there are, nor on when they finish or are killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nascompile.data.dataset import Dataset
from nascompile.run.engine import Engine, make_engine
from nascompile.run.evaluate import METRIC, score
from nascompile.run.folder import RunFolder
from nascompile.run.progress import ProgressCallback
from nascompile.run.proxies import proxy_choice
from nascompile.run.worker import OVER, Backoff
from samplers.registry import registered
from samplers.registry import sampler as named_sampler
from samplers.training_free import Means
from spaces.program.candidate import Candidate

__all__ = ["ROUND", "lead"]

#: Candidates that a sampler which learns is asked for at once.
ROUND = 4

#: How far a run is: candidates trained, how many there will be, the results so far by number.
Report = Callable[[int, int, Mapping[int, Mapping[str, Any]]], None]


def lead(
    folder: RunFolder, dataset: Dataset, jobs: int | None, device: str, report: Report,
    proxies: Callable[[str, float], None] = lambda what, asking: None,
    on_progress: ProgressCallback = lambda number, what: None, engine: str = "local",
) -> dict[int, dict[str, Any]]:  # fmt: skip
    """Bring a run to the end of its trainings.

    Args:
        folder: of the run. What is done there already is not done again.
        dataset: the run's.
        jobs: candidates that are trained at a time; None for one, and with `ray` for as many as the cluster has room
            for.
        device: where to train.
        report: called whenever a candidate is done.
        proxies: called whenever untrained networks are measured, with what is done, and the seconds that the sampler
            has taken to propose them.
        on_progress: called with the number of a candidate that is trained, and what of it has just ended; of processes
            beside this one it is not.
        engine: `local` or `ray`.

    Returns:
        The results by the number of the candidate.

    Raises:
        NascompileError: data, run or storage cannot be used, the folder cannot be written, or Ray cannot be reached.
    """
    with make_engine(engine, folder, dataset, jobs, device, on_progress=on_progress) as running:
        leader = _Leader(folder, running, METRIC[dataset.task], report)
        running.trials.note(OVER, False)
        running.trials.restart()
        if registered(folder.settings.sampler).training_free:
            means = Means(device=device, jobs=running.jobs, parallel_map=running.parallel_map, on_progress=proxies)
            first = proxy_choice(folder, dataset, means)
            leader.train(first, len(first))
        else:
            leader.ask()
        running.trials.note(OVER, True)
    return leader.results


@dataclass
class _Leader:
    """A run between two rounds."""

    folder: RunFolder
    engine: Engine
    metric: str
    report: Report
    asked: list[Candidate] = field(default_factory=list)
    results: dict[int, dict[str, Any]] = field(default_factory=dict)

    def ask(self) -> None:
        """Train what the sampler asks for."""
        settings, fs = self.folder.settings, self.folder.fs
        sampler = named_sampler(settings.sampler, metric=self.metric, **settings.parameters, seed=settings.seed)
        total = min(settings.samples, fs.between[1])
        while len(self.asked) < total:
            lacking = total - len(self.asked)
            batch = list(sampler.ask(fs, min(ROUND, lacking) if sampler.objectives else lacking))
            if not batch:
                # A relaxed set may have fewer members than was known.
                return
            for number, candidate in zip(self.train(batch, total), batch, strict=True):
                sampler.tell(candidate, {self.metric: score(self.results[number], self.metric)})

    def train(self, batch: Sequence[Candidate], total: int) -> range:
        """Hand candidates out and wait for their results; their numbers."""
        first = len(self.asked)
        self.asked += batch
        numbers = range(first, len(self.asked))
        self.engine.trials.add(list(zip(numbers, batch, strict=True)))
        self.wait(numbers, total)
        return numbers

    def wait(self, numbers: Sequence[int], total: int) -> None:
        """Let the engine work until these candidates have results."""
        trials, patience = self.engine.trials, Backoff()
        while True:
            seen = trials.all()
            found = trials.results(seen)
            if len(found) != len(self.results):
                self.results = found
                self.report(len(found), total, found)
                patience.reset()
            if all(number in found for number in numbers):
                return
            if trials.recover(seen) or self.engine.step(seen):
                patience.reset()
            else:
                self.engine.wait(patience.next())
