"""Choose the k points of a Pareto set that together dominate the largest hypervolume (PrototypeNAS Sec. 3.2, Eq. 2).

Objectives are normalised, so that their units do not matter: of the non-dominated points, the best value of an
objective becomes 0 and the worst 1. Volume counts up to the reference point, 1.1 in each objective unless told, so that
the ends of the front count too. A dominated point changes nothing, neither the scale nor the choice. It is chosen only
where fewer than k distinct non-dominated points lie within the reference: then by the order of non-dominated sorting,
of one front by position, copies of other points last.

method              what it is                                                           answer
exact               dynamic programming, up to two objectives                            optimal
branch_and_bound    best first, with the bounds of `samplers.subset.branch`              optimal, if it may finish
greedy              the largest gain next, lazily                                        at least 1 - 1/e of optimal
local               exchanges of one point, from greedy and from partly random choices   at least as good as greedy
evolutionary        the paper's algorithm                                                no promise
auto                exact; or local, then branch and bound within a fixed effort         says which, and how good
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samplers.subset.branch import TOLERANCE, Searched, branch_and_bound
from samplers.subset.coverage_bound import CoverageGrid
from samplers.subset.dominance import SubsetError, as_minimised, pareto_ranks
from samplers.subset.evolution import Evolution, evolved
from samplers.subset.free_region import Floats, Front
from samplers.subset.greedy import greedy, marginal_bound, swapped
from samplers.subset.plane import best_in_the_plane
from spaces.errors import did_you_mean

__all__ = ["METHODS", "HypervolumeSelector", "Method", "Subset"]

Method = Literal["auto", "exact", "branch_and_bound", "greedy", "local", "evolutionary"]

METHODS: tuple[Method, ...] = ("auto", "exact", "branch_and_bound", "greedy", "local", "evolutionary")

#: What `auto` spends on branch and bound, in evaluations: a second or two; and from how many subsets on it does not.
_EFFORT, _MOST_SUBSETS = 200_000, 10**9
#: The grid and the steps of the upper bound.
_CELLS, _ROUNDS = 20_000, 300
#: Corners of cells around points; more of them and the relaxation would take too much memory.
_MOST_CORNERS = 1 << 22


@dataclass(frozen=True)
class Subset:
    """The chosen points, and how good the choice is.

    Args:
        chosen: their positions among the points given, ascending.
        hypervolume: of the chosen points, normalised.
        upper_bound: no k of the points have a larger hypervolume, up to rounding.
        optimal: whether the choice is proven to be a best one, up to rounding (1e-12 of the box below the reference).
        method: what chose; with `auto` the method taken; `all` where there was no choice.
        front: how many distinct non-dominated points lie within the reference.
        best: the value that was normalised to 0, per objective, as it was given.
        worst: the value that was normalised to 1.
        reference: the reference point, per normalised objective.
        evaluations: volumes computed, of sets and of single points beyond a set; the same in every run.
        seconds: how long it took, with the upper bound.
    """

    chosen: tuple[int, ...]
    hypervolume: float
    upper_bound: float
    optimal: bool
    method: str
    front: int
    best: tuple[float, ...]
    worst: tuple[float, ...]
    reference: tuple[float, ...]
    evaluations: int
    seconds: float = field(compare=False)

    @property
    def gap(self) -> float:
        """How far below the best possible the hypervolume may be, at most: 0.02 is two per cent."""
        return max(0.0, 1 - self.hypervolume / self.upper_bound) if self.upper_bound and not self.optimal else 0.0


@dataclass(frozen=True)
class HypervolumeSelector:
    """Chooses the k points of largest joint hypervolume.

    Args:
        k: how many points.
        method: one of `METHODS`.
        reference: the reference point, one number for all normalised objectives or one for each; above 0.
        seed: of `evolutionary`, and of the random starts of local search.
        starts: local searches, the first from the greedy choice, the others from random points, half of k, and what
            greedy choice adds to them. More rarely stop short of the optimum, and take longer.
        evolution: the parameters of `evolutionary`.
        evaluations: after so many, branch and bound stops and says how good its answer is. By default it goes on to
            the end, and with `auto` for a second or two, where it has a chance to come to the end by then.
        time_limit: seconds after which branch and bound, or the evolution, stops; the answer then depends on the
            machine.

    Example:
        >>> flops, accuracy = [1, 2, 3, 4, 9], [70, 82, 81, 85, 86]
        >>> found = HypervolumeSelector(k=3).select(list(zip(flops, accuracy)), ["min", "max"])
        >>> found.chosen, found.method, found.optimal
        ((0, 1, 3), 'exact', True)
    """

    k: int = 5
    method: Method = "auto"
    reference: float | Sequence[float] = 1.1
    seed: int = 0
    starts: int = 60
    evolution: Evolution = field(default_factory=Evolution)
    evaluations: int | None = None
    time_limit: float | None = None

    def select(self, values: ArrayLike, senses: Sequence[str]) -> Subset:
        """Choose.

        Args:
            values: [n, objectives], finite.
            senses: `min` or `max`, one per objective.

        Raises:
            SubsetError: there are fewer than k points, values or senses are none, or a parameter cannot be.
        """
        start = time.perf_counter()
        points = as_minimised(values, senses)
        self._check(len(points), len(senses))
        scaled, useful, best, worst = _normalised(points)
        reference = np.broadcast_to(np.asarray(self.reference, np.float64), len(senses)).copy()
        useful = useful[(scaled[useful] < reference).all(axis=1)]
        front = Front(scaled[useful], reference)
        result, method = self._choose(front)
        chosen = useful[list(result.chosen)]
        hypervolume = front.value(result.chosen)
        signs = np.where(np.array(senses) == "max", -1.0, 1.0)
        return Subset(
            chosen=tuple(sorted([*chosen.tolist(), *_filling(points, chosen, self.k)])),
            hypervolume=hypervolume,
            upper_bound=max(hypervolume, result.bound),
            optimal=result.complete or result.bound <= hypervolume + TOLERANCE * float(reference.prod()),
            method=method,
            front=len(front),
            best=tuple((best * signs + 0.0).tolist()),
            worst=tuple((worst * signs + 0.0).tolist()),
            reference=tuple(reference.tolist()),
            evaluations=front.evaluations,
            seconds=time.perf_counter() - start,
        )

    def _check(self, n: int, objectives: int) -> None:
        if self.method not in METHODS:
            raise SubsetError.of(
                "unknown-method", f"there is no `method` `{self.method}`", did_you_mean(self.method, METHODS)
            )
        if not 1 <= self.k <= n:
            few = "give at least 1" if self.k < 1 else f"there are {n:,} points: lower `k`, or give more points"
            raise SubsetError.of("bad-k", f"`k` cannot be {self.k:,}", few)
        if self.method == "exact" and objectives > 2:
            hint = "take `branch_and_bound`, which is exact too, or `auto`"
            raise SubsetError.of(
                "too-many-objectives", f"`exact` is for two objectives, and there are {objectives}", hint
            )
        reference = np.asarray(self.reference, np.float64)
        if reference.shape not in ((), (objectives,)) or not (np.isfinite(reference) & (reference > 0)).all():
            message = f"the `reference` {self.reference} cannot be"
            raise SubsetError.of("bad-reference", message, f"give a number above 0, or {objectives} of them")
        self._check_effort()

    def _check_effort(self) -> None:
        how = self.evolution
        if min(self.starts, how.population) < 1 or how.generations < 0 or not 0 <= how.mutation <= 1:
            message = "`starts` and `population` are 1 or more, `generations` 0 or more, `mutation` from 0 to 1"
            raise SubsetError.of("bad-effort", message)
        if (self.evaluations is not None and self.evaluations < 0) or (self.time_limit or 0) < 0:
            raise SubsetError.of(
                "bad-effort", "`evaluations` and `time_limit` cannot be negative", "leave them out for none"
            )

    def _choose(self, front: Front) -> tuple[Searched, str]:
        """The choice among non-dominated points, and by which method."""
        if len(front) <= self.k:
            every = tuple(range(len(front)))
            return Searched(every, front.value(every), True), "all"
        if self.method == "exact" or (self.method == "auto" and front.objectives <= 2):
            best = best_in_the_plane(front, self.k)
            return Searched(tuple(best), front.value(best), True), "exact"
        if self.method == "branch_and_bound" and not _relaxes(front):
            message = f"{len(front):,} points with {front.objectives} objectives are too many for `branch_and_bound`"
            raise SubsetError.of("too-many-points", message, "take `local`, or `auto`")
        if self.method == "greedy":
            chosen = greedy(front, self.k)
            return Searched(tuple(chosen), marginal_bound(front, self.k, chosen), False), "greedy"
        if self.method == "evolutionary":
            chosen = evolved(front, self.k, self.evolution, self.seed, self.time_limit)
            return self._bounded(front, chosen), "evolutionary"
        chosen = self._local(front)
        if self.method == "local":
            return self._bounded(front, chosen), "local"
        if self.method == "branch_and_bound":
            return branch_and_bound(front, self.k, chosen, self.evaluations, self.time_limit), "branch_and_bound"
        return self._auto(front, chosen)

    def _auto(self, front: Front, chosen: list[int]) -> tuple[Searched, str]:
        """Branch and bound where it may come to its end, else the result of local search."""
        limited = self.evaluations is not None or self.time_limit is not None
        if not _relaxes(front) or (not limited and comb(len(front), self.k) > _MOST_SUBSETS):
            return self._bounded(front, chosen), "local"
        most = self.evaluations if limited else _EFFORT
        result = branch_and_bound(front, self.k, chosen, most, self.time_limit)
        better = set(result.chosen) != set(chosen)
        return result, "branch_and_bound" if result.complete or better else "local"

    def _local(self, front: Front) -> list[int]:
        """The best of some local searches, of equal ones the first."""
        rng = np.random.default_rng(self.seed)
        starts = [greedy(front, self.k)]
        for _ in range(self.starts - 1):
            some = rng.choice(len(front), max(1, self.k // 2), replace=False).tolist()
            starts.append(greedy(front, self.k, some))
        return max((swapped(front, start) for start in starts), key=front.value)

    def _bounded(self, front: Front, chosen: list[int]) -> Searched:
        """A choice with an upper bound: in two objectives the optimum itself, else that of the relaxation."""
        if front.objectives <= 2:
            bound = front.value(best_in_the_plane(front, self.k))
        else:
            bound = marginal_bound(front, self.k, chosen)
            if _relaxes(front):
                weights = np.zeros(len(front))
                weights[chosen] = 1
                grid = CoverageGrid(front, np.array(chosen), _CELLS)
                none, every = np.zeros(0, np.int64), np.arange(len(front))
                found = grid.relax(weights, None, taken=none, open_ones=every, more=self.k, rounds=_ROUNDS)
                bound = min(bound, found.bound(none, every, self.k))
        return Searched(tuple(chosen), bound, False)


def _relaxes(front: Front) -> bool:
    """Whether the relaxation fits into memory."""
    return len(front) << front.objectives <= _MOST_CORNERS


def _normalised(points: Floats) -> tuple[Floats, NDArray[np.int64], Floats, Floats]:
    """The points on the scale of their front; which of them are the front, without copies; and what is 0 and 1."""
    import moocore

    first = np.flatnonzero(moocore.is_nondominated(points))
    best, worst = points[first].min(axis=0), points[first].max(axis=0)
    # Halves, so that the range of very large numbers does not overflow.
    span = worst / 2 - best / 2
    with np.errstate(over="ignore"):
        scaled = (points / 2 - best / 2) / np.where(span > 0, span, 1)
    # Points so close that the scale makes them equal are copies.
    return scaled, first[moocore.is_nondominated(scaled[first])], best, worst


def _filling(points: Floats, chosen: NDArray[np.int64], k: int) -> list[int]:
    """The points that make up k where there are too few on the front."""
    lacking = k - len(chosen)
    if not lacking:
        return []
    first = np.unique(points, axis=0, return_index=True)[1]
    copies = np.ones(len(points), bool)
    copies[first] = False
    ranks = pareto_ranks(points, ["min"] * points.shape[1])
    order = np.lexsort([np.arange(len(points)), ranks, copies])
    return order[~np.isin(order, chosen)][:lacking].tolist()
