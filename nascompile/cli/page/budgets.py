"""The part of the page that counts: how many members, and which options, are left within budgets of one's own.

Where a set has few different costs (`solvers.sets.cost_points`), they are in the page, and it counts under any budgets;
where it has more, under all combinations of some limits per metric, counted here beforehand
(`solvers.sets.cost_table`). Nothing is interpolated.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.cost_points import CostPoints, cost_points
from solvers.sets.cost_table import CostTable, cost_table
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.layer import option_label

__all__ = ["METRICS", "Counting", "counting"]

METRICS = ("ram", "rom", "macs")
#: Points that are put into the page, and that are looked at for it on the way, at most.
_IN_PAGE, _ON_THE_WAY = 40_000, 200_000
#: Points and pairs of a table, at most: some ten minutes and 3 GB.
_MOST, _PAIRS = 3_000_000, 8_000_000_000
#: Limits of a metric, where the page cannot count by itself.
_STEPS = 24
#: Members among which the page draws.
_DRAWN = 1000
#: The largest number that JavaScript holds exactly.
_EXACT = 2**53


class Counting:
    """What the page counts with.

    Args:
        fs: the set.
        counts: its different costs, or how many members are within some limits.
    """

    def __init__(self, fs: FeasibleSet, counts: CostPoints | CostTable) -> None:
        self.fs, self.counts = fs, counts

    def data(self, seed: int = 0) -> dict[str, Any]:
        """What the script of the page reads."""
        options: dict[str, list[str]] = {}
        for label, option in self.counts.options:
            options.setdefault(label, []).append(option_label(option))
        drawn = self.fs.sample(min(_DRAWN, self.fs.size), seed)
        least, most = zip(*(self.fs.metrics.extremes(name) for name in METRICS), strict=True)
        about = {
            "metrics": METRICS, "size": str(self.fs.size), "big": self.fs.size >= _EXACT, "options": options,
            "least": least, "most": most,
            "drawn": [[str(one), *(one.costs[name] for name in METRICS)] for one in drawn],
        }  # fmt: skip
        return about | (self._points(self.counts) if isinstance(self.counts, CostPoints) else self._table(self.counts))

    def _points(self, points: CostPoints) -> dict[str, Any]:
        words = np.ascontiguousarray(points.uses).view(np.uint32)
        return {
            "points": points.values.T.tolist(), "members": _numbers(points.members, self.fs.size),
            "uses": words.T.tolist(),
        }  # fmt: skip

    def _table(self, table: CostTable) -> dict[str, Any]:
        flags = np.packbits(table.there.reshape(len(table.there), -1), axis=0, bitorder="little")
        return {
            "steps": [own.tolist() for own in table.limits], "counts": _numbers(table.counts.ravel(), self.fs.size),
            "there": flags.T.ravel().tolist(), "bytes": len(flags),
        }  # fmt: skip


def counting(fs: FeasibleSet, report: Callable[[str, int], None] = lambda what, done: None) -> Counting | None:
    """What a page can count with; None of a set with too many different costs, or without members."""
    if not fs.size:
        return None
    with _unless_too_many():
        points = cost_points(fs, METRICS, _ON_THE_WAY, report)
        if len(points.members) <= _IN_PAGE:
            return Counting(fs, points)
    with _unless_too_many():
        return Counting(fs, cost_table(fs, METRICS, _STEPS, most=_MOST, pairs=_PAIRS, report=report))
    return None


@contextmanager
def _unless_too_many() -> Iterator[None]:
    """Leave off where there are too many costs to be told apart."""
    try:
        yield
    except EngineError as error:
        if error.diagnostics[0].code not in ("too-many-points", "too-large"):
            raise


def packed(data: Any) -> str:
    """Plain data as the text that the page's script unpacks.

    Example:
        >>> json.loads(zlib.decompress(base64.b64decode(packed([1, 2]))))
        [1, 2]
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _numbers(counts: NDArray[Any], size: int) -> Sequence[Any]:
    """Numbers, or texts of those that JavaScript would round."""
    return counts.tolist() if size < _EXACT else [str(count) for count in counts.tolist()]
