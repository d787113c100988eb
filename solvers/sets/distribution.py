"""The distribution of an additive quantity over a feasible set: exact counts, of sums rounded to a stated quantum.

A member's quantity is a sum of real numbers along its path. Rounded to multiples of a quantum such sums are few, so the
paths that reach a node of the lifted graph (`solvers.sets.metrics`) with a given sum can be counted, by dynamic
programming over pairs (node, sum). Counting starts at the root. Towards the end it would have to be kept apart by final
state wherever, as in EBS Eq. 6, that state scales the sum. And a node of a budget's diagram stands for a narrow
interval of slack, which all but fixes how wide the layers before it were: of dscnn with 16 layers, a node meets one in
fifteen of its level's sums. Each node keeps its own range of sums, from the least to the largest that reach it.

The members of one sum are in an order of their own, in which the k-th is found, and a member's place, by walking back
from the end. That makes draws among them exactly uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.metrics import Edge, Lifted
from spaces.errors import EngineError

__all__ = ["MAX_WORK", "Distribution", "Paths", "distribution"]

Values = NDArray[Any]

#: Transitions (node, sum, option) of a distribution, at most: some five seconds, and 300 MB for the pairs (node, sum).
MAX_WORK = 300_000_000

#: A pair costs at least as much as so many transitions.
_LEAST_OPTIONS = 8

#: Differences of the quantity from which quanta are tried.
_ANCHORS = 16


@dataclass(frozen=True, eq=False)
class Paths:
    """How many paths reach the nodes of one level, by their sums: a range of sums per node, one after another.

    Args:
        least: int64 [nodes], the least sum with which a path reaches a node.
        starts: int64 [nodes + 1], where the range of each node begins.
        ways: the number of paths per node and sum: int64, or Python integers where 2^63 is not enough.
    """

    least: Values
    starts: Values
    ways: Values

    def at(self, nodes: Values, sums: Values) -> Values:
        """The number of paths that reach nodes with given sums."""
        place = sums - self.least[nodes]
        within = (place >= 0) & (place < self.starts[nodes + 1] - self.starts[nodes])
        return np.where(within, self.ways[np.where(within, self.starts[nodes] + place, 0)], 0)


@dataclass(frozen=True, eq=False)
class Distribution:
    """How an additive quantity is distributed over the members of a variant.

    Members are told apart by bin: a final node with a sum.

    Args:
        lifted: the variant, walked together with its state graph.
        quantum: what sums are rounded to.
        error: how far a member's quantity can be from the value of its bin: at most quantum / 2 per decision, and
            less where the quantities happen to lie near multiples of the quantum. 0 where they are multiples.
        base: the value of the sum 0.
        steps: int64 [nodes, options] per level, how many quanta an option adds.
        paths: per level, the final nodes last.
    """

    lifted: Lifted
    quantum: float
    error: float
    base: float
    steps: tuple[Values, ...]
    paths: tuple[Paths, ...]

    @cached_property
    def _bins(self) -> tuple[Values, Values, Values]:
        """Node, sum and number of members of each bin, by node and then by sum."""
        last = self.paths[-1]
        result = np.flatnonzero(last.ways)
        nodes = np.searchsorted(last.starts, result, "right") - 1
        return nodes, result - last.starts[nodes] + last.least[nodes], last.ways[result]

    @property
    def counts(self) -> Values:
        """Members per bin: int64, or Python integers."""
        return self._bins[2]

    @property
    def states(self) -> Values:
        """The final program state of each bin."""
        return self.lifted.states[-1][self._bins[0]]

    @property
    def values(self) -> NDArray[np.float64]:
        """The quantity of each bin, true of its members to within `error`."""
        return self.base + self.quantum * self._bins[1]

    def row(self, number: int, position: int) -> list[int]:
        """The option indices of a member of a bin.

        Args:
            number: of the bin.
            position: from 0 to below the bin's count.
        """
        node, total = (int(part[number]) for part in self._bins[:2])
        row: list[int] = []
        for t in range(len(self.steps) - 1, -1, -1):
            parents, options, ways = self._into(t, node, total)
            upto = np.cumsum(ways)
            edge = int(np.searchsorted(upto, position, "right"))
            position -= int(upto[edge] - ways[edge])
            node, x = int(parents[edge]), int(options[edge])
            total -= int(self.steps[t][node, x])
            row.append(x)
        return row[::-1]

    def place(self, row: Sequence[int]) -> tuple[int, int]:
        """The bin of a member, and its position in it: the inverse of `row`."""
        path = [1]
        for children, x in zip(self.lifted.children, row, strict=True):
            path.append(int(children[path[-1], x]))
        total = sum(int(steps[node, x]) for steps, node, x in zip(self.steps, path, row, strict=False))
        nodes, sums, _ = self._bins
        number = int(np.flatnonzero((nodes == path[-1]) & (sums == total))[0])
        position = 0
        for t in range(len(self.steps) - 1, -1, -1):
            parents, options, ways = self._into(t, path[t + 1], total)
            edge = int(np.flatnonzero((parents == path[t]) & (options == row[t]))[0])
            position += int(ways[:edge].sum())
            total -= int(self.steps[t][path[t], row[t]])
        return number, position

    def _into(self, t: int, node: int, total: int) -> tuple[Values, Values, Values]:
        """The edges of level t into a node: parents, options, and how many paths make up the total by each."""
        order, starts = self._edges[t]
        parents, options = np.divmod(order[starts[node] : starts[node + 1]], self.steps[t].shape[1])
        return parents, options, self.paths[t].at(parents, total - self.steps[t][parents, options])

    @cached_property
    def _edges(self) -> list[tuple[Values, Values]]:
        """Per level, its edges (node * options + option) by the node they lead to, and where each node's begin."""
        result: list[tuple[Values, Values]] = []
        for t, children in enumerate(self.lifted.children):
            flat = children.ravel()
            order = np.argsort(flat, kind="stable")
            starts = np.searchsorted(flat[order], np.arange(len(self.lifted.states[t + 1]) + 1))
            result.append((order, starts))
        return result


def distribution(lifted: Lifted, edge: Edge, base: float = 0.0, bins: int = 2048) -> Distribution:
    """Count the members of a variant by the sum of a quantity along their paths.

    The quantum is the one with the smallest error among those that tell at most `bins` sums apart. This pays: where
    widths are multiples of a step their logarithms are those of small whole numbers, and a good quantum is nearer to
    all of them than half its size, as the twelve semitones are to the fifth and the third.

    Args:
        lifted: the variant; it has members.
        edge: the quantity: `edge(t)` is [nodes, options].
        base: what every member has in common.
        bins: into how many steps the range from the least to the largest sum is divided at most. Fewer are taken where
            counting them all would be more than `MAX_WORK`.

    Raises:
        EngineError: fewer than one bin, or a diagram that is too large for any.

    Example:
        >>> from solvers.base import solve
        >>> from solvers.sets.metrics import lift
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2")))
        >>> lifted = lift(fs.program, fs.tree, 0)
        >>> found = distribution(lifted, lifted.edges("macs"))
        >>> found.quantum, found.error, int(found.counts.sum())
        (32.0, 0.0, 64)
        >>> found.row(*found.place([2, 5]))
        [2, 5]
    """
    if bins < 1:
        raise EngineError.of("wrong-value", f"`bins` = {bins}", "it is 1 or more")
    known = [_distinct(edge(t)[children > 0]) for t, children in enumerate(lifted.children)]
    while True:
        quantum = _quantum([own - own[0] for own in known], bins)
        steps = tuple(_steps(edge(t), own, quantum, lifted.children[t]) for t, own in enumerate(known))
        ranges = _ranges(lifted, steps)
        options = [*(max(own.shape[1], _LEAST_OPTIONS) for own in steps), _LEAST_OPTIONS]
        work = sum(int(starts[-1]) * width for (_, starts), width in zip(ranges, options, strict=True))
        if work <= MAX_WORK:
            break
        if bins == 1:
            message = f"a distribution over this diagram would take {work:,} transitions; at most {MAX_WORK:,} are made"
            raise EngineError.of("too-large", message, "restrict the set, or use larger steps")
        bins = max(1, int(bins * 0.9 * MAX_WORK / work))
    error = 0.0
    for own in known:
        off = own - own[0] - quantum * np.rint((own - own[0]) / quantum)
        # A decision's errors reach from one number to another: their middle goes into the base, half the width is left.
        base += float(own[0] + (off.max() + off.min()) / 2)
        error += float(off.max() - off.min()) / 2
    return Distribution(lifted, quantum, error, base, steps=steps, paths=_count(lifted, steps, ranges))


def _distinct(values: Values) -> NDArray[np.float64]:
    """The distinct values, ascending; those that differ only in their last bits are one."""
    result = np.unique(values.astype(np.float64))
    return result[np.concatenate([[True], np.diff(result) > 1e-9])]


def _quantum(levels: Sequence[Values], bins: int) -> float:
    """The quantum with the least error of a sum.

    Only quanta of which some difference in the quantity is a whole multiple are tried: one difference at least is then
    free of error, and a lattice on which all of them lie is found.

    Args:
        levels: per decision, what its options add beyond the least of them; ascending from 0.
        bins: the quantum must not be smaller than the largest sum by this.
    """
    span = sum(float(own[-1]) for own in levels)
    if not span:
        return 1.0
    finest = span / bins
    known = _distinct(np.concatenate(list(levels)))[1:]
    anchors = known[np.unique(np.linspace(0, len(known) - 1, _ANCHORS).astype(int))]
    # Half a millionth of room, so that a lattice of exactly this many bins is not lost to rounding.
    tried = [anchor / np.arange(1, int(anchor / finest * (1 + 5e-7)) + 1) for anchor in anchors]
    quanta = np.unique(np.concatenate([[finest], *tried]))[::-1]
    errors = np.zeros(len(quanta))
    for own in levels:
        multiples = own[:, None] / quanta
        off = (multiples - np.rint(multiples)) * quanta
        errors += (off.max(axis=0) - off.min(axis=0)) / 2
    # The first of equals, which is the largest.
    return float(quanta[np.argmin(np.round(errors / span, 9))])


def _steps(values: Values, known: Values, quantum: float, children: Values) -> Values:
    """How many quanta the options of a decision add."""
    return np.where(children > 0, np.rint((values - known[0]) / quantum), 0).astype(np.int64)


def _ranges(lifted: Lifted, steps: Sequence[Values]) -> list[tuple[Values, Values]]:
    """Per level, the least sum that reaches each node, and where the node's range of sums begins."""
    least, most = np.array([0, 0]), np.array([-1, 0])
    result: list[tuple[Values, Values]] = []
    for children, own, states in zip(lifted.children, steps, lifted.states[1:], strict=True):
        result.append((least, np.concatenate([[0], np.cumsum(most + 1 - least)])))
        alive = (children > 0) & (most >= least)[:, None]
        low, high = np.full(len(states), np.iinfo(np.int64).max), np.full(len(states), -1)
        np.minimum.at(low, children[alive], (least[:, None] + own)[alive])
        np.maximum.at(high, children[alive], (most[:, None] + own)[alive])
        least, most = np.minimum(low, high + 1), high
    return [*result, (least, np.concatenate([[0], np.cumsum(most + 1 - least)]))]


def _count(lifted: Lifted, steps: Sequence[Values], ranges: Sequence[tuple[Values, Values]]) -> tuple[Paths, ...]:
    """How many paths reach each node with each sum, level by level."""
    result = [Paths(*ranges[0], np.array([1], np.int64))]
    for children, own, (least, starts) in zip(lifted.children, steps, ranges[1:], strict=True):
        before = result[-1]
        ways, sizes = before.ways, np.diff(before.starts)
        if ways.dtype != object and int(ways.sum()) * own.shape[1] >= 2**62:
            ways = ways.astype(object)
        after = np.zeros(int(starts[-1]), ways.dtype)
        # A node's range of sums goes on as a whole: all its pairs are shifted alike.
        shift = starts[children] + before.least[:, None] + own - least[children] - before.starts[:-1, None]
        for x in range(own.shape[1]):
            pairs = np.flatnonzero(np.repeat(children[:, x] > 0, sizes))
            np.add.at(after, pairs + np.repeat(shift[:, x], sizes)[pairs], ways[pairs])
        result.append(Paths(least, starts, after))
    return tuple(result)
