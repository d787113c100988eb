"""How many members of a set cost what, in several metrics at once: exact, and without listing the members.

Paths that reach a node of the lifted graph (`solvers.sets.metrics`) with equal sums and equal maxima so far are one
point with their number. Layers are alike, so that points are few: dscnn's 168,509 networks on an STM32F412 have 15,940
different triples of ROM, RAM and MACs, and four billion of mobilenet less than a million. With every point goes which
options its members take, so that not only counts under tighter budgets but also what is left of each decision can be
read off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.memory import need
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.metrics import Lifted
from solvers.sets.tree import numbered_rows
from spaces.errors import EngineError
from spaces.program.graph import RAM_PARTS

__all__ = ["CostPoints", "cost_points"]

Values = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CostPoints:
    """The different costs of a set's members.

    Args:
        metrics: what is told apart.
        values: int64 [points, metrics].
        members: of each point, how many: int64, or Python integers where 2^63 is not enough.
        options: (decision, option) of every bit of `uses`, over all variants.
        uses: uint64 [points, words], which options some member of a point takes.
    """

    metrics: tuple[str, ...]
    values: NDArray[np.int64]
    members: Values
    options: tuple[tuple[str, Any], ...]
    uses: NDArray[np.uint64]

    def count(self, **limits: int) -> int:
        """Members of which no metric is above its limit."""
        return int(self.members[self._within(limits)].sum())

    def used(self, **limits: int) -> dict[str, list[Any]]:
        """The options that members within limits take, per decision; decisions that none of them makes are left out."""
        found = np.bitwise_or.reduce(self.uses[self._within(limits)], axis=0)
        result: dict[str, list[Any]] = {}
        for (label, option), there in zip(self.options, _bits(found, len(self.options)), strict=True):
            if there:
                result.setdefault(label, []).append(option)
        return result

    def _within(self, limits: Mapping[str, int]) -> NDArray[np.bool_]:
        bounds = [limits.get(name, int(self.values[:, k].max(initial=0))) for k, name in enumerate(self.metrics)]
        return np.asarray((self.values <= bounds).all(axis=1), np.bool_)

    def steps(self, most: int) -> list[NDArray[np.int64]]:
        """Per metric at most so many limits at which the count changes: the least and the largest value among them.

        In between, each step lets in about as many points as the next.
        """
        result: list[NDArray[np.int64]] = []
        for column in self.values.T:
            distinct = np.unique(column)
            if len(distinct) > most:
                ordered = np.sort(column)
                places = np.linspace(0, len(ordered) - 1, most).round().astype(np.int64)
                distinct = np.unique(np.concatenate([ordered[places], distinct[[0, -1]]]))
            result.append(distinct)
        return result

    def table(self, steps: Sequence[NDArray[np.int64]]) -> tuple[Values, NDArray[np.bool_]]:
        """The counts and options under every combination of limits.

        Args:
            steps: per metric its limits, ascending.

        Returns:
            The members within them, [limits of the first metric, of the second, ...], and whether an option is taken by
            one of them, [options, ...].
        """
        shape = tuple(map(len, steps))
        at: Values = np.stack([np.searchsorted(own, self.values[:, k]) for k, own in enumerate(steps)])
        # What is above the last step is within none.
        inside = (at < np.array(shape)[:, None]).all(axis=0)
        cell = np.ravel_multi_index(list(at[:, inside]), shape)
        counts = np.zeros(int(np.prod(shape)), self.members.dtype)
        np.add.at(counts, cell, self.members[inside])
        counts = counts.reshape(shape)
        there = np.zeros((len(counts.ravel()), self.uses.shape[1]), np.uint64)
        np.bitwise_or.at(there, cell, self.uses[inside])
        there = there.reshape(*shape, -1)
        for axis in range(len(shape)):
            counts = np.add.accumulate(counts, axis=axis)
            there = np.bitwise_or.accumulate(there, axis=axis)
        return counts, np.moveaxis(_bits(there, len(self.options)), -1, 0)


def cost_points(
    fs: FeasibleSet, metrics: Sequence[str] = ("rom", "ram", "macs"), most: int = 20_000_000,
    report: Callable[[str, int], None] = lambda what, done: None,
) -> CostPoints:  # fmt: skip
    """The different costs of a set's members, and how many members have each.

    Args:
        fs: the set.
        metrics: `ram`, and additive ones.
        most: points of one level; where there are more, it gives up.
        report: called with what is being done and the points so far.

    Raises:
        EngineError: `too-many-points`, or more memory than is allowed.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2")))
        >>> points = cost_points(fs)
        >>> len(points.members), points.count(), points.count(rom=5_000), points.used(rom=5_000)
        (64, 64, 2, {'M[1]': [16], 'M[2]': [16, 32]})
    """
    variants = fs.program.variants
    options = tuple(dict.fromkeys((d.label, o) for v in variants for d in v.decisions for o in d.options))
    bits = {one: k for k, one in enumerate(options)}
    parts: list[_Points] = []
    for position, (_, root) in enumerate(fs.tree.roots):
        if root:
            decisions = variants[position].decisions
            own = [[bits[d.label, o] for o in d.options] for d in decisions]
            walk = _Walk(fs.metrics.lifted(position), tuple(metrics), fs.program.ram_model, own, len(options))
            parts.append(walk.points(most, report, fs.size))
    if not parts:
        none = np.zeros((0, len(metrics)), np.int64)
        return CostPoints(tuple(metrics), none, none[:, 0], options, np.zeros((0, _words(len(options))), np.uint64))
    found = _merged(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return CostPoints(tuple(metrics), found[0], found[1], options, found[2])


#: Values [points, columns], numbers of members [points], options in use [points, words].
_Points = tuple[Values, Values, Values]


@dataclass(frozen=True)
class _Walk:
    """One variant, from its root to its end."""

    lifted: Lifted
    metrics: tuple[str, ...]
    ram_model: str
    bits: list[list[int]]
    options: int

    def points(self, most: int, report: Callable[[str, int], None], size: int) -> _Points:
        base, maxima = self.lifted.chain.base, RAM_PARTS[self.ram_model]
        names = [*(name for name in self.metrics if name != "ram"), *maxima]
        values = np.array([[1, *(int(base[name]) for name in names)]], np.int64)
        members = np.ones(1, np.int64 if size < 2**62 else object)
        uses = np.zeros((1, _words(self.options)), np.uint64)
        for t, children in enumerate(self.lifted.children):
            report("telling costs apart", len(values))
            edges = [self.lifted.edges(name)(t) for name in names]
            nodes = values[:, 0]
            total = int(np.count_nonzero(children, axis=1)[nodes].sum())
            if total > 4 * most:
                raise _too_many(most)
            need(total * (8 * values.shape[1] + 8 * uses.shape[1] + 48))
            grown: list[_Points] = []
            for x, bit in enumerate(self.bits[t]):
                below = children[nodes, x]
                live = np.flatnonzero(below)
                if not len(live):
                    continue
                new = values[live]
                for k, edge in enumerate(edges, start=1):
                    step = edge[nodes[live], x]
                    new[:, k] = np.maximum(new[:, k], step) if names[k - 1] in maxima else new[:, k] + step
                new[:, 0] = below[live]
                used = uses[live]
                used[:, bit // 64] |= np.uint64(1 << bit % 64)
                grown.append((new, members[live], used))
            values, members, uses = _merged(*(np.concatenate(columns) for columns in zip(*grown, strict=True)))
            if len(values) > most:
                raise _too_many(most)
        peak = values[:, -len(maxima) :].sum(axis=1)
        order = iter(range(1, values.shape[1]))
        columns = [peak if name == "ram" else values[:, next(order)] for name in self.metrics]
        return _merged(np.stack(columns, axis=1), members, uses)


def _merged(values: Values, members: Values, uses: Values) -> _Points:
    """Equal rows once, with all their members and options."""
    first, number = numbered_rows(values)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(len(first)))
    return (
        values[first], np.add.reduceat(members[order], starts), np.bitwise_or.reduceat(uses[order], starts, axis=0),
    )  # fmt: skip


def _words(options: int) -> int:
    return max(1, -(-options // 64))


def _bits(words: Values, count: int) -> NDArray[np.bool_]:
    """Words as flags: [..., words] -> [..., count]."""
    flags = (words[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    return flags.reshape(*words.shape[:-1], -1)[..., :count].astype(np.bool_)


def _too_many(most: int) -> EngineError:
    message = f"the members of this set have more than {most:,} different costs"
    return EngineError.of("too-many-points", message, "a set under tighter budgets, or one variant, has fewer")
