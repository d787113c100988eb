"""Branch and bound for the subset of largest hypervolume: exact in any number of objectives.

A node of the search has taken some points, left some out, and may still choose among the open ones. Two bounds hold for
all sets of a node: the hypervolume of the points taken plus the largest gains beyond them (Minoux 1978), and the
relaxation of maximum coverage (`samplers.subset.coverage_bound`); so does every weighted mean of the two, which is
often smaller than either. An open point whose own bound is no better than the best set known is left out.
The node of largest bound comes next, so that the search has, at any moment, a bound on what it has not seen.
Small nodes are enumerated, the last two points at once: a pair gains the sum of its gains less what both dominate.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import comb

import numpy as np

from samplers.subset.coverage_bound import CoverageGrid, Multipliers
from samplers.subset.free_region import Floats, FreeRegion, Front, Indices
from samplers.subset.greedy import marginal_bound

__all__ = ["Searched", "branch_and_bound"]

#: Two sets whose hypervolumes differ by less, relative to the box below the reference, count as equal.
TOLERANCE = 1e-12
#: A node with fewer completions is enumerated; with fewer pairs, where only two points are lacking.
_FEW, _FEW_PAIRS = 20_000, 2_000_000
#: Shares of the marginal bound in the means.
_MIXES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])[:, None]
#: Cells of the grid and steps of the relaxation at the root and at the other nodes.
_CELLS, _ROOT_ROUNDS, _ROUNDS = 17_000, 200, 16


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Args:
        chosen: the best set.
        bound: no set has a larger hypervolume.
        complete: whether the search came to its end, and so the set is an optimum.
    """

    chosen: tuple[int, ...]
    bound: float
    complete: bool


@dataclass(frozen=True, eq=False)
class _Node:
    """The sets that contain the points taken and otherwise open ones."""

    bound: float
    taken: Indices
    open_ones: Indices
    relaxation: Multipliers | None


class _SpentError(Exception):
    """The evaluations, or the seconds, are spent."""


def branch_and_bound(
    front: Front, k: int, start: Sequence[int], most: int | None = None, time_limit: float | None = None
) -> Searched:
    """The k points of largest hypervolume.

    Args:
        front: the points.
        k: how many, at most as many as there are.
        start: a good set, such as local search finds.
        most: evaluations (`Front.evaluations`) after which the search stops; by default none.
        time_limit: seconds after which it stops; where it does, then depends on the machine.

    Example:
        >>> front = Front(np.array([[0, 0.9], [0.4, 0.4], [0.9, 0]]), np.ones(2))
        >>> sorted(branch_and_bound(front, 2, [0, 2]).chosen)
        [0, 1]
    """
    spent = np.inf if most is None else front.evaluations + most
    end = np.inf if time_limit is None else time.monotonic() + time_limit
    return _Search(front, k, start, spent, end).run()


class _Search:
    """The best set so far, and when to stop."""

    def __init__(self, front: Front, k: int, start: Sequence[int], most: float, end: float) -> None:
        self.front, self.k, self.most, self.end = front, k, most, end
        self.best, self.value = tuple(start), front.value(start)
        self.margin = TOLERANCE * float(front.reference.prod())
        self.grid: CoverageGrid | None = None

    def run(self) -> Searched:
        """Best first, until no node can hold a better set or the evaluations are spent."""
        bound = marginal_bound(self.front, self.k, self.best)
        root = _Node(bound, np.zeros(0, np.int64), np.arange(len(self.front)), None)
        number = count()
        heap = [(-root.bound, next(number), root)]
        node = root
        try:
            while heap:
                node = heapq.heappop(heap)[2]
                if node.bound <= self.value + self.margin:
                    break
                for child in self.children(node):
                    heapq.heappush(heap, (-child.bound, next(number), child))
        except _SpentError:
            return Searched(self.best, max(self.value, node.bound), False)
        return Searched(self.best, self.value, True)

    def children(self, node: _Node) -> list[_Node]:
        """The parts of a node that may hold a better set; none where it has been enumerated."""
        more = self.k - len(node.taken)
        if more == 0:
            self.offer(node.taken)
            return []
        region = self.front.free(node.taken.tolist())
        value = float(self.front.reference.prod() - region.volume)
        if comb(len(node.open_ones), more) <= (_FEW if more > 2 else _FEW_PAIRS):
            self.enumerate(node.taken, node.open_ones, region, value, node.relaxation)
            return []
        self.check()
        node = self.relaxed(node, more)
        node = self.reduced(node, region, value)
        if node.bound <= self.value + self.margin or len(node.open_ones) < more:
            return []
        if len(node.open_ones) == more:
            self.offer(np.concatenate([node.taken, node.open_ones]))
            return []
        relaxation = node.relaxation
        assert relaxation is not None
        point = node.open_ones[relaxation.weights[node.open_ones].argmax()]
        rest = node.open_ones[node.open_ones != point]
        return [replace(node, taken=np.append(node.taken, point), open_ones=rest), replace(node, open_ones=rest)]

    def relaxed(self, node: _Node, more: int) -> _Node:
        """The node with a relaxation of its own, which begins with its parent's."""
        if self.grid is None:
            self.grid = CoverageGrid(self.front, np.array(self.best), _CELLS)
        before = node.relaxation
        start = np.zeros(len(self.front))
        if before is None:
            start[list(self.best)] = 1
        else:
            start[node.open_ones] = before.weights[node.open_ones]
            start[node.taken] = 1
        lam, rounds = (before.multipliers, _ROUNDS) if before else (None, _ROOT_ROUNDS)
        result = self.grid.relax(start, lam, taken=node.taken, open_ones=node.open_ones, more=more, rounds=rounds)
        bound = min(node.bound, result.bound(node.taken, node.open_ones, more))
        return replace(node, relaxation=result, bound=bound)

    def reduced(self, node: _Node, region: FreeRegion, value: float) -> _Node:
        """The node without the open points that no better set contains."""
        bounds = self.bounds(node.taken, node.open_ones, region, value, node.relaxation)[0]
        kept = bounds > self.value + self.margin
        bound = min(node.bound, float(bounds.max()))
        return replace(node, open_ones=node.open_ones[kept], bound=bound)

    def bounds(
        self, taken: Indices, open_ones: Indices, region: FreeRegion, value: float, relaxation: Multipliers | None
    ) -> tuple[Floats, Floats]:
        """For each open point, a bound on the sets with it; and its gain."""
        more = self.k - len(taken)
        gains = self.front.gains(region, open_ones)
        base, parts = np.array([[value]]), gains[None]
        if relaxation is not None:
            base = _MIXES * value + (1 - _MIXES) * (relaxation.rest + relaxation.shares[taken].sum())
            parts = _MIXES * gains + (1 - _MIXES) * relaxation.shares[open_ones]
        largest = np.sort(parts, axis=1)[:, len(open_ones) - more :]
        others = largest[:, 1:].sum(axis=1, keepdims=True)
        return (base + others + np.minimum(parts, largest[:, :1])).min(axis=0), gains

    def enumerate(
        self, taken: Indices, open_ones: Indices, region: FreeRegion, value: float, relaxation: Multipliers | None
    ) -> None:
        """Depth first through all sets of a node that could be better."""
        more = self.k - len(taken)
        while True:
            if len(open_ones) < more:
                return
            bounds, gains = self.bounds(taken, open_ones, region, value, relaxation)
            kept = bounds > self.value + self.margin
            if kept.all():
                break
            open_ones = open_ones[kept]
        self.check()
        if more == 1:
            self.offer(np.append(taken, open_ones[gains.argmax()]))
        elif more == 2:
            self.pairs(taken, open_ones, region, value, gains)
        else:
            order = np.argsort(-bounds, kind="stable")
            for place in range(len(order) - more + 1):
                point = open_ones[order[place]]
                if bounds[order[place]] <= self.value + self.margin:
                    break
                inner = region.without(self.front.points[point])
                gain = float(gains[order[place]])
                self.enumerate(np.append(taken, point), open_ones[order[place + 1 :]], inner, value + gain, relaxation)

    def pairs(self, taken: Indices, open_ones: Indices, region: FreeRegion, value: float, gains: Floats) -> None:
        """The best two points, when only two are lacking."""
        first, second = np.triu_indices(len(open_ones), 1)
        hopeful = value + gains[first] + gains[second] > self.value + self.margin
        first, second = first[hopeful], second[hopeful]
        if not len(first):
            return
        both = np.maximum(self.front.points[open_ones[first]], self.front.points[open_ones[second]])
        self.front.evaluations += len(both)
        found = gains[first] + gains[second] - region.gains(both)
        best = int(found.argmax())
        self.offer(np.concatenate([taken, open_ones[[first[best], second[best]]]]))

    def offer(self, chosen: Indices) -> None:
        """A set, in case it is better than the best so far."""
        value = self.front.value(chosen.tolist())
        if value > self.value + self.margin:
            self.best, self.value = tuple(chosen.tolist()), value

    def check(self) -> None:
        """Whether the search may go on."""
        if self.front.evaluations > self.most or time.monotonic() > self.end:
            raise _SpentError
