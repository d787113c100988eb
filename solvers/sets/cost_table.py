"""How many members of a set are within limits, for every combination of some limits per metric: exact.

Where members have too many different costs (`solvers.sets.cost_points`), these are told apart from both ends of the
chain until they meet in the middle. A member is then a pair: one point from the root to a node, and one from there to
the end. There are some hundred million pairs where there would be billions of points, and no pair is kept: it is
counted in the cell of its costs. Nothing is rounded but the limits, which are chosen as multiples of a power of two so
that a shift and a look-up say which is the least that a cost is within.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.cost_walk import Points, Walk, flags, options_of, stretches, too_many
from solvers.sets.feasible_set import FeasibleSet

__all__ = ["CostTable", "cost_table"]

Values = NDArray[Any]
Report = Callable[[str, int], None]

#: Pairs that are counted together; of a node, so many are a block of its own.
_BLOCK, _LARGE = 1 << 17, 1 << 12
#: Rows of a step from the root that are made in any case.
_FEW = 2_000_000
#: Costs are looked up in a table of at most 2^this.
_BITS = 20
#: The largest number of which all below are exact in double precision; bits of parts of larger ones, of which 2^17
#: products still are.
_EXACT, _PART = 2**53, 16


@dataclass(frozen=True, eq=False)
class CostTable:
    """Counts under every combination of limits.

    Args:
        metrics: what is limited.
        limits: per metric, ascending; the last lets all members in.
        counts: members within the limits, [limits of the first metric, of the second, ...]: int64, or Python integers
            where 2^53 is not enough.
        options: (decision, option), over all variants.
        there: [options, limits of the first metric, ...], whether one of these members takes it.
    """

    metrics: tuple[str, ...]
    limits: tuple[NDArray[np.int64], ...]
    counts: Values
    options: tuple[tuple[str, Any], ...]
    there: NDArray[np.bool_]

    def between(self, metric: str) -> Values:
        """Members above one limit of a metric and within the next; the first are those within the first."""
        k = self.metrics.index(metric)
        others = tuple(slice(None) if axis == k else -1 for axis in range(len(self.metrics)))
        within = self.counts[others]
        return within - np.concatenate([np.zeros(1, within.dtype), within[:-1]])


def cost_table(
    fs: FeasibleSet, metrics: Sequence[str] = ("rom", "ram", "macs"), steps: int = 24, *, most: int = 3_000_000,
    pairs: int = 8_000_000_000, report: Report = lambda what, done: None,
) -> CostTable:  # fmt: skip
    """Count a set under every combination of limits.

    Each metric's limits are as many as wished, from its least value to its largest in equal ratios.

    Args:
        fs: the set; it has members.
        metrics: `ram`, and additive ones.
        steps: limits of a metric, 2 to 200.
        most: points of one level; where there are more on both sides of the middle, it gives up.
        pairs: as many are counted at most, of all variants; a hundred million take some seconds.
        report: called with what is being done and how much of it.

    Raises:
        EngineError: `too-many-points`, or more memory than is allowed.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> table = cost_table(solve(compile_space(load_space("mlp2"))), ("rom",), 3)
        >>> table.limits[0].tolist(), table.counts.tolist()
        ([2944, 15433, 80896], [1, 18, 64])
    """
    ends = [fs.metrics.extremes(name) for name in metrics]
    scales = [_Scale.between(int(least), int(largest), steps) for least, largest in ends]
    shape = tuple(len(scale.limits) for scale in scales)
    options = options_of(fs)
    small = fs.size < _EXACT
    counts: Values = np.zeros(int(np.prod(shape)), np.int64 if small else object)
    there = np.zeros((len(counts), max(1, -(-len(options) // 64))), np.uint64)
    halves: list[_Halves] = []
    for position, (_, root) in enumerate(fs.tree.roots):
        if root:
            halves.append(_meet(Walk(fs, position, metrics), most, report))
            if sum(one.pairs for one in halves) > pairs:
                raise too_many(most)
    done = 0
    for one in halves:
        cells = _Cells(one, tuple(metrics), scales)
        for p, q in _blocks(one.before, one.after):
            cell = cells.of(p, q)
            done += cell.size
            report("counting under all limits: pairs", done)
            _count(counts, cell, one.before.members[p], one.after.members[q])
        _use(there, cells, one)
    counts, there = counts.reshape(shape), there.reshape(*shape, -1)
    for axis in range(len(shape)):
        counts = np.add.accumulate(counts, axis=axis)
        there = np.bitwise_or.accumulate(there, axis=axis)
    limits = tuple(scale.limits for scale in scales)
    return CostTable(tuple(metrics), limits, counts, options, np.moveaxis(flags(there, len(options)), -1, 0))


@dataclass(frozen=True, eq=False)
class _Scale:
    """The limits of a metric.

    Args:
        limits: ascending multiples of 2^shift, but the last, the largest cost that there is.
        shift: of costs, rounded up, before they are looked up.
        places: of each, the least limit that it is within.
    """

    limits: NDArray[np.int64]
    shift: int
    places: NDArray[np.uint8]

    @classmethod
    def between(cls, least: int, largest: int, steps: int) -> _Scale:
        shift = max(0, largest.bit_length() - _BITS)
        ratios = np.linspace(0, 1, steps)
        wished = max(1, least) * (largest / max(1, least)) ** ratios
        last = -(-largest >> shift)
        inner: NDArray[np.int64] = np.ceil(wished[:-1] / 2**shift).astype(np.int64)
        units: NDArray[np.int64] = np.unique(np.append(np.minimum(inner, last), last))
        places = np.searchsorted(units, np.arange(last + 1)).astype(np.uint8)
        return cls(np.minimum(units << shift, largest), shift, places)

    def of(self, costs: Values) -> Values:
        return self.places[-(-costs >> self.shift)]


class _Halves:
    """A variant's points up to a level and from it on, sorted by the node that they have in common there.

    Args:
        walk: of the variant.
        before: from the root.
        after: to the end.
    """

    def __init__(self, walk: Walk, before: Points, after: Points) -> None:
        self.walk = walk
        self.before, self.after = (Points(*(c[np.argsort(p.values[:, 0], kind="stable")] for c in p))
                                   for p in (before, after))  # fmt: skip

    @property
    def pairs(self) -> int:
        first, last = _partners(self.before, self.after)
        return int((last - first).sum())


def _meet(walk: Walk, most: int, report: Report) -> _Halves:
    """Walk on from the root while rows are few, then from both ends, at each step where it makes fewer rows.

    Towards the end a set's nodes are many, each with a slack of its own, and what begins there is hardly ever the same.
    """
    before, after = walk.start(), walk.end()
    low, high = 0, walk.length
    while low < high:
        report("telling costs apart", len(before.values) + len(after.values))
        on, back = walk.rows_onward(before, low), walk.rows_back(after, high - 1)
        ahead = on <= max(back, _FEW)
        if (on if ahead else back) > 4 * most:
            raise too_many(most)
        if ahead:
            before, low = walk.onward(before, low), low + 1
        else:
            after, high = walk.back(after, high - 1), high - 1
    return _Halves(walk, before, after)


def _partners(before: Points, after: Points) -> tuple[Values, Values]:
    """Of each point the stretch of those that begin where it ends; both are sorted by their node."""
    nodes, ends = after.values[:, 0], before.values[:, 0]
    return np.searchsorted(nodes, ends, "left"), np.searchsorted(nodes, ends, "right")


def _blocks(before: Points, after: Points) -> Iterator[tuple[Values, Values]]:
    """All pairs as positions of both, which are alike in shape or to be broadcast against each other."""
    first, last = _partners(before, after)
    sizes = last - first
    _, starts, counts = np.unique(before.values[:, 0], return_index=True, return_counts=True)
    large = counts * sizes[starts] >= _LARGE
    for start, count in zip(starts[large].tolist(), counts[large].tolist(), strict=True):
        for at in range(int(first[start]), int(last[start]), _BLOCK):
            q = np.arange(at, min(at + _BLOCK, int(last[start])))
            rows = max(1, _BLOCK // len(q))
            for low in range(start, start + count, rows):
                yield np.arange(low, min(low + rows, start + count))[:, None], q[None]
    # Of nodes with few pairs many at once, at most a block and one node's.
    rest = np.flatnonzero(np.repeat(~large, counts))
    block = np.cumsum(sizes[rest]) // _BLOCK
    for some in np.split(rest, np.flatnonzero(np.diff(block)) + 1) if len(rest) else ():
        yield np.repeat(some, sizes[some]), stretches(first[some], last[some])


class _Cells:
    """Which cell of the table a pair is counted in: that of the least limits it is within."""

    def __init__(self, halves: _Halves, metrics: tuple[str, ...], scales: Sequence[_Scale]) -> None:
        self.before, self.after = (np.ascontiguousarray(p.values.T) for p in (halves.before, halves.after))
        self.scales = scales
        names = halves.walk.names
        self.columns = [
            [names.index(part) + 1 for part in (halves.walk.maxima if name == "ram" else (name,))] for name in metrics
        ]
        self.largest = [name == "ram" for name in metrics]

    def of(self, p: Values, q: Values) -> Values:
        cell = np.zeros((), np.int64)
        for columns, largest, scale in zip(self.columns, self.largest, self.scales, strict=True):
            joined = np.maximum if largest else np.add
            costs = sum(joined(self.before[k][p], self.after[k][q]) for k in columns)
            cell = cell * len(scale.limits) + scale.of(np.asarray(costs))
        return cell


def _count(counts: Values, cell: Values, before: Values, after: Values) -> None:
    """Add the members of pairs to their cells; `before` and `after` are how many paths either half has."""
    flat = cell.ravel()
    if counts.dtype != object:
        weights = (before.astype(np.float64) * after.astype(np.float64)).ravel()
        counts += np.bincount(flat, weights, len(counts)).astype(np.int64)
        return
    for i, a in enumerate(_parts(before)):
        for j, b in enumerate(_parts(after)):
            found = np.bincount(flat, (a * b).ravel(), len(counts)).astype(np.int64)
            at = np.flatnonzero(found)
            counts[at] += found[at].astype(object) * 2 ** (_PART * (i + j))


def _parts(members: Values) -> list[NDArray[np.float64]]:
    """Numbers as digits to the base 2^16, the lowest first."""
    result: list[NDArray[np.float64]] = []
    rest = members.astype(object)
    while not result or rest.any():
        result.append((rest % (1 << _PART)).astype(np.float64))
        rest = rest // (1 << _PART)
    return result


def _use(there: Values, cells: _Cells, halves: _Halves) -> None:
    """Mark the options of pairs in their cells.

    What one half of a pair takes is taken under whatever limits it fits with the cheapest other halves: of these, only
    those are looked at that no other is cheaper than in every way.
    """
    for which, others in ((0, 1), (1, 0)):
        own, other = (halves.before, halves.after)[which], (halves.before, halves.after)[others]
        kept = _front(other.values)
        few = Points(*(column[kept] for column in other))
        for mine, its in _blocks(own, few):
            pair = (mine, kept[its]) if which == 0 else (kept[its], mine)
            cell = cells.of(*pair)
            uses = np.broadcast_to(mine, cell.shape).ravel()
            for word in range(there.shape[1]):
                np.bitwise_or.at(there[:, word], cell.ravel(), own.uses[uses, word])


def _front(values: Values) -> Values:
    """Rows, sorted by their node, than which no other of this node is as cheap or cheaper in every column."""
    rest = np.lexsort((values[:, 1:].sum(axis=1), values[:, 0]))
    kept = [rest[:0]]
    while len(rest):
        nodes = values[rest, 0]
        heads = np.concatenate([[True], nodes[1:] != nodes[:-1]])
        own = rest[heads][np.cumsum(heads) - 1]
        kept.append(rest[heads])
        rest = rest[(values[rest, 1:] < values[own, 1:]).any(axis=1)]
    return np.sort(np.concatenate(kept))
