"""Which steps of which networks come next: a pure function of what was asked and of what has been found so far.

Successive halving (Karnin et al. 2013; Jamieson & Talwalkar 2016): all networks of a bracket are trained up to the
first rung, the better ones on to the next, and few to the end. A rung waits for all of its networks, so that what goes
on depends neither on the number of workers nor on when one of them finished or was killed. "Better" is by the front of
the validation against the costs, as what is kept in the end is a front (`nascompile.run.front`): by the validation
alone all cheap networks would be gone after the first rung.

What was trained to the end is quantised. The members of the front after that are trained on in int8, once all are
known; and what is kept is the front of what ships.

`asha` (Li et al. 2020) does not wait: as soon as a network is among the better ones of those at its rung *so far*, it
goes on. No machine is ever idle, and what is found depends on who was first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from nascompile.run.front import Choice, Measured, best, choose, front
from nascompile.run.settings import RunSettings
from nascompile.run.steps import PTQ, QAT, Step, Task

__all__ = ["Found", "Schedule", "Stage", "better", "rungs", "schedule_of"]

#: What has been found, by task.
Found = Mapping[Task, Measured]


class Stage(NamedTuple):
    """How far a run is.

    Args:
        what: is being done, in words.
        done: of its networks.
        total: of them.
    """

    what: str
    done: int
    total: int


def rungs(epochs: int, count: int, reduction: int) -> tuple[int, ...]:
    """The epochs at which networks are compared, the last of all included; each is `reduction` times the one before.

    Example:
        >>> rungs(20, 3, 2), rungs(20, 3, 3), rungs(2, 3, 2), rungs(20, 1, 2)
        ((5, 10, 20), (2, 7, 20), (1, 2), (20,))
    """
    found = (max(1, int(epochs / reduction**k + 0.5)) for k in range(count))
    return tuple(sorted(set(found)))


def better(values: Mapping[Step, float]) -> Step:
    """Which of a network's steps ships: that of the greatest value, of equal ones the earlier.

    Example:
        >>> str(better({PTQ: 0.8, QAT: 0.8}))
        'ptq'
    """
    return min(values, key=lambda step: (-values[step], step))


def schedule_of(settings: RunSettings) -> Schedule:
    """The schedule of a run."""
    count = 1 if settings.pruner == "none" else settings.rungs
    return Schedule(
        rungs(settings.recipe.epochs, count, settings.reduction), settings.reduction, settings.select,
        (*settings.extended, settings.samples), settings.quantise, waits=settings.pruner != "asha",
    )  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """The plan of a run.

    Args:
        rungs: epochs at which networks are compared; the last one is the end of training.
        reduction: at each rung one in so many goes on.
        least: so many go on at least: those that are kept in the end.
        brackets: how many networks there are after each bracket, ascending; each bracket has rungs of its own, and a
            run that is extended gets another one.
        quantise: `none`, `ptq` or `qat`.
        waits: whether a rung waits for all of its networks.

    Example:
        >>> schedule = Schedule(rungs=(5, 20), reduction=2, least=1, brackets=(4,), quantise="none")
        >>> found = {Task(n, Step.train(5)): Measured(n, (n,)) for n in range(4)}
        >>> [(task.number, str(task.step)) for task in schedule.wanted(4, found) if task not in found]
        [(1, 'train-20'), (3, 'train-20')]
    """

    rungs: tuple[int, ...]
    reduction: int
    least: int
    brackets: tuple[int, ...]
    quantise: str
    waits: bool = True

    @property
    def first(self) -> Step:
        """The first step of each network, by which a sampler that learns is told."""
        return Step.train(self.rungs[0])

    @property
    def last(self) -> Step:
        """The step that ends training."""
        return Step.train(self.rungs[-1])

    def wanted(self, asked: int, found: Found, begun: Collection[Task] = (), *, over: bool = False) -> list[Task]:
        """All steps that are decided so far, those that are found among them; with more found they only become more.

        Args:
            asked: how many networks the sampler has been asked for.
            found: what has been found.
            begun: steps that were handed out before; `asha` takes none back.
            over: whether no network will be asked for any more, though there are fewer than brackets say.
        """
        result, whole = list[Task](), True
        for numbers, closed in self._brackets(asked, over):
            tasks, ended = self._trained(numbers, found, begun, closed)
            result += tasks
            whole = whole and closed and ended
        if self.quantise == "none":
            return result
        quantised = [Task(number, PTQ) for number in self._finalists(result, found)]
        result += quantised
        if self.quantise == "qat" and whole and all(task in found for task in quantised):
            result += [Task(number, QAT) for number in front({task.number: found[task] for task in quantised})]
        return result

    def ended(self, asked: int, found: Found, *, over: bool) -> bool:
        """Whether all is found: every bracket is full, or no network will be asked for any more."""
        full = over or asked >= self.brackets[-1]
        return full and all(task in found for task in self.wanted(asked, found, found, over=over))

    def stage(self, asked: int, found: Found, begun: Collection[Task] = (), *, over: bool = False) -> Stage:
        """What is done now: the least step that is not done yet."""
        wanted = self.wanted(asked, found, begun, over=over)
        open_steps = [task.step for task in wanted if task not in found]
        if not open_steps:
            return Stage("done", len(wanted), len(wanted))
        step = min(open_steps)
        same = [task for task in wanted if task.step == step]
        what = {"ptq": "quantised", "qat": "trained on in int8"}.get(step.kind, "trained")
        if step.kind == "train" and len(self.rungs) > 1:
            what = f"trained to epoch {step.epochs}"
        total = self.brackets[-1] if step == self.first and not over else len(same)
        return Stage(what, sum(task in found for task in same), total)

    def shipped(self, found: Found) -> dict[int, Step]:
        """What each network ships that was trained to the end: the better one of its quantisations."""
        steps = {"none": (self.last,), "ptq": (PTQ,), "qat": (PTQ, QAT)}[self.quantise]
        values: dict[int, dict[Step, float]] = {}
        for task, point in found.items():
            if task.step in steps and point.value is not None:
                values.setdefault(task.number, {})[task.step] = point.value
        return {number: better(values[number]) for number in sorted(values)}

    def kept(self, found: Found) -> Choice:
        """The networks that are kept in the end, `least` at most: of the front of what ships."""
        return choose({number: found[Task(number, step)] for number, step in self.shipped(found).items()}, self.least)

    # -- one bracket ---------------------------------------------------------------------------------------------------

    def _brackets(self, asked: int, over: bool) -> Iterator[tuple[range, bool]]:
        """The numbers of each bracket so far, and whether no more will come."""
        start = 0
        for end in self.brackets:
            if start < asked:
                yield range(start, min(end, asked)), over or asked >= end
            start = end

    def _trained(self, numbers: range, found: Found, begun: Collection[Task], closed: bool) -> tuple[list[Task], bool]:
        """The trainings of a bracket, and whether its last ones are decided and found."""
        if not self.waits:
            return self._at_once(numbers, found, begun, closed)
        result, going = list[Task](), list(numbers)
        for k, epochs in enumerate(self.rungs):
            tasks = [Task(number, Step.train(epochs)) for number in going]
            result += tasks
            if not all(task in found for task in tasks):
                return result, False
            if k + 1 < len(self.rungs):
                if not closed:
                    return result, False
                going = best({task.number: found[task] for task in tasks}, self.size(len(numbers), k + 1))
        return result, True

    def _at_once(self, numbers: range, found: Found, begun: Collection[Task], closed: bool) -> tuple[list[Task], bool]:
        """The same by `asha`: of what is at a rung so far its share goes on."""
        going, result, settled = set(numbers), list[Task](), closed
        for k, epochs in enumerate(self.rungs):
            tasks = [Task(number, Step.train(epochs)) for number in sorted(going)]
            result += tasks
            if k + 1 < len(self.rungs):
                there = {task.number: found[task] for task in tasks if task in found}
                settled = settled and len(there) == len(tasks)
                count = self.size(len(numbers), k + 1) if settled else len(there) // self.reduction
                after = Step.train(self.rungs[k + 1])
                going = {number for number in going if Task(number, after) in begun} | set(best(there, count))
        return result, all(task in found for task in result)

    def size(self, count: int, rung: int) -> int:
        """How many of a bracket's networks reach a rung, 0 for the first."""
        return max(ceil(count / self.reduction**rung), min(self.least, count))

    def _finalists(self, wanted: Sequence[Task], found: Found) -> list[int]:
        return [t.number for t in wanted if t.step == self.last and t in found and found[t].value is not None]
