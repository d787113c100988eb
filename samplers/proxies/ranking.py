"""Ranks of scores, in which what is not a finite number comes last whichever direction is better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from samplers.proxies.base import Direction

__all__ = ["rank_sums", "ranks", "worst_last"]


def worst_last(values: Sequence[float] | np.ndarray, better: Direction) -> np.ndarray:
    """The rank of each score: 0 is the best, equal scores share a rank, and NaN and infinities share the last one.

    Args:
        values: scores of one proxy.
        better: its direction.

    Returns:
        int64 ranks, one per score; a rank is the number of scores that are strictly better.

    Example:
        >>> worst_last([2.0, float("nan"), 5.0, 2.0, float("-inf"), float("inf")], "higher").tolist()
        [1, 3, 0, 1, 3, 3]
        >>> worst_last([2.0, float("nan"), 5.0], "lower").tolist()
        [0, 2, 1]
    """
    scores = np.asarray(values, np.float64)
    losses = np.where(np.isfinite(scores), -scores if better == "higher" else scores, np.inf)
    return np.searchsorted(np.sort(losses), losses, side="left")


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ascending ranks from 0; equal values share the mean of theirs.

    Example:
        >>> ranks(np.array([3.0, 1.0, 3.0, np.inf])).tolist()
        [1.5, 0.0, 1.5, 3.0]
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes + 1) / 2)[group]


def rank_sums(columns: Iterable[tuple[Sequence[float] | np.ndarray, Direction]]) -> NDArray[np.float64]:
    """How well networks do by several proxies together: the sum of their ranks, each from 0 for the worst.

    Args:
        columns: per proxy, a score per network, and which direction is better; what is no finite number is worst.

    Returns:
        A sum per network; the largest is the best.

    Example:
        >>> rank_sums([([3.0, 2.0, float("-inf")], "higher"), ([10.0, 5.0, float("nan")], "lower")]).tolist()
        [3.0, 3.0, 0.0]
    """
    total = np.zeros(())
    for values, better in columns:
        scores = np.asarray(values, np.float64)
        total = total + ranks(np.where(np.isfinite(scores), scores if better == "higher" else -scores, -np.inf))
    return total
