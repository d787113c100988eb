"""An upper bound on the hypervolume of any k points, from the relaxation of maximum coverage.

To choose k points of largest hypervolume is to cover as much volume as one can with k boxes. With a multiplier
0 <= lam(z) <= 1 at every place z, a place that c(z) chosen points dominate counts min(1, c(z)) <= 1 - lam(z) +
lam(z) c(z), so that any k points have at most the hypervolume

    integral of (1 - lam)  +  the k largest shares,      share of p = integral of lam over the box that p dominates.

This holds for every lam; the best one gives the value of the linear relaxation, which is within a few per cent of the
optimum. Here lam is constant on each cell of a grid. Then the integral of lam over a box is a multilinear function of
the box's corner within a cell, hence exact by interpolation in the array of its cumulative sums, and one evaluation
costs as much as the grid has cells. The saddle point is approached by the primal-dual hybrid gradient method of
Chambolle & Pock (2011) with averaging.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samplers.subset.free_region import Floats, Front, Indices

__all__ = ["CoverageGrid", "Multipliers", "capped_simplex"]

#: Balance of the two step sizes, found by trial on random fronts: 0.1 and 1 are slower.
_BALANCE = 0.3
_EVERY = 20


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Multipliers, and what they say.

    Args:
        rest: integral of 1 - lam.
        shares: [n], integral of lam over each point's box.
        weights: [n], how much of each point the relaxation takes.
        multipliers: lam, one per cell.
    """

    rest: float
    shares: Floats
    weights: Floats
    multipliers: Floats

    def bound(self, taken: Indices, open_ones: Indices, more: int) -> float:
        """No set of the points `taken` and `more` of the open ones has a larger hypervolume."""
        shares = np.sort(self.shares[open_ones])[len(open_ones) - more :]
        return self.rest + float(self.shares[taken].sum() + shares.sum())


class CoverageGrid:
    """The space below the reference, cut into cells, each point's box included in multilinear weights.

    Args:
        front: the points.
        keep: points at whose coordinates the grid is to have lines, say those of a good subset.
        cells: at most how many cells.
    """

    def __init__(self, front: Front, keep: Indices, cells: int) -> None:
        self.front = front
        lines = [_lines(front, j, keep, int(cells ** (1 / front.objectives) + 1e-9)) for j in range(front.objectives)]
        self.shape = tuple(len(line) - 1 for line in lines)
        self.sizes = np.ones(())
        for line in lines:
            self.sizes = np.multiply.outer(self.sizes, np.diff(line))
        self._nodes, self._parts = _interpolation(front.points, lines)
        self._step = self._safe_step()

    def shares(self, multipliers: Floats) -> Floats:
        """The integral of the multipliers over each point's box."""
        self.front.evaluations += len(self.front)
        sums = np.zeros([side + 1 for side in self.shape])
        inner = sums[tuple(slice(0, -1) for _ in self.shape)]
        np.multiply(multipliers, self.sizes, out=inner)
        for axis in range(sums.ndim):
            flipped = np.flip(inner, axis)
            np.cumsum(flipped, axis, out=flipped)
        return (sums.ravel()[self._nodes] * self._parts).sum(axis=1)

    def covered(self, weights: Floats) -> Floats:
        """How often each cell is covered on average, when each point counts with its weight."""
        used = np.flatnonzero(weights)
        nodes, parts = self._nodes[used], self._parts[used] * weights[used, None]
        full = [side + 1 for side in self.shape]
        sums = (
            np.bincount(nodes.ravel(), parts.ravel(), int(np.prod(full))).astype(np.float64, copy=False).reshape(full)
        )
        inner = sums[tuple(slice(0, -1) for _ in self.shape)]
        for axis in range(inner.ndim):
            np.cumsum(inner, axis, out=inner)
        return inner

    def relax(
        self, weights: Floats, multipliers: Floats | None, taken: Indices, open_ones: Indices,
        more: int, rounds: int,
    ) -> Multipliers:  # fmt: skip
        """Multipliers with a small bound on sets of the points `taken` and `more` of the open ones.

        Args:
            weights: where to start; 1 for the points taken.
            multipliers: where to start; by default 1 where the weights leave a cell uncovered.
            taken: indices of points that are chosen already.
            open_ones: indices of points that may be.
            more: how many of these.
            rounds: steps of the method.
        """
        scale = _BALANCE * float(np.sqrt(self.sizes.sum() / max(1, more)))
        lam = (self.covered(weights) < 1).astype(float) if multipliers is None else multipliers
        ahead, best, least = weights, None, np.inf
        lam_sum, weight_sum = np.zeros_like(lam), np.zeros_like(weights)
        for step in range(1, rounds + 1):
            lam = np.clip(lam + self._step * scale * (1 - self.covered(ahead)), 0, 1)
            new = weights.copy()
            new[open_ones] = capped_simplex((weights + self._step / scale * self.shares(lam))[open_ones], more)
            ahead, weights = 2 * new - weights, new
            lam_sum += lam
            weight_sum += weights
            if step % _EVERY == 0 or step == rounds:
                for tried in (lam, lam_sum / step):
                    found = self.relaxation(tried, weight_sum / step)
                    bound = found.bound(taken, open_ones, more)
                    if bound < least:
                        best, least = found, bound
        return best or self.relaxation(lam, weights)

    def relaxation(self, multipliers: Floats, weights: Floats) -> Multipliers:
        """What the multipliers say."""
        rest = float((self.sizes * (1 - multipliers)).sum())
        return Multipliers(rest, self.shares(multipliers), weights, multipliers)

    def _safe_step(self) -> float:
        """Just below one over the norm of the map from weights to coverage, by power iteration."""
        vector, size = np.ones(len(self.front)), 1.0
        for _ in range(12):
            vector = self.shares(self.covered(vector))
            size = float(np.linalg.norm(vector))
            vector /= size
        return 0.95 / float(np.sqrt(size))


def _lines(front: Front, j: int, keep: Indices, count: int) -> Floats:
    """Where the grid cuts objective j: `count` lines or fewer, the first at the smallest value, and the reference."""
    values, kept = front.points[:, j], front.points[keep, j]
    free = count - len(kept)
    if free > 0:
        kept = np.append(kept, np.quantile(values, np.linspace(0, 1, free)))
    else:
        kept = np.append(values.min(), np.quantile(kept, np.linspace(0, 1, max(1, count) - 1)))
    return np.append(np.unique(kept), front.reference[j])


def _interpolation(points: Floats, lines: list[Floats]) -> tuple[Indices, Floats]:
    """For each point the nodes of the grid around it, and the part of each in a multilinear interpolation."""
    nodes, parts = np.zeros((len(points), 1), np.int64), np.ones((len(points), 1))
    for j, line in enumerate(lines):
        cell = np.searchsorted(line, points[:, j], "right") - 1
        there = (points[:, j] - line[cell]) / (line[cell + 1] - line[cell])
        first = nodes * len(line) + cell[:, None]
        nodes = np.concatenate([first, first + 1], axis=1)
        parts = np.concatenate([parts * (1 - there)[:, None], parts * there[:, None]], axis=1)
    return nodes, parts


def capped_simplex(values: Floats, total: float) -> Floats:
    """The nearest point with entries from 0 to 1 that sum to `total`.

    Args:
        values: [n].
        total: from 0 to n.

    Example:
        >>> capped_simplex(np.array([0.75, 0.25, 3.0]), 2).tolist()
        [0.75, 0.25, 1.0]
    """
    if total >= len(values):
        return np.ones(len(values))
    # The sum of clip(values - t, 0, 1) grows as t falls, and bends where an entry leaves 0 or reaches 1.
    bends = np.concatenate([values, values - 1])
    order = np.argsort(-bends, kind="stable")
    bends = bends[order]
    slopes = np.cumsum(np.where(order < len(values), 1, -1))
    sums = np.concatenate([[0.0], np.cumsum(slopes[:-1] * (bends[:-1] - bends[1:]))])
    j = min(int(np.searchsorted(sums, total)), len(bends) - 1)
    shift = bends[j] + (sums[j] - total) / max(slopes[j - 1], 1) if j else bends[0]
    return np.clip(values - shift, 0, 1)
