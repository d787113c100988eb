"""Entropy sampling: clusters of members by their entropy, the higher ones more often (EBS Sec. III-D)."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sortedcontainers import SortedList

from samplers.base import Run, Sampler, check_counts
from samplers.entropy_order import EntropyOrder, by_bins, by_known, by_listing
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import AnySet, exactly
from spaces.errors import EngineError

__all__ = ["AUTO_LISTED", "MAX_LISTED", "EntropySampler", "cluster_by_value", "cluster_shares"]

#: Members up to which `method="auto"` lists the set: a second of work.
AUTO_LISTED = 1_000_000

#: Members up to which `method="exact"` does so: half a minute, and half a gigabyte.
MAX_LISTED = 20_000_000

#: Members of a relaxed set by which it is known, where it is not listed.
_KNOWN = 100_000

#: Draws up to which it is no wonder that most are of one cluster.
_FEW = 10

#: Points that k-means tells apart, at most.
_POINTS = 20_000


@dataclass
class EntropySampler(Sampler):
    """Draws a cluster of members by entropy, then a member of it, uniformly and without replacement.

    The entropies H of all members (EBS Eq. 6) are clustered by k-means, the clusters sorted by descending mean, and
    cluster c = 0, 1, ... is drawn with probability

        P(c) = (1 - p)^c * p                                                                        (EBS Eq. 7)

    in proportion over the clusters that still have members.

    A set too large to list is clustered by H rounded to within `order_.error`, which dynamic programming counts exactly
    (`solvers.sets.distribution`); a draw is then exactly uniform over the members whose *rounded* H is in the cluster.
    The error is at most log2(u_L) * layers * quantum / 2.

    Of a relaxed set too large to list, clusters and draws are those of 100,000 of its members, drawn uniformly with the
    sampler's seed; once these have been asked, all others are equally likely.

    Args:
        clusters: how many; fewer where there are fewer different entropies.
        p: of Eq. 7, between 0 and 1; the larger, the more often the first clusters are drawn.
        method: `exact` lists the set (up to 20 million members), `quantised` does not, `auto` lists up to a million.
        bins: how many sums of log-widths the quantised method tells apart, per variant.
        seed: of the draws. The clusters do not depend on it, but those of a relaxed set.

    Attributes:
        order_: the members by falling entropy.
        bounds_: position in `order_` of the first member of each cluster, then the number of members.
        left_: members per cluster that were not gone before the last proposal.
        taken_: positions that were gone before it, ascending.
        followed_: how many members were gone before it.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
        >>> sampler = EntropySampler(clusters=5, p=0.5, seed=0)
        >>> [round(candidate.costs["entropy"], 1) for candidate in sampler.ask(fs, n=4)]
        [65.3, 59.1, 60.0, 53.5]
        >>> sampler.bounds_, sampler.left_
        ([0, 3, 5, 8, 11, 14], [2, 0, 3, 3, 3])
    """

    clusters: int = 100
    p: float = 0.5
    method: str = field(default="auto", kw_only=True)
    bins: int = field(default=2048, kw_only=True)
    order_: EntropyOrder | None = field(default=None, init=False, repr=False, compare=False)
    bounds_: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    left_: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    taken_: SortedList = field(default_factory=SortedList, init=False, repr=False, compare=False)
    followed_: int = field(default=0, init=False, repr=False, compare=False)

    def check(self, fs: AnySet) -> None:
        """Whether the parameters can be.

        Raises:
            EngineError: one cannot.
        """
        check_counts(clusters=self.clusters, bins=self.bins)
        if not 0 < self.p < 1:
            raise EngineError.of("wrong-value", f"`p` = {self.p}", "it lies between 0 and 1; the paper takes 0.5")
        if self.method not in ("auto", "exact", "quantised"):
            raise EngineError.of("wrong-value", f"`method` = {self.method!r}", "it is `auto`, `exact` or `quantised`")
        if self.method == "exact" and fs.outer.size > MAX_LISTED:
            other = "quantised" if fs.exact else "auto"
            message = f'`method` = "exact" lists the set, and {fs.outer.size:,} members are too many'
            raise EngineError.of("too-many", message, f'it lists up to {MAX_LISTED:,}; take `method` = "{other}"')
        if self.method == "quantised":
            exactly(fs, '`method` = "quantised"', 'take `method` = "auto"')

    def _lists(self, fs: AnySet) -> bool:
        """Whether the members are listed one by one."""
        return self.method == "exact" or (self.method == "auto" and fs.outer.size <= AUTO_LISTED)

    def remark(self, fs: AnySet) -> str:
        """Which clusters are exhausted, whether one has most draws; of a relaxed set, on which members they stand."""
        known = f"clusters by entropy are those of {_KNOWN:,} members, drawn uniformly with seed {self.seed}"
        parts = [] if fs.exact or self._lists(fs) else [known]
        drawn = self.drawn
        if exhausted := sum(not left for left in self.left_):
            others = ": draws are of the others" if exhausted < len(self.left_) else ""
            parts.append(f"{exhausted:,} of {len(self.left_):,} clusters by entropy are exhausted{others}")
        most = max(drawn, key=drawn.__getitem__, default=0)
        total = sum(drawn.values())
        if drawn and drawn[most] > max(_FEW, total / 2) and (left := self.left_[most]):
            parts.append(
                f"{drawn[most]:,} of {total:,} draws are of one cluster, which has {left:,} members left: the entropy "
                "does not choose between them, a sampler that learns does (adaptive)"
            )
        return "; ".join(parts)

    @property
    def drawn(self) -> dict[int, int]:
        """How many candidates have been drawn of each cluster that any was drawn of; clusters go by falling entropy."""
        if self.run_ is None or self.order_ is None:
            return {}
        self._follow(self.run_, self.order_)
        positions = [self.order_.position(rank) for rank in self.run_.asked]
        return dict(Counter(self.cluster_at(position) for position in positions if position is not None))

    def begin(self, run: Run) -> None:
        """Sort the set by entropy and cluster it."""
        order = self._order(run.fs)
        first = cluster_by_value(order.values, np.diff(np.array(order.starts, object)), self.clusters)
        self.order_ = order
        self.bounds_ = [order.starts[k] for k in first] + [order.starts[-1]]
        self.left_ = [int(size) for size in np.diff(np.array(self.bounds_, object))]
        self.taken_, self.followed_ = SortedList(), 0

    def _order(self, fs: AnySet) -> EntropyOrder:
        listed = self._lists(fs)
        if isinstance(fs, FeasibleSet):
            return by_listing(fs) if listed else by_bins(fs, self.bins)
        if listed:
            return by_known(fs.outer, np.flatnonzero(fs.holds(range(fs.outer.size))).tolist())
        return by_known(fs.outer, fs.draws(_KNOWN, random.Random(f"{self.seed}/known")))

    def propose(self, run: Run) -> int | None:
        """A member of a cluster drawn by Eq. 7."""
        assert self.order_ is not None
        self._follow(run, self.order_)
        source = run.source
        if not any(self.left_):
            return None if self._lists(run.fs) else next(run.draws(source), None)
        c = source.choices(range(len(self.left_)), cluster_shares(self.left_, self.p))[0]
        position = _untaken(self.taken_, self.bounds_[c], source.randrange(self.left_[c]))
        return self.order_.rank(position)

    def _follow(self, run: Run, order: EntropyOrder) -> None:
        """Take note of what has been asked since the last proposal."""
        fresh = run.gone[self.followed_ :]
        self.followed_ = len(run.gone)
        for rank in fresh:
            position = order.position(rank)
            if position is not None:
                self.taken_.add(position)
                self.left_[self.cluster_at(position)] -= 1

    def cluster_at(self, position: int) -> int:
        """The cluster of the member at a position of `order_`."""
        return bisect_right(self.bounds_, position) - 1


def cluster_shares(left: Sequence[int], p: float) -> list[float]:
    """The probability of each cluster: Eq. 7 in proportion over those that have members left.

    Args:
        left: members left per cluster, by descending mean; some cluster has one.
        p: between 0 and 1.

    Example:
        >>> [round(share * 31) for share in cluster_shares([3, 3, 3, 3, 2], 0.5)]
        [16, 8, 4, 2, 1]
        >>> cluster_shares([0, 3, 0, 1], 0.5)
        [0.0, 0.8, 0.0, 0.2]
    """
    first = next(c for c, size in enumerate(left) if size)
    # Relative to the first that has members: a high power of 1 - p alone may be too small for a float.
    weights = [(1 - p) ** (c - first) if size else 0.0 for c, size in enumerate(left)]
    total = sum(weights)
    return [weight / total for weight in weights]


def _untaken(taken: SortedList, start: int, number: int) -> int:
    """The position of the k-th member from a start on that is not taken, k from 0."""
    # The least fixed point of position = start + k + number of positions taken in between is never itself taken.
    below = taken.bisect_left(start)
    position = start + number
    while (moved := start + number + taken.bisect_right(position) - below) != position:
        position = moved
    return position


def cluster_by_value(values: NDArray[np.float64], weights: NDArray[np.object_], clusters: int) -> list[int]:
    """Weighted k-means of numbers: the best of four runs of Lloyd's algorithm from k-means++ starts.

    The starts do not depend on the sampler's seed, so that the clusters are the set's own. More than 20,000 different
    values are first put together into as many steps of equal height.

    Args:
        values: [n], descending.
        weights: [n], positive whole numbers of any size.
        clusters: how many.

    Returns:
        The index of the first value of each cluster: as many as wanted, or as there are different values.

    Example:
        >>> cluster_by_value(np.array([9.0, 8.9, 5.0, 1.0, 1.0, 0.8]), np.array([1, 1, 2, 1, 3, 1], object), 3)
        [0, 2, 3]
    """
    first = _changes(values)
    if len(first) <= clusters:
        return first.tolist()
    if len(first) > _POINTS:
        first = _changes(((values[0] - values) / (values[0] - values[-1]) * _POINTS).astype(int))
    share = (np.add.reduceat(weights, first) / sum(weights)).astype(np.float64)
    labels = _k_means(values[first], share, clusters)
    return first[_changes(labels)].tolist()


def _changes(values: NDArray[Any]) -> NDArray[np.intp]:
    """Where equal neighbours begin."""
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])[: len(values)])


def _k_means(values: NDArray[np.float64], share: NDArray[np.float64], clusters: int) -> NDArray[np.intp]:
    """The cluster of each of the different values."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # On several threads sums are added up in varying order.
    with threadpool_limits(1):
        # scikit-learn's own annotations have `n_init` as a word only.
        result = KMeans(clusters, n_init=4, tol=1e-9, random_state=0)  # pyright: ignore[reportArgumentType]
        return result.fit_predict(values[:, None], sample_weight=share).astype(np.intp)
