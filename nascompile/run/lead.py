"""The leader of a run: asks the sampler, hands out the steps that its schedule wants, and waits for their results.

A sampler that learns is asked in rounds of a fixed size, and told the validation after the first step of each network
of a round, at the same epoch for all, in the order in which it asked; so what a run finds does not depend on how many
workers there are, nor on when they finish or are killed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from nascompile.data.dataset import Dataset
from nascompile.run.engine import Engine, make_engine
from nascompile.run.estimate import estimate, still_left
from nascompile.run.evaluate import score
from nascompile.run.folder import RunFolder
from nascompile.run.networks import measured
from nascompile.run.preflight import check_candidates
from nascompile.run.progress import ProgressCallback
from nascompile.run.proxies import proxy_choice
from nascompile.run.schedule import Schedule, Stage, schedule_of
from nascompile.run.steps import Task
from nascompile.run.trials import task_of
from nascompile.run.worker import OVER, Backoff
from nascompile.training.objective import check_metric
from samplers.base import Sampler
from samplers.registry import registered
from samplers.registry import sampler as named_sampler
from samplers.training_free import Means
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["ROUND", "Report", "lead"]

#: Candidates that a sampler which learns is asked for at once.
ROUND = 4

#: Called whenever a step has its result, with how far the run is.
Report = Callable[[Stage], None]


def lead(
    folder: RunFolder, dataset: Dataset, jobs: int | None, device: str, report: Report = lambda stage: None,
    proxies: Callable[[str, float], None] = lambda what, asking: None,
    on_progress: ProgressCallback = lambda number, what: None, engine: str = "local",
    on_estimate: Callable[[float], None] | None = None,
) -> dict[Task, dict[str, Any]]:  # fmt: skip
    """Bring a run to the end of its steps.

    Args:
        folder: of the run. What is done there already is not done again.
        dataset: the run's.
        jobs: steps that are done at a time; None for as many as there are cores, or with `ray` as the cluster has room
            for.
        device: where to train.
        report: called whenever a step is done.
        proxies: called whenever untrained networks are measured, with what is done, and the seconds that the sampler
            has taken to propose them.
        on_progress: called with the number of a network that is trained, and what of it has just ended; of processes
            beside this one it is not.
        engine: `local` or `ray`.
        on_estimate: called before training, with the seconds that it may take.

    Returns:
        The results of all steps.

    Raises:
        NascompileError: data, run or storage cannot be used, the folder cannot be written, or Ray cannot be reached;
            or, of a run that begins, it is known of networks that are asked for first that they cannot be trained.
    """
    with make_engine(engine, folder, dataset, jobs, device, on_progress=on_progress) as running:
        settings = folder.settings
        metric = settings.own.metric if settings.own else check_metric(dataset.task, settings.recipe.metric)
        leader = _Leader(folder, running, metric, report, schedule_of(settings))
        if not settings.own and not running.trials.all():
            leader.check = partial(check_candidates, settings=settings, dataset=dataset)
        if on_estimate and not settings.own:
            leader.on_start = lambda: leader.estimate(dataset, on_estimate)
        running.trials.note(OVER, False)
        running.trials.restart()
        if registered(folder.settings.sampler).training_free:
            means = Means(device=device, jobs=running.jobs, parallel_map=running.parallel_map, on_progress=proxies)
            leader.asked = _without_training(folder, dataset, means)
            leader.check(leader.asked)
        else:
            leader.ask()
        leader.over = True
        leader.wait(None)
        running.trials.note(OVER, True)
    return leader.results


def _without_training(folder: RunFolder, dataset: Dataset, means: Means) -> list[Candidate]:
    """What a search without training chooses, bracket by bracket: those of an extension that are new come last."""
    result: list[Candidate] = []
    for count in (*folder.settings.extended, folder.settings.samples):
        new = [c for c in proxy_choice(folder, dataset, means, count) if c not in result]
        result += new[: max(0, count - len(result))]
    return result


@dataclass
class _Leader:
    """A run between two steps."""

    folder: RunFolder
    engine: Engine
    metric: str
    report: Report
    schedule: Schedule
    asked: list[Candidate] = field(default_factory=list)
    results: dict[Task, dict[str, Any]] = field(default_factory=dict)
    #: Whether no network will be asked for any more.
    over: bool = False
    #: Of the first networks that are asked for, before anything is trained: raises where some cannot be.
    check: Callable[[Sequence[Candidate]], None] = lambda candidates: None
    #: Called once, when there are networks to train.
    on_start: Callable[[], None] | None = None

    def ask(self) -> None:
        """Ask the sampler for all networks of the run; where it learns, wait for the first step of each round."""
        settings, fs = self.folder.settings, self.folder.fs
        sampler = named_sampler(settings.sampler, metric=self.metric, **settings.parameters, seed=settings.seed)
        for end in self.schedule.brackets:
            while len(self.asked) < (total := min(end, fs.between[1])):
                lacking = total - len(self.asked)
                batch = list(sampler.ask(fs, min(ROUND, lacking) if sampler.objectives else lacking))
                if not batch:
                    # A relaxed set may have fewer members than was known.
                    return
                first = len(self.asked)
                if not first:
                    self.check(batch)
                self.asked += batch
                if sampler.objectives:
                    self._tell(sampler, range(first, len(self.asked)))

    def _tell(self, sampler: Sampler, numbers: Sequence[int]) -> None:
        tasks = [Task(number, self.schedule.first) for number in numbers]
        self.wait(tasks)
        for task in tasks:
            value = score(self.results[task])
            # A network that cannot be trained is as bad as any, and the sampler should know.
            sampler.tell(self.asked[task.number], {self.metric: self._worst() if value is None else value})

    def _worst(self) -> float:
        """0, or of what may be negative the least that has been found at this step, in rounds that are over."""
        over = (score(one) for task, one in self.results.items() if task.step == self.schedule.first)
        return min((0.0, *(value for value in over if value is not None)))

    def wait(self, tasks: Sequence[Task] | None) -> None:
        """Let the engine work until these steps have results, or, with None, all of the run."""
        trials, patience, known = self.engine.trials, Backoff(), -1
        if self.on_start and self.asked:
            start, self.on_start = self.on_start, None
            start()
        while True:
            seen = trials.all()
            found = trials.results(seen)
            if len(found) != known:
                known, self.results = len(found), found
                wanted = self._hand_out(seen)
                seen = trials.all()
                patience.reset()
                if all(task in found for task in (wanted if tasks is None else tasks)):
                    return
            if trials.recover(seen) or self.engine.step(seen):
                patience.reset()
            else:
                self.engine.wait(patience.next())

    def estimate(self, dataset: Dataset, on_estimate: Callable[[float], None]) -> None:
        """Tell how long the run may take, unless nothing is left to do."""
        size, settings = self.folder.fs.between[1], self.folder.settings
        brackets = tuple(sorted({min(end, size) for end in self.schedule.brackets}))
        left = still_left(replace(self.schedule, brackets=brackets), self.engine.trials.results())
        if any(left):
            seconds = estimate(self.asked, dataset, settings, left, jobs=self.engine.at_once)
            if seconds is not None:
                on_estimate(seconds)

    def _hand_out(self, seen: Sequence[FrozenTrial]) -> list[Task]:
        """Let all steps wait that are decided by now, and are not there; which are decided."""
        found = measured(self.results, self.folder.settings.costs)
        begun = {task_of(trial) for trial in seen}
        wanted = self.schedule.wanted(len(self.asked), found, begun, over=self.over)
        self.engine.trials.add([(task, self.asked[task.number]) for task in wanted if task not in begun])
        self.report(self.schedule.stage(len(self.asked), found, begun, over=self.over))
        return wanted
