"""Greedy choice of a subset of large hypervolume, and local search by swaps from there.

The hypervolume of a set is a monotone submodular function of it (a point gains the less, the more is chosen already),
so greedy choice reaches 1 - 1/e of the optimum (Nemhauser, Wolsey & Fisher 1978), and a gain computed earlier bounds
the gain now: lazy greedy (Minoux 1978) computes only those that could still be the largest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplers.subset.free_region import Front

__all__ = ["greedy", "marginal_bound", "swapped"]

#: Rounding may make a gain larger than the bound computed before it by so much.
_SLACK = 1e-12
#: Gains computed at once; fewer would spend more time in Python than they save.
_AT_ONCE = 128


def greedy(front: Front, k: int, start: Sequence[int] = ()) -> list[int]:
    """k points, each the one that adds most to those before it; of equal ones the first.

    Args:
        front: the points.
        k: how many, at most as many as there are.
        start: different points that are chosen already, at most k.

    Returns:
        Indices in order of choice. Their hypervolume, where nothing was chosen already, is at least (1 - 1/e) of the
        largest.

    Example:
        >>> greedy(Front(np.array([[0, 0.9], [0.4, 0.4], [0.9, 0]]), np.ones(2)), 2)
        [1, 0]
    """
    chosen = list(start)
    region = front.free(chosen)
    bounds = np.full(len(front), np.inf)
    bounds[chosen] = -np.inf
    for _ in range(k - len(chosen)):
        best = -np.inf
        order = np.argsort(-bounds, kind="stable")[: len(front) - len(chosen)]
        for first in range(0, len(order), _AT_ONCE):
            some = order[first : first + _AT_ONCE]
            if bounds[some[0]] < best - _SLACK:
                break
            bounds[some] = front.gains(region, some)
            best = max(best, bounds[some].max())
        chosen.append(int(bounds.argmax()))
        bounds[chosen[-1]] = -np.inf
        region = region.without(front.points[chosen[-1]])
    return chosen


def swapped(front: Front, chosen: Sequence[int]) -> list[int]:
    """Local search: while exchanging one chosen point for another raises the hypervolume, the best such exchange.

    Exchanging i for p changes the hypervolume by what p gains beyond the chosen, plus what p dominates of the region
    that i alone dominates, less that region. So p gains at most what it gains beyond the chosen, which leaves few p to
    look at.

    Args:
        front: the points.
        chosen: where to start; not empty.

    Returns:
        Indices such that no exchange of one point raises their hypervolume by more than rounding.

    Example:
        >>> swapped(Front(np.array([[0, 0.9], [0.4, 0.4], [0.9, 0]]), np.ones(2)), [0, 2])
        [1, 2]
    """
    result = list(chosen)
    while swap := _best_swap(front, result):
        place, point = swap
        result[place] = point
    return result


def _best_swap(front: Front, chosen: list[int]) -> tuple[int, int] | None:
    """Which place to give to which point; None where no exchange is an improvement."""
    region = front.free(chosen)
    gains = front.gains(region)
    best, swap = _SLACK * float(front.reference.prod() - region.volume), None
    for place, i in enumerate(chosen):
        alone = front.free([j for j in chosen if j != i], front.points[i])
        hopeful = np.flatnonzero(gains > best)
        if not len(hopeful):
            break
        changes = gains[hopeful] + front.gains(alone, hopeful) - alone.volume
        if changes.max() > best:
            best, swap = float(changes.max()), (place, int(hopeful[changes.argmax()]))
    return swap


def marginal_bound(front: Front, k: int, start: Sequence[int]) -> float:
    """No k points have a larger hypervolume than this (Minoux 1978).

    For any set S, k points have at most the hypervolume of S and the k largest gains beyond it; the least over the
    sets that begin `start`.

    Args:
        front: the points.
        k: how many points.
        start: any points, in any order; those of a greedy choice serve well.

    Example:
        >>> front = Front(np.array([[0, 0.9], [0.4, 0.4], [0.9, 0]]), np.ones(2))
        >>> round(marginal_bound(front, 2, [1, 0]), 3), round(front.value([0, 1]), 3)
        (0.44, 0.4)
    """
    region = front.free([])
    least, value = np.inf, 0.0
    for i in (*start, None):
        gains = np.sort(front.gains(region))[::-1]
        least = min(least, value + float(gains[:k].sum()))
        if i is not None:
            value += float(front.gains(region, np.array([i]))[0])
            region = region.without(front.points[i])
    return least
