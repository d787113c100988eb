"""Adaptive sampling: starts by entropy, then asks where a surrogate expects to improve on the best told so far.

Bayesian optimisation on a feasible set. The set is known exactly, so every proposal is a member, and where the set can
be listed the acquisition is maximised over all of it, not searched for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from samplers.base import Learner, Run, check_counts
from samplers.bayesian.features import Features
from samplers.bayesian.gaussian_process import GaussianProcess, fit_gaussian_process
from samplers.entropy import EntropySampler
from solvers.sets.neighbours import counterparts, neighbours
from solvers.sets.relaxed_set import AnySet

__all__ = ["AdaptiveSampler", "expected_improvement", "normal_scores"]

#: Members up to which the acquisition is computed for all.
_ALL = 20_000

#: The best members from which the acquisition is climbed where it is not computed for all, and how often.
_BEST, _CLIMBS = 5, 3


@dataclass
class AdaptiveSampler(Learner):
    """Entropy sampling first, then the member of greatest expected improvement under a Gaussian process.

    The first `start` candidates are drawn as `EntropySampler` does. From then on the values told are replaced by normal
    scores of their ranks, so that neither units nor outliers matter; a Gaussian process over decisions, costs and
    paths (`samplers.bayesian.features`), a Matern and a linear part, is fitted to them; and the next candidate is the
    member with the greatest expected improvement over the best told so far (Jones et al., 1998), among those that are
    no network asked before. What is told again of a candidate is another value at the same point, and tells the noise.
    Candidates still in training count as told of with the mean that the process predicts for them.

    Sets of up to 20,000 members are searched completely. Of a larger one, `pool` uniform draws are, and the members
    one decision away from the best of them and the best told so far, three steps on. So it is with a relaxed set, whose
    size is then that of its outer set.

    Args:
        objective: what `tell` is given.
        direction: `max` or `min`.
        start: how many candidates entropy sampling draws first, 1 or more. Two tell something already; the clusters
            from which the first come are much alike.
        pool: draws from a large set per proposal, 1 or more.
        seed: of every draw.

    Attributes:
        features_: of the members; made at the first proposal that learns.

    Example:
        >>> from samplers.testing import example_set
        >>> fs = example_set("medium")
        >>> sampler = AdaptiveSampler(objective="macs", direction="min", start=5, seed=0)
        >>> for candidate in sampler.ask(fs, 15):
        ...     sampler.tell(candidate, {"macs": candidate.costs["macs"]})
        >>> "mlp2: 16-16" in [str(fs[rank]) for rank in sampler.run_.asked]
        True
    """

    objective: str = "accuracy"
    direction: str = "max"
    start: int = field(default=3, kw_only=True)
    pool: int = field(default=2_000, kw_only=True)
    features_: Features | None = field(default=None, init=False, repr=False, compare=False)
    first_: EntropySampler | None = field(default=None, init=False, repr=False, compare=False)
    columns_: NDArray[np.float64] | None = field(default=None, init=False, repr=False, compare=False)

    def check(self, fs: AnySet) -> None:
        """Whether the parameters can be.

        Raises:
            EngineError: one cannot.
        """
        super().check(fs)
        check_counts(start=self.start, pool=self.pool)

    def remark(self, fs: AnySet) -> str:
        """That of the entropy sampler."""
        return self._first().remark(fs)

    def begin(self, run: Run) -> None:
        """Prepare the entropy sampler."""
        self.first_ = self._first()
        self.first_.begin(run)

    def _first(self) -> EntropySampler:
        # Where the set cannot be listed, a coarse count of its entropies is enough to start from, and much faster.
        return EntropySampler(seed=self.seed, bins=512)

    def propose(self, run: Run) -> int | None:
        """The member of greatest expected improvement, once there is something to learn from."""
        told = run.told
        if len(run.asked) < self.start or len(told) < 2:
            assert self.first_ is not None
            return self.first_.propose(run)
        from threadpoolctl import threadpool_limits

        # On several threads sums are added up in varying order.
        with threadpool_limits(1):
            return self._learned(run, run.measured)

    def _learned(self, run: Run, told: list[tuple[int, Mapping[str, float]]]) -> int | None:
        scores = normal_scores(np.array([self.sign * values[self.objective] for _, values in told]))
        groups = self._prepared(run.fs)
        process = fit_gaussian_process(self._columns([rank for rank, _ in told]), scores, groups)
        waiting = [rank for rank in run.asked if rank not in run.values]
        process = process.believing(self._columns(waiting)) if waiting else process
        best = float(scores.max())
        if self.columns_ is not None:
            value = self._acquisition(process, best, range(run.fs.outer.size))
            value[run.gone] = -np.inf
            value[~run.fs.holds(range(run.fs.outer.size))] = -np.inf
            order = np.argsort(-value, kind="stable")[: np.isfinite(value).sum()]
            return next(filter(run.is_new, order.tolist()), None)
        leaders = [told[k][0] for k in np.argsort(-scores, kind="stable")[:_BEST]]
        return self._searched(run, process, best, leaders)

    def _prepared(self, fs: AnySet) -> tuple[slice, ...]:
        """The groups of features; made once."""
        if self.features_ is None:
            self.features_ = Features(fs)
            size = fs.outer.size
            self.columns_ = self.features_(range(size)) if size <= _ALL else None
        return tuple(self.features_.groups.values())

    def _searched(self, run: Run, process: GaussianProcess, best: float, leaders: list[int]) -> int | None:
        """The untaken member of greatest acquisition among draws from a large set, climbing on from the best."""
        source = run.source
        fresh = self._drawn(run, source)
        fresh.update(rank for leader in leaders for rank in _around(run.fs, leader, source))
        known: dict[int, float] = {}
        for _ in range(1 + _CLIMBS):
            ranks = sorted(fresh - known.keys() - set(run.gone))
            known.update(zip(ranks, self._acquisition(process, best, ranks).tolist(), strict=True))
            tops = nlargest(_BEST, known, key=known.__getitem__)
            fresh = {rank for top in tops for rank in _near(run.fs, top)}
        return next(filter(run.is_new, sorted(known, key=known.__getitem__, reverse=True)), None)

    def _drawn(self, run: Run, source: random.Random) -> set[int]:
        """Uniform draws from the members that have not been asked: from an exact set, with replacement."""
        if run.fs.exact:
            return {run.untaken(source.randrange(run.left)) for _ in range(self.pool)}
        return set(islice(run.draws(source), self.pool))

    def _acquisition(self, process: GaussianProcess, best: float, ranks: Sequence[int]) -> NDArray[np.float64]:
        if not len(ranks):
            return np.zeros(0)
        return expected_improvement(*process.predict(self._columns(ranks)), best)

    def _columns(self, ranks: Sequence[int]) -> NDArray[np.float64]:
        """The features of members; those of a set that can be listed are kept."""
        assert self.features_ is not None
        if self.columns_ is None:
            return self.features_(ranks)
        return self.columns_ if len(ranks) == len(self.columns_) else self.columns_[list(ranks)]


def _near(fs: AnySet, rank: int) -> Iterator[int]:
    """The members of the same variant one decision away from a member."""
    return fs.members(neighbours(fs.outer, rank))


def _around(fs: AnySet, rank: int, source: random.Random) -> Iterator[int]:
    """The members one decision away from a member, and for each other variant one that agrees with it, if any does."""
    yield from _near(fs, rank)
    own = fs.outer[rank].position
    for variant in range(len(fs.program.variants)):
        if variant != own and (kin := counterparts(fs.outer, rank, variant)).size:
            yield from fs.members([kin.rank(source.randrange(kin.size))])


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quantile of the normal distribution that belongs to each value's rank, (rank - 1/2) / n.

    Args:
        values: [n]; equal ones share the mean of their ranks.

    Example:
        >>> normal_scores(np.array([10.0, 93.1, 93.1, 92.0])).round(2).tolist()
        [-1.15, 0.67, 0.67, -0.32]
    """
    from scipy.special import ndtri

    _, kind, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - counts / 2
    return ndtri(middles[kind] / len(values))


def expected_improvement(mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float) -> NDArray[np.float64]:
    """E[max(0, Y - best)] of normal Y (Jones, Schonlau and Welch, 1998, Eq. 15).

    Example:
        >>> expected_improvement(np.array([0.0, 1.0]), np.array([1.0, 1.0]), 0.0).round(3).tolist()
        [0.399, 1.083]
    """
    from scipy.special import ndtr

    u = (mean - best) / deviation
    return (mean - best) * ndtr(u) + deviation * np.exp(-u * u / 2) / np.sqrt(2 * np.pi)
