"""Regularised evolution on a feasible set: mutations that always fit, and the old die, not the bad."""

from __future__ import annotations

from dataclasses import dataclass, field

from samplers.base import Learner, Run, check_counts
from samplers.children import children
from solvers.sets.relaxed_set import AnySet

__all__ = ["EvolutionSampler"]


@dataclass
class EvolutionSampler(Learner):
    """Ageing evolution (Real et al., Regularized Evolution for Image Classifier Architecture Search, 2019, Alg. 1).

    The first `population` candidates are uniform draws. From then on the population is the youngest `population` of the
    candidates told of; `tournament` of them are drawn with replacement, and the best of these is the parent. Its child
    is one of the members that differ from it in exactly one decision and have not been asked, each equally likely
    (`solvers.sets.neighbours`): nothing is proposed, and no training spent, outside the set.

    Where the space has variants, the variant is one decision more: beside n others it is the one to change with
    probability 1 / (n + 1). The child then keeps each decision that both variants have; the others are drawn uniformly.

    A parent without such children gives way to the next best of the tournament, and the last of them to a uniform draw.

    Args:
        population: how many can be parents, 1 or more.
        tournament: how many of them compete, 1 or more.
        objective: what `tell` is given.
        direction: `max` or `min`.
        seed: of every draw.

    Example:
        >>> from samplers.testing import example_set
        >>> fs = example_set("medium")
        >>> sampler = EvolutionSampler(population=8, tournament=3, objective="macs", direction="min", seed=0)
        >>> macs = []
        >>> for candidate in sampler.ask(fs, 24):
        ...     macs.append(candidate.costs["macs"])
        ...     sampler.tell(candidate, {"macs": macs[-1]})
        >>> min(macs[8:]) < min(macs[:8])
        True
    """

    population: int = 20
    tournament: int = 5
    objective: str = field(default="accuracy", kw_only=True)
    direction: str = field(default="max", kw_only=True)

    def check(self, fs: AnySet) -> None:
        """Whether the parameters can be.

        Raises:
            EngineError: one cannot.
        """
        super().check(fs)
        check_counts(population=self.population, tournament=self.tournament)

    def propose(self, run: Run) -> int | None:
        """A child of the best of a tournament."""
        source = run.source
        alive = run.told[-self.population :]
        if len(run.asked) >= self.population and alive:
            rivals = dict(source.choices(alive, k=self.tournament))
            for parent in sorted(rivals, key=lambda rank: -self.sign * rivals[rank][self.objective]):
                child = next(children(run, parent, source), None)
                if child is not None:
                    return child
        return next(filter(run.is_new, run.draws(source)), None)
