"""What a set of points leaves undominated, as disjoint boxes; and how much of it a further point would dominate.

Points are minimised. A point dominates the box between itself and the reference point; the hypervolume of a set is the
volume of the union of these boxes. The rest, the free region, is kept as disjoint boxes that each further point splits,
as in Lacour, Klamroth & Fonseca 2017 ("A box decomposition algorithm to compute the hypervolume indicator"). Then the
gains of all candidates are one sum over boxes: the incremental contribution that greedy and local search, branch and
bound, and the bounds all live on. It is a sum of positive terms, so nothing cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "FreeRegion", "Front", "Indices"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Numbers per block of candidates times boxes; a block stays in the cache.
_BLOCK = 1 << 15


@dataclass(frozen=True, eq=False)
class FreeRegion:
    """A union of disjoint boxes.

    Args:
        lower: [boxes, objectives].
        upper: [boxes, objectives].

    Example:
        >>> square = FreeRegion(np.zeros((1, 2)), np.ones((1, 2)))
        >>> rest = square.without(np.array([0.5, 0.25]))
        >>> rest.volume, rest.gains(np.array([[0.25, 0.5]])).tolist()
        (0.625, [0.125])
    """

    lower: Floats
    upper: Floats

    @property
    def volume(self) -> float:
        """The volume of all boxes."""
        return float((self.upper - self.lower).prod(axis=1).sum())

    def without(self, point: Floats) -> FreeRegion:
        """What is left when the point dominates its share.

        Args:
            point: [objectives].
        """
        hit = (point < self.upper).all(axis=1)
        lowers, uppers = [self.lower[~hit]], [self.upper[~hit]]
        lower, upper = self.lower[hit], self.upper[hit]
        for j, bound in enumerate(point):
            # The part below the point in objective j, and not below it in an earlier one.
            below = lower[:, j] < bound
            lowers.append(lower[below])
            uppers.append(upper[below].copy())
            uppers[-1][:, j] = bound
            lower = lower.copy()
            lower[:, j] = np.maximum(lower[:, j], bound)
        return FreeRegion(np.concatenate(lowers), np.concatenate(uppers))

    def gains(self, points: Floats) -> Floats:
        """The volume of the region that each point, taken alone, would dominate.

        Args:
            points: [n, objectives].

        Returns:
            [n].
        """
        step = max(1, _BLOCK // max(1, len(self.lower)))
        result = np.empty(len(points))
        for start in range(0, len(points), step):
            result[start : start + step] = self._gains(points[start : start + step])
        return result

    def _gains(self, points: Floats) -> Floats:
        product = self._sides(points, 0)
        for j in range(1, points.shape[1]):
            product *= self._sides(points, j)
        return product.sum(axis=1)

    def _sides(self, points: Floats, j: int) -> Floats:
        """How far each box reaches beyond each point in objective j; [points, boxes]."""
        sides = np.maximum(self.lower[:, j], points[:, j, None])
        np.subtract(self.upper[:, j], sides, out=sides)
        return np.maximum(sides, 0, out=sides)


class Front:
    """The points from which a subset is chosen, and a count of the work done with them.

    Args:
        points: [n, objectives], minimised, from 0 up, mutually non-dominated, without copies.
        reference: [objectives], above every point.
    """

    def __init__(self, points: Floats, reference: Floats) -> None:
        self.points, self.reference = points, reference
        #: Volumes computed so far: hypervolumes of sets, and what a single point gains or is bounded by.
        self.evaluations = 0

    def __len__(self) -> int:
        return len(self.points)

    @property
    def objectives(self) -> int:
        """How many objectives."""
        return self.points.shape[1]

    def value(self, chosen: Sequence[int]) -> float:
        """The hypervolume of some of the points, by moocore."""
        import moocore

        self.evaluations += 1
        return float(moocore.hypervolume(self.points[list(chosen)], ref=self.reference)) if len(chosen) else 0.0

    def free(self, chosen: Sequence[int], corner: Floats | None = None) -> FreeRegion:
        """What some of the points leave undominated of the box from `corner`, by default 0, to the reference."""
        start = np.zeros(self.objectives) if corner is None else corner
        region = FreeRegion(start[None], self.reference[None])
        for i in chosen:
            region = region.without(self.points[i])
        return region

    def gains(self, region: FreeRegion, of: Indices | slice = slice(None)) -> Floats:
        """What points would dominate of a region.

        Args:
            region: what is free.
            of: which points; by default all.
        """
        points = self.points[of]
        self.evaluations += len(points)
        return region.gains(points)
