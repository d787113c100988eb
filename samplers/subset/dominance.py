"""Pareto dominance: which points no other point dominates, and the fronts that non-dominated sorting peels off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spaces.errors import NascompileError, did_you_mean

__all__ = ["Sense", "SubsetError", "as_minimised", "non_dominated", "pareto_ranks"]

#: What is good of an objective.
Sense = Literal["min", "max"]

#: moocore's own limit.
_MOST_OBJECTIVES = 31


class SubsetError(NascompileError):
    """Points, objectives or parameters from which no subset can be chosen."""


def as_minimised(values: ArrayLike, senses: Sequence[str]) -> NDArray[np.float64]:
    """Points whose every objective is minimised: those to be maximised are negated.

    Args:
        values: [n, objectives], finite.
        senses: `min` or `max`, one per objective.

    Returns:
        float64 [n, objectives], a copy.

    Raises:
        SubsetError: another shape, another word, or a value that is no finite number.

    Example:
        >>> as_minimised([[1, 2]], ["min", "max"]).tolist()
        [[1.0, -2.0]]
    """
    points = np.array(values, np.float64)
    if not 1 <= len(senses) <= _MOST_OBJECTIVES:
        hint = f"give 1 to {_MOST_OBJECTIVES} of them"
        raise SubsetError.of("bad-objectives", f"there cannot be {len(senses)} objectives", hint)
    if points.ndim != 2 or points.shape[1] != len(senses):
        message = f"`values` has the shape {list(points.shape)}, and there are {len(senses)} objectives"
        raise SubsetError.of("bad-values", message, f"give [points, {len(senses)}] numbers")
    for word in senses:
        if word not in ("min", "max"):
            raise SubsetError.of("bad-sense", f"an objective cannot be `{word}`", did_you_mean(word, ("min", "max")))
    if not np.isfinite(points).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(points))[0])
        message = f"point {row} has the value {points[row, column]} in objective {column}"
        raise SubsetError.of("not-finite", message, "leave such points out of `values`")
    points[:, [word == "max" for word in senses]] *= -1
    # -0.0 and 0.0 are one value; moocore and np.unique shall see one.
    return points + 0.0


def non_dominated(values: ArrayLike, senses: Sequence[str], keep_copies: bool = True) -> NDArray[np.bool_]:
    """Which points are not dominated: no other is at least as good in every objective and better in one.

    Args:
        values: [n, objectives], finite.
        senses: `min` or `max`, one per objective.
        keep_copies: of equal non-dominated points all are true; otherwise only the first.

    Returns:
        bool [n].

    Raises:
        SubsetError: as `as_minimised`.

    Example:
        >>> non_dominated([[1, 5], [2, 5], [2, 9], [1, 5]], ["min", "max"]).tolist()
        [True, False, True, True]
        >>> non_dominated([[1, 5], [2, 5], [2, 9], [1, 5]], ["min", "max"], keep_copies=False).tolist()
        [True, False, True, False]
    """
    import moocore

    return moocore.is_nondominated(as_minimised(values, senses), keep_weakly=keep_copies)


def pareto_ranks(values: ArrayLike, senses: Sequence[str]) -> NDArray[np.int64]:
    """The front of each point by non-dominated sorting: 0 for the points that none dominates, 1 for those dominated
    by points of rank 0 only, and so on. Equal points have equal ranks.

    Args:
        values: [n, objectives], finite.
        senses: `min` or `max`, one per objective.

    Returns:
        int64 [n].

    Raises:
        SubsetError: as `as_minimised`.

    Example:
        >>> pareto_ranks([[1, 5], [2, 5], [2, 9], [3, 1]], ["min", "max"]).tolist()
        [0, 1, 0, 2]
    """
    points = as_minimised(values, senses)
    if points.shape[1] == 1:  # moocore sorts two objectives or more
        return np.unique(points[:, 0], return_inverse=True)[1].astype(np.int64)
    import moocore

    return moocore.pareto_rank(points).astype(np.int64) if len(points) else np.zeros(0, np.int64)
