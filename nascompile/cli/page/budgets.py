"""The part of the page that counts: how many members, and which options, are left within budgets of one's own.

Where a set has few different costs (`solvers.sets.cost_points`), they are in the page, and it counts under any budgets;
where it has more, under all combinations of some limits per metric, counted here beforehand. Nothing is interpolated.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.cost_points import CostPoints, cost_points
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.layer import option_label

__all__ = ["METRICS", "Counting", "counting"]

METRICS = ("ram", "rom", "macs")
#: Points that are put into the page, and that are looked at, at most.
_IN_PAGE, _MOST = 40_000, 6_000_000
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
        points: its different costs.
    """

    def __init__(self, fs: FeasibleSet, points: CostPoints) -> None:
        self.fs, self.points = fs, points

    @property
    def whole(self) -> bool:
        """Whether the page has all costs, and counts under any budgets."""
        return len(self.points.members) <= _IN_PAGE

    def data(self, seed: int = 0) -> dict[str, Any]:
        """What the script of the page reads."""
        options: dict[str, list[str]] = {}
        for label, option in self.points.options:
            options.setdefault(label, []).append(option_label(option))
        drawn = self.fs.sample(min(_DRAWN, self.fs.size), seed)
        about = {
            "metrics": METRICS, "size": str(self.fs.size), "big": self.fs.size >= _EXACT, "options": options,
            "least": self.points.values.min(axis=0).tolist(), "most": self.points.values.max(axis=0).tolist(),
            "drawn": [[str(one), *(one.costs[name] for name in METRICS)] for one in drawn],
        }  # fmt: skip
        return about | (self._points() if self.whole else self._table())

    def _points(self) -> dict[str, Any]:
        points = self.points
        words = np.ascontiguousarray(points.uses).view(np.uint32)
        return {
            "points": points.values.T.tolist(), "members": _numbers(points.members, self.fs.size),
            "uses": words.T.tolist(),
        }  # fmt: skip

    @cached_property
    def steps(self) -> list[NDArray[np.int64]]:
        """Per metric the limits under which it is counted, where the page has not all costs."""
        return self.points.steps(_STEPS)

    def _table(self) -> dict[str, Any]:
        counts, there = self.points.table(self.steps)
        flags = np.packbits(there.reshape(len(there), -1), axis=0, bitorder="little")
        return {
            "steps": [own.tolist() for own in self.steps], "counts": _numbers(counts.ravel(), self.fs.size),
            "there": flags.T.ravel().tolist(), "bytes": len(flags),
        }  # fmt: skip


def counting(fs: FeasibleSet, report: Callable[[str, int], None] = lambda what, done: None) -> Counting | None:
    """What a page can count with; None of a set with too many different costs, or without members."""
    if not fs.size:
        return None
    try:
        return Counting(fs, cost_points(fs, METRICS, _MOST, report))
    except EngineError as error:
        if error.diagnostics[0].code in ("too-many-points", "too-large"):
            return None
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
