"""Paths of a set told apart by what they cost: from the root on, or from the end back, a decision at a time.

Paths that reach a node of the lifted graph (`solvers.sets.metrics`) with equal sums and equal maxima are one point with
their number. With every point goes which options its paths take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers.memory import need
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.tree import numbered_rows
from spaces.errors import EngineError
from spaces.program.graph import RAM_PARTS

__all__ = ["Points", "Walk", "flags", "merged", "options_of", "stretches", "too_many"]

Values = NDArray[Any]


class Points(NamedTuple):
    """Paths that cost the same, together.

    Args:
        values: int64 [points, columns]; of a walk the node, the additive metrics, then the maxima.
        members: [points], how many paths: int64, or Python integers where 2^62 is not enough.
        uses: uint64 [points, words], which options some path takes.
    """

    values: Values
    members: Values
    uses: Values


class Walk:
    """One variant of a set.

    Args:
        fs: the set.
        position: of the variant.
        metrics: `ram`, and additive ones.
    """

    def __init__(self, fs: FeasibleSet, position: int, metrics: Sequence[str]) -> None:
        options = options_of(fs)
        bits = {one: k for k, one in enumerate(options)}
        self.lifted = fs.metrics.lifted(position)
        self.maxima = RAM_PARTS[fs.program.ram_model] if "ram" in metrics else ()
        self.names = (*(name for name in metrics if name != "ram"), *self.maxima)
        self._bits = [[bits[d.label, o] for o in d.options] for d in fs.program.variants[position].decisions]
        self._words = max(1, -(-len(options) // 64))
        self._kind: Any = np.int64 if fs.size < 2**62 else object

    @property
    def length(self) -> int:
        """Decisions."""
        return len(self._bits)

    def start(self) -> Points:
        """The root."""
        base = self.lifted.chain.base
        return self._free(np.array([[1, *(int(base[name]) for name in self.names)]], np.int64))

    def end(self) -> Points:
        """The nodes after the last decision."""
        nodes = np.unique(self.lifted.children[-1]) if self.length else np.ones(1, np.int64)
        nodes = nodes[nodes > 0]
        values = np.zeros((len(nodes), 1 + len(self.names)), np.int64)
        values[:, 0] = nodes
        return self._free(values)

    def rows_onward(self, points: Points, t: int) -> int:
        """Rows that a step on makes, before equal ones are one."""
        return int(np.count_nonzero(self.lifted.children[t], axis=1)[points.values[:, 0]].sum())

    def rows_back(self, points: Points, t: int) -> int:
        """Rows that a step back makes."""
        children = self.lifted.children[t]
        at = np.bincount(points.values[:, 0], minlength=int(children.max(initial=0)) + 1)
        return int(at[children[children > 0]].sum())

    def onward(self, points: Points, t: int) -> Points:
        """The points at a level with the options of its decision added: those at the next level."""
        children, nodes = self.lifted.children[t], points.values[:, 0]
        self._need(self.rows_onward(points, t), points)
        steps, grown = self._steps(t), list[Points]()
        for x, bit in enumerate(self._bits[t]):
            below = children[nodes, x]
            live = np.flatnonzero(below)
            if len(live):
                added = [step[nodes[live], x] for step in steps]
                grown.append(self._grown(points, live, below[live], added, bit))
        return merged(*(np.concatenate(columns) for columns in zip(*grown, strict=True)))

    def back(self, points: Points, t: int) -> Points:
        """The points at the next level with the options of a level's decision before them: those at this level."""
        children = self.lifted.children[t]
        self._need(self.rows_back(points, t), points)
        order = np.argsort(points.values[:, 0], kind="stable")
        starts = np.searchsorted(points.values[order, 0], np.arange(int(children.max(initial=0)) + 2))
        steps, grown = self._steps(t), list[Points]()
        for x, bit in enumerate(self._bits[t]):
            parents = np.flatnonzero(children[:, x])
            first, last = starts[children[parents, x]], starts[children[parents, x] + 1]
            if (last > first).any():
                own = np.repeat(parents, last - first)
                added = [step[own, x] for step in steps]
                grown.append(self._grown(points, order[stretches(first, last)], own, added, bit))
        return merged(*(np.concatenate(columns) for columns in zip(*grown, strict=True)))

    def _steps(self, t: int) -> list[Values]:
        """What every option of a decision costs at every node, metric by metric."""
        return [self.lifted.edges(name)(t) for name in self.names]

    def _grown(self, points: Points, rows: Values, nodes: Values, added: Sequence[Values], bit: int) -> Points:
        """Some points, now at other nodes, with what an option costs."""
        values, uses = points.values[rows], points.uses[rows]
        for k, (name, step) in enumerate(zip(self.names, added, strict=True), start=1):
            values[:, k] = np.maximum(values[:, k], step) if name in self.maxima else values[:, k] + step
        values[:, 0] = nodes
        uses[:, bit // 64] |= np.uint64(1 << bit % 64)
        return Points(values, points.members[rows], uses)

    def _free(self, values: Values) -> Points:
        """Paths without a decision."""
        return Points(values, np.ones(len(values), self._kind), np.zeros((len(values), self._words), np.uint64))

    def _need(self, rows: int, points: Points) -> None:
        need(rows * (8 * points.values.shape[1] + 8 * points.uses.shape[1] + 48))


def merged(values: Values, members: Values, uses: Values) -> Points:
    """Equal rows once, with all their members and options."""
    first, number = numbered_rows(values)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(len(first)))
    return Points(
        values[first], np.add.reduceat(members[order], starts), np.bitwise_or.reduceat(uses[order], starts, axis=0),
    )  # fmt: skip


def stretches(first: Values, last: Values) -> Values:
    """Whole numbers from each first one to before each last one, one stretch after another.

    Example:
        >>> stretches(np.array([3, 9, 0]), np.array([5, 9, 2]))
        array([3, 4, 0, 1])
    """
    sizes = last - first
    ends = np.cumsum(sizes)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - ends + sizes, sizes)


def options_of(fs: FeasibleSet) -> tuple[tuple[str, Any], ...]:
    """(decision, option) of every bit of `Points.uses`, over all variants."""
    return tuple(dict.fromkeys((d.label, o) for v in fs.program.variants for d in v.decisions for o in d.options))


def flags(words: Values, count: int) -> NDArray[np.bool_]:
    """Words as flags: [..., words] -> [..., count]."""
    found = (words[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    return found.reshape(*words.shape[:-1], -1)[..., :count].astype(np.bool_)


def too_many(most: int) -> EngineError:
    """The error of a set whose costs are too many to be told apart."""
    message = f"the members of this set have more than {most:,} different costs"
    return EngineError.of("too-many-points", message, "a set under tighter budgets, or one variant, has fewer")
