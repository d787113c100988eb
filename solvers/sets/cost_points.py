"""How many members of a set cost what, in several metrics at once: exact, and without listing the members.

Layers are alike, so that points are few: dscnn's 168,509 networks on an STM32F412 have 15,940
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

from solvers.sets.cost_walk import Points, Walk, flags, merged, options_of, too_many
from solvers.sets.feasible_set import FeasibleSet

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
        for (label, option), there in zip(self.options, flags(found, len(self.options)), strict=True):
            if there:
                result.setdefault(label, []).append(option)
        return result

    def _within(self, limits: Mapping[str, int]) -> NDArray[np.bool_]:
        bounds = [limits.get(name, int(self.values[:, k].max(initial=0))) for k, name in enumerate(self.metrics)]
        return np.asarray((self.values <= bounds).all(axis=1), np.bool_)


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
    options = options_of(fs)
    parts = [
        _points(Walk(fs, position, metrics), tuple(metrics), most, report)
        for position, (_, root) in enumerate(fs.tree.roots)
        if root
    ]
    if not parts:
        none = np.zeros((0, len(metrics)), np.int64)
        return CostPoints(tuple(metrics), none, none[:, 0], options, np.zeros((0, 1), np.uint64))
    found = merged(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return CostPoints(tuple(metrics), found.values, found.members, options, found.uses)


def _points(walk: Walk, metrics: tuple[str, ...], most: int, report: Callable[[str, int], None]) -> Points:
    """Of one variant, from its root to its end."""
    points = walk.start()
    for t in range(walk.length):
        report("telling costs apart", len(points.values))
        if walk.rows_onward(points, t) > 4 * most:
            raise too_many(most)
        points = walk.onward(points, t)
        if len(points.values) > most:
            raise too_many(most)
    values = points.values
    maxima = len(walk.maxima)
    peak = values[:, values.shape[1] - maxima :].sum(axis=1)
    order = iter(range(1, values.shape[1]))
    columns = [peak if name == "ram" else values[:, next(order)] for name in metrics]
    return merged(np.stack(columns, axis=1), points.members, points.uses)
