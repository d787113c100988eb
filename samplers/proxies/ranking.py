"""Ranks of scores, in which what is not a finite number comes last whichever direction is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samplers.proxies.base import Direction

__all__ = ["worst_last"]


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
