"""Several objectives that compete, such as the zero-cost proxies of PrototypeNAS (Sec. 3.1, Eq. 1), and their front."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from samplers.base import WORST, Run, check_objectives
from samplers.optuna_studies.optuna_sampler import METHODS, OptunaSampler
from samplers.subset.dominance import non_dominated
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError, did_you_mean
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

__all__ = ["PROTOTYPENAS", "ParetoSampler", "Point", "sound_front"]

#: The objectives of the paper: FLOPs against four proxies.
PROTOTYPENAS = {"flops": "min", "meco": "max", "zico": "max", "naswot": "max", "snip": "max"}
_EVOLUTIONARY = ("nsga2", "nsga3")


@dataclass(frozen=True)
class Point:
    """A candidate and the values of its objectives."""

    candidate: Candidate
    values: Mapping[str, float]


@dataclass
class ParetoSampler(OptunaSampler):
    """Searches the trade-offs between objectives: every trial is a member of the set, none is tried twice.

    In the paper a multi-objective optimiser minimises FLOPs and maximises MeCo, ZiCo, NASWOT and SNIP subject to limits
    on RAM, ROM and FLOPs. Here the limits are those of the feasible set, so no trial is spent on what does not fit. The
    optimiser is Optuna's, by way of `OptunaSampler`.

    Ask for `population` candidates, tell of them all, and so on, and nothing depends on how many are evaluated at once.
    By NSGA-II and NSGA-III this is a generation, whose candidates do not depend on each other's values: asking them one
    by one gives the same. By TPE it is a batch; a smaller one learns faster.

    Args:
        method: `nsga2`, `nsga3`, `tpe`, or whatever else `OptunaSampler` takes; or `uniform`, the baseline: uniform
            draws from the members not asked yet, as of `UniformSampler`.
        objectives: name -> `max` or `min`.
        options: arguments of Optuna's class beside its seed and the population.
        population: candidates of a generation, 2 or more.
        seed: of Optuna's sampler, and of draws.

    Example:
        >>> from samplers.testing import example_set
        >>> fs = example_set("medium")
        >>> sampler = ParetoSampler(objectives={"macs": "min", "entropy": "max"}, population=8, seed=0)
        >>> for _ in range(5):
        ...     for candidate in list(sampler.ask(fs, sampler.population)):
        ...         sampler.tell(candidate, candidate.costs)
        >>> front = sampler.archive()
        >>> len(sampler.run_.asked), "mlp2: 16-16" in [str(point.candidate) for point in front]
        (40, True)
    """

    method: str | Callable[[int], BaseSampler] | BaseSampler = "nsga2"
    objectives: Mapping[str, str] = field(default_factory=PROTOTYPENAS.copy)
    population: int = 50

    @property
    def arguments(self) -> dict[str, Any]:
        """What Optuna's class is given beside the seed."""
        size = {"population_size": self.population} if self.method in _EVOLUTIONARY else {}
        return {**self.options, **size}

    def check(self, fs: AnySet) -> None:
        """Whether there are such a method, such options and such objectives, and a population."""
        if self.population < 2:
            raise EngineError.of("bad-population", f"`population` = {self.population}", "it is 2 or more")
        if "population_size" in self.options:
            raise EngineError.of("bad-option", "`options` cannot have a `population_size`", "give it as `population`")
        if self.method == "uniform":
            if self.options:
                raise EngineError.of("bad-option", "`options` are of Optuna's methods", "leave them out of `uniform`")
            check_objectives(self.objectives)
            return
        if isinstance(self.method, str) and self.method not in METHODS:
            known = (*METHODS, "uniform")
            raise EngineError.of(
                "bad-method", f"there is no `method` `{self.method}`", did_you_mean(self.method, known)
            )
        super().check(fs)

    def begin(self, run: Run) -> None:
        """A study of the set, but for uniform draws."""
        if self.method != "uniform":
            super().begin(run)

    def propose(self, run: Run) -> int | None:
        """Optuna's next proposal, or a uniform draw."""
        if self.method == "uniform":
            return next(run.draws(run.source), None)
        return super().propose(run)

    def archive(self) -> list[Point]:
        """The points told of that no other dominates, in the order in which they were asked.

        Points with the worst value there is in any objective are left out: of such a network nothing can be expected.
        Equal points are all in it, or none.
        """
        run = self.run_
        if run is None:
            return []
        told = [(rank, [values[name] for name in self.objectives]) for rank, values in run.told]
        ranks = [told[k][0] for k in sound_front([values for _, values in told], self.objectives)]
        return [
            Point(candidate, {name: run.values[rank][name] for name in self.objectives})
            for rank, candidate in zip(ranks, run.fs.outer.at(ranks), strict=True)
        ]


def sound_front(values: Sequence[Sequence[float]], objectives: Mapping[str, str]) -> list[int]:
    """Which points no other dominates, in their order; those with the worst value there is, or none, are left out.

    Example:
        >>> sound_front([[2, 1], [3, 2], [1, float("inf")], [2, 2], [1, 0]], {"macs": "min", "snip": "max"})
        [3, 4]
    """
    sound = [k for k, row in enumerate(values) if all(abs(value) < WORST for value in row)]
    keep = non_dominated([values[k] for k in sound], list(objectives.values())) if sound else ()
    return [k for k, kept in zip(sound, keep, strict=True) if kept]
